import type { Factor } from "#factors/index.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { Html } from "./html.ts";
import { html } from "./html.ts";
import type { Language, Say, Word } from "./language.ts";
import { endPart, layout, messageMain, noScript, wordsFor } from "./layout.ts";
import { wayBack } from "./return-url.ts";
import type { HostedSession } from "./session.ts";
import { endOf } from "./session.ts";
import type { Theme } from "./theme.ts";

/** What the enrolment page is made of. */
export interface EnrolPageFacts {
  readonly session: HostedSession;
  readonly theme: Theme;
  readonly language: Language;
  readonly say: Say;
  readonly factors: readonly Factor[];
}

const WORDS = [
  "working",
  "passkey_waiting",
  "passkey_refused",
  "passkey_known",
  "passkey_synced",
  "no_passkeys",
  "passkey_added",
  "totp_added",
  "totp_scan",
  "totp_copied",
  "proof_first",
  "proved",
  "wrong_proof",
  "wrong_code",
  "limit",
  "locked",
  "over",
  "offline",
  "failed",
  "unknown",
  "enrolled_title",
  "enrolled_text",
  "cancelled_title",
  "cancelled_text",
] as const;

/** Codes that can be typed here: the others would have to be sent first. */
const CODES = ["totp", "recovery_code"] as const;

/** Shows what the customer has, and adds to it. From the second on each addition needs one of the former as a proof. */
export function enrolPage({ session, theme, language, say, factors }: EnrolPageFacts): string {
  const title = say("enrol_title");
  const base = `/hosted/${session.id}`;
  const words = JSON.stringify({ ...JSON.parse(wordsFor(say, WORDS)), valid_until: say("valid_until", { time: "{time}" }) });
  const own = factors.filter(({ status }) => status !== "pending");
  const main = html`<main data-base="${base}" data-proof="${own.length > 0 ? "needed" : "none"}" data-expires="${toTimestamp(endOf(session))}" data-words="${words}">
<h1 data-part="">${title}</h1>
<p data-part="">${say("enrol_text")}</p>
<p id="status" class="status" role="status" aria-live="polite"></p>
${noScript(say)}
<section data-part="" aria-labelledby="own-title">
<h2 id="own-title">${say("own_title")}</h2>
${own.length === 0 ? html`<p>${say("own_none")}</p>` : html`<ul class="own">${own.map((factor) => ownFactor(factor, language, say))}</ul>`}
</section>
${own.length === 0 ? undefined : proofPart(own, say)}
<section data-part="" aria-labelledby="add-title">
<h2 id="add-title" tabindex="-1">${say("passkey_title")}</h2>
<button type="button" id="add-passkey" disabled>${say("passkey_add")}</button>
</section>
${totpPart(say)}
<section data-part="">
<button type="button" id="finish" class="quiet" disabled>${say("enrol_done")}</button>
<p id="valid" class="small"></p>
</section>
${endPart(say("go_back", { host: new URL(session.returnUrl).host }))}
</main>`;
  return layout({ theme, language, say, title, main, script: "enrol.js", themePath: `${base}/theme.css` });
}

/** For a visit that is over. */
export function enrolledPage({ session, theme, language, say }: Omit<EnrolPageFacts, "factors">): string {
  const result = session.result ?? "cancelled";
  const kind = result === "enrolled" ? "enrolled" : "cancelled";
  const title = say(`${kind}_title`);
  const href = wayBack(session, result, theme.returnOrigins);
  const link = href === undefined ? undefined : { href, text: say("go_back", { host: new URL(session.returnUrl).host }) };
  const main = messageMain(title, say(`${kind}_text`), link);
  return layout({ theme, language, say, title, main, themePath: `/hosted/${session.id}/theme.css` });
}

const NAMES: Readonly<Record<Factor["type"], Word>> = {
  passkey: "own_passkey",
  totp: "own_totp",
  recovery_code: "own_codes",
  email_code: "own_sent",
  sms_code: "own_sent",
};

function ownFactor(factor: Factor, language: Language, say: Say): Html {
  const day = (timestamp: string): string =>
    new Intl.DateTimeFormat(language === "en" ? "en-GB" : "de-DE", { dateStyle: "long", timeZone: "UTC" }).format(new Date(timestamp));
  const facts = [
    say("own_since", { date: day(factor.created_at) }),
    ...(factor.last_used_at === null ? [] : [say("own_used", { date: day(factor.last_used_at) })]),
    ...(factor.device_bound === null ? [] : [say(factor.device_bound ? "own_device" : "own_synced")]),
    ...(factor.status === "flagged" ? [say("own_flagged")] : []),
  ];
  return html`<li>${say(NAMES[factor.type])}<span>${facts.join(" · ")}</span></li>`;
}

function proofPart(own: readonly Factor[], say: Say): Html {
  const has = (type: Factor["type"]): boolean => own.some((factor) => factor.type === type && factor.status === "active");
  const codes = CODES.filter((type) => has(type));
  const passkey = has("passkey");
  return html`<section data-part="" id="prove" aria-labelledby="prove-title">
<h2 id="prove-title" tabindex="-1">${say("prove_title")}</h2>
<p>${say(passkey || codes.length > 0 ? "prove_text" : "prove_none")}</p>
${passkey ? html`<button type="button" id="prove-passkey" disabled>${say("prove_passkey")}</button>` : undefined}
${codes.length === 0 ? undefined : codeForm(codes, say)}
</section>`;
}

function codeForm(codes: readonly (typeof CODES)[number][], say: Say): Html {
  return html`<form id="prove-code">
<label for="prove-code-type">${say("prove_which")}</label>
<select id="prove-code-type">${codes.map((type) => html`<option value="${type}">${say(`code_${type}`)}</option>`)}</select>
<label for="prove-code-text">${say("code")}</label>
<input id="prove-code-text" required maxlength="64" autocomplete="one-time-code" autocapitalize="none" spellcheck="false">
<button class="quiet" disabled>${say("prove_code")}</button>
</form>`;
}

function totpPart(say: Say): Html {
  return html`<section data-part="" aria-labelledby="totp-title">
<h2 id="totp-title">${say("totp_title")}</h2>
<p>${say("totp_text")}</p>
<button type="button" id="start-totp" class="quiet" disabled>${say("totp_start")}</button>
<div id="totp-steps" hidden>
<p>${say("totp_scan")}</p>
<p><a id="totp-link" class="button" href="/hosted">${say("totp_link")}</a></p>
<dl class="facts"><div><dt>${say("totp_key")}</dt><dd id="totp-key" class="id"></dd></div></dl>
<button type="button" id="copy-totp" class="quiet" disabled>${say("totp_copy")}</button>
<form id="totp-form">
<label for="totp-code">${say("totp_code")}</label>
<input id="totp-code" required inputmode="numeric" pattern="[0-9 ]{6,7}" maxlength="7" autocomplete="one-time-code">
<button disabled>${say("totp_activate")}</button>
</form>
</div>
</section>`;
}
