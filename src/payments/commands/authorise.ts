import type { EventDraft } from "#audit/index.ts";
import type { Asked, Executed, Working } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import type { AccountId, EventId, HoldId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import { minorFromWire } from "#kernel/money.ts";
import { refuse } from "#kernel/problems.ts";
import type { Account } from "#ledger/index.ts";
import { authoriseHold, checkFunds, checkParties, holds } from "#ledger/index.ts";
import type { RiskContext } from "#risk/index.ts";
import { deviceIdIn, ONE, riskDevices, riskProfiles } from "#risk/index.ts";
import type { Judged, Learnt } from "../decide/judge.ts";
import { requirementOf } from "#authentications/index.ts";
import { scaPaymentOf } from "../decide/payment.ts";
import type { ScaFields } from "../sca-plan.ts";
import { planSca, useShown } from "../sca-plan.ts";
import { judge, learnt } from "../decide/judge.ts";
import type { PaymentDeps } from "../deps.ts";
import type { Metadata } from "#vault/index.ts";
import { sealOptional } from "#vault/index.ts";
import { presentHold } from "../present.ts";
import { governanceOf, notPerformed, paymentNeeds, paymentState, putAccounts } from "./payment.ts";

export interface AuthoriseBody extends Omit<ScaFields, "standing_order_id"> {
  readonly from_account_id: AccountId;
  readonly to_account_id: AccountId;
  readonly amount: number;
  readonly currency: Currency;
  /** Seconds from now; a week where absent. */
  readonly expires_in?: number;
  readonly reference?: string;
  readonly metadata?: Metadata;
  readonly context?: RiskContext;
}

/** How long a hold lasts unless asked otherwise, seconds. */
export const DEFAULT_HOLD_SECONDS = 7 * 24 * 60 * 60;

/**
 * POST /v1/holds. The payment is judged here, where its funds are set aside; a capture moves only what was authorised. A hold
 * cannot wait for a reviewer, so what is not simply allowed is declined: of that the attempt is learnt, and an event tells why.
 */
export async function authorise(deps: PaymentDeps, asked: Asked, body: AuthoriseBody): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const id = deps.ids.next("hold");
  const eventId = deps.ids.next("event");
  const metadata = await sealOptional(deps.vault, organisationId, "smartfinance-holds", id, body.metadata);
  const context = body.context ?? {};
  const deviceId = deviceIdIn(organisationId, context);
  const parties = { fromAccountId: body.from_account_id, toAccountId: body.to_account_id, deviceId };
  const payerFacts = await deps.facts.of(organisationId, body.from_account_id);
  const payeeFacts = await deps.facts.of(organisationId, body.to_account_id);
  const amount = minorFromWire(body.amount);
  const params = { payer: "from_account_id", payee: "to_account_id" };
  const governance = await governanceOf(deps, organisationId);
  const asHold = { ...parties, organisationId, transactionId: id, type: "hold" as const, amount, currency: body.currency, context };
  const plan = await planSca(deps, { ...asHold, reference: body.reference ?? null }, body, payerFacts, governance);
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    privateReply: body.metadata !== undefined,
    needs: [...paymentNeeds(parties, payerFacts, payeeFacts), ...(plan?.needs ?? [])],
    decide(view, at) {
      const work = workOn(view);
      const { payer, payee, profile, device } = paymentState(view, parties, payerFacts, payeeFacts);
      if (payer === undefined) return refused(refuse("account_not_found", params.payer), requestId);
      if (payee === undefined) return refused(refuse("account_not_found", params.payee), requestId);
      const used = useShown(work, plan, payer, at);
      if (used?.ok === false) return notPerformed(work, used, requestId);
      if (payer.type === "settlement") return refused(refuse("account_type_not_allowed", params.payer), requestId);
      if (payee.type === "settlement") return refused(refuse("account_type_not_allowed", params.payee), requestId);
      if (payer.currency !== body.currency) return refused(refuse("currency_mismatch", "currency"), requestId);
      const refusal = checkParties(payer, payee, params) ?? checkFunds(payer, amount, at);
      if (refusal !== undefined) return refused(refusal, requestId);
      const judgeable = { organisationId, type: "hold" as const, amount, currency: payer.currency, context, deviceId };
      const over = { payer, payee, profile, device };
      const judged = judge(judgeable, over, governance, at);
      const read = judged.action === "block" ? undefined : plan?.facts(work);
      if (read?.ok === false) return refused(read, requestId);
      const sca =
        read === undefined ? undefined : requirementOf(read.facts, scaPaymentOf(judged, governance.policy, payer, payee, judgeable));
      if (sca?.ok === false) return refused(sca, requestId);
      const answered = judged.action === "challenge" && sca?.outcome === "authenticated";
      if (judged.action === "allow" && sca?.outcome === "required") return refused(refuse("authentication_required"), requestId);
      if (judged.action !== "allow" && !answered) {
        keepLearnt(work, learnt(judged, judgeable, over, "blocked"));
        work.tell(declined(judged, { id, eventId, payer, amount }));
        return work.outcome(refused(refuse("risk_declined"), requestId).reply);
      }
      const after = learnt(judged, judgeable, over, "posted");
      const decision = authoriseHold(
        {
          id,
          organisationId,
          payer,
          payee,
          amount,
          expiresAt: at + (body.expires_in ?? DEFAULT_HOLD_SECONDS) * 1000,
          reference: body.reference ?? null,
          metadata,
          assessment: judged.assessment,
        },
        at,
        params,
      );
      if (!decision.ok) return refused(decision, requestId);
      putAccounts(work, decision.payer, { ...payee, incoming: after.incoming, version: payee.version + 1 });
      keepLearnt(work, after);
      if (plan !== undefined && (sca?.outcome === "authenticated" || sca?.outcome === "exempt"))
        plan.settle(work, sca.countersAfter, sca.outcome, at);
      if (used !== undefined) used.consume(work, id);
      work.put(holds, decision.hold);
      work.tell({
        id: eventId,
        type: "hold.authorised",
        objectId: id,
        userId: payer.userId ?? undefined,
        amount,
        currency: payer.currency,
        // A hold keeps no record of its own of why it needed an authentication, or none.
        ...(sca?.evidence === undefined ? {} : { details: { sca: sca.evidence } }),
      });
      return work.outcome(replied(201, presentHold(decision.hold, body.metadata ?? {}, at)));
    },
  });
}

export function keepLearnt(work: Working, { profile, device }: Learnt): void {
  work.put(riskProfiles, profile);
  if (device !== undefined) work.put(riskDevices, device);
}

interface Declined {
  readonly id: HoldId;
  readonly eventId: EventId;
  readonly payer: Account;
  readonly amount: Minor;
}

/** What the audit log is told of a declined hold, of which no record is kept otherwise, or of the declined raise of one. */
export function declined(judged: Judged, { id, eventId, payer, amount }: Declined): EventDraft {
  return {
    id: eventId,
    type: "hold.declined",
    objectId: id,
    userId: payer.userId ?? undefined,
    amount,
    currency: payer.currency,
    details: judgementOf(judged),
  };
}

/** How a hold, or the raise of one, was judged, where no assessment of it is kept. */
export function judgementOf({ action, score, assessment }: Judged): JsonObject {
  const { model = null, reasons = [], hits = [], rule_set = null } = assessment;
  return { action, risk_score: score / ONE, model, reasons, rule_set, hits };
}
