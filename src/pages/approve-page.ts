import { toTimestamp } from "#kernel/clock.ts";
import type { Currency } from "#kernel/money.ts";
import type { Approval, ApprovedPayment } from "#authentications/index.ts";
import { amountText } from "./amount-text.ts";
import type { Html } from "./html.ts";
import { html } from "./html.ts";
import type { Language, Say } from "./language.ts";
import { endPart, layout, messageMain, noScript, wordsFor } from "./layout.ts";
import { wayBack } from "./return-url.ts";
import type { HostedSession } from "./session.ts";
import { endOf } from "./session.ts";
import type { Theme } from "./theme.ts";

/** What the approval page is made of. */
export interface ApprovePageFacts {
  readonly session: HostedSession;
  readonly theme: Theme;
  readonly language: Language;
  readonly say: Say;
  readonly approval: Approval;
  /** base64url: what a passkey is to sign for exactly this approval. */
  readonly challenge: string;
  /** Until when it can be approved, ms. */
  readonly expiresAt: number;
}

const WORDS = [
  "working",
  "passkey_waiting",
  "passkey_refused",
  "no_passkey_left",
  "wrong_proof",
  "locked",
  "changed",
  "over",
  "offline",
  "failed",
  "unknown",
  "valid_until",
  "approved_title",
  "approved_text",
  "declined_title",
  "declined_text",
] as const;

/** Shows what is approved as it is signed (RTS Art 5(1)(a)), and takes yes or no. */
export function approvePage(facts: ApprovePageFacts): string {
  const { session, theme, language, say, approval, challenge } = facts;
  const title = say(`approve_${approval.purpose}`);
  const base = `/hosted/${session.id}`;
  const words = JSON.stringify({
    ...JSON.parse(wordsFor(say, WORDS)),
    // Here a passkey is all there is.
    no_passkeys: say("no_passkeys_approve"),
    valid_until: say("valid_until", { time: "{time}" }),
  });
  const expires = toTimestamp(Math.min(endOf(session), facts.expiresAt));
  const main = html`<main data-base="${base}" data-challenge="${challenge}" data-expires="${expires}" data-words="${words}">
<h1 data-part="">${title}</h1>
<p data-part="">${say(`text_${approval.purpose}`, { name: theme.name })}</p>
<div data-part="">${shown(approval, language, say)}</div>
<p id="status" class="status" role="status" aria-live="polite"></p>
${noScript(say)}
<div data-part="">
<button type="button" id="approve" disabled>${say("approve_passkey")}</button>
<button type="button" id="decline" class="quiet" disabled>${say("decline")}</button>
<p id="valid" class="small"></p>
</div>
${endPart(say("go_back", { host: new URL(session.returnUrl).host }))}
</main>`;
  return layout({ theme, language, say, title, main, script: "approve.js", themePath: `${base}/theme.css` });
}

/** For what cannot be approved any more, or was answered before. */
export function answeredPage({ session, theme, language, say }: Omit<ApprovePageFacts, "approval" | "challenge" | "expiresAt">): string {
  const { result } = session;
  const kind = result === "approved" ? "approved" : result === "declined" ? "declined" : "answered";
  const title = say(`${kind}_title`);
  const href = wayBack(session, result ?? "cancelled", theme.returnOrigins);
  const link = href === undefined ? undefined : { href, text: say("go_back", { host: new URL(session.returnUrl).host }) };
  const main = messageMain(title, say(`${kind}_text`), link);
  return layout({ theme, language, say, title, main, themePath: `/hosted/${session.id}/theme.css` });
}

/** Everything that is signed and that a person can judge. */
function shown(approval: Approval, language: Language, say: Say): Html {
  switch (approval.purpose) {
    case "payment":
      return paymentFacts(approval.payment, language, say);
    case "batch": {
      const total = approval.payments.reduce((sum, { amount }) => sum + BigInt(amount), 0n);
      const currency = approval.payments[0]?.currency;
      return html`${currency === undefined ? undefined : html`<dl class="facts">${amountFact(say("total"), total, currency, language)}</dl>`}
${approval.payments.map((payment, n) => html`<h2>${say("payment_number", { n: String(n + 1) })}</h2>${paymentFacts(payment, language, say)}`)}`;
    }
    case "beneficiary":
      return html`<dl class="facts">${fact(say("payee"), approval.beneficiary.name)}${idFact(say("payee_account"), approval.beneficiary.account_id)}</dl>`;
    case "standing_order":
      return paymentFacts({ ...approval.standing_order, reference: null }, language, say);
    case "account_access":
    case "credential":
      return html``;
    default:
      return approval satisfies never;
  }
}

function paymentFacts(payment: Omit<ApprovedPayment, "type">, language: Language, say: Say): Html {
  return html`<dl class="facts">
${amountFact(say("amount"), BigInt(payment.amount), payment.currency, language)}
${fact(say("payee"), payment.payee_name ?? say("no_name"))}
${idFact(say("payee_account"), payment.to_account_id)}
${idFact(say("own_account"), payment.from_account_id)}
${payment.reference === null ? undefined : fact(say("reference"), payment.reference)}
</dl>`;
}

const fact = (name: string, value: string): Html => html`<div><dt>${name}</dt><dd><bdi>${value}</bdi></dd></div>`;
const idFact = (name: string, value: string): Html => html`<div><dt>${name}</dt><dd class="id">${value}</dd></div>`;
const amountFact = (name: string, amount: bigint, currency: Currency, language: Language): Html =>
  html`<div><dt>${name}</dt><dd class="amount">${amountText(amount, currency, language)}</dd></div>`;
