import type { Asked, Executed } from "#commit/index.ts";
import { workOn } from "#commit/index.ts";
import { minorFromWire } from "#kernel/money.ts";
import type { RiskContext } from "#risk/index.ts";
import { deviceIdIn } from "#risk/index.ts";
import type { PaymentDecision, PaymentRequest, PaymentState } from "../decide/payment.ts";
import type { PaymentDeps } from "../deps.ts";
import { sealOptional } from "#vault/index.ts";
import type { DepositBody } from "./deposit.ts";
import type { ScaFields } from "../sca-plan.ts";
import { planSca } from "../sca-plan.ts";
import { governanceOf, notPerformed, paymentNeeds, paymentState, perform, replyOf } from "./payment.ts";
import { settlementAccount, settlementNeed } from "./settlement.ts";
import { settlementAccountId } from "#ledger/index.ts";

export interface WithdrawalBody extends DepositBody, Omit<ScaFields, "standing_order_id"> {
  readonly context?: RiskContext;
}

/** POST /v1/withdrawals: debits the customer's account, credits the settlement account; scored like a transfer. */
export async function withdrawal(deps: PaymentDeps, asked: Asked, body: WithdrawalBody): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const transactionId = deps.ids.next("transaction");
  const openedEventId = deps.ids.next("event");
  const context = body.context ?? {};
  const request: PaymentRequest = {
    organisationId,
    transactionId,
    reviewId: deps.ids.next("review"),
    eventId: deps.ids.next("event"),
    type: "withdrawal",
    fromAccountId: body.account_id,
    toAccountId: settlementAccountId(organisationId, body.currency),
    amount: minorFromWire(body.amount),
    currency: body.currency,
    reference: body.reference ?? null,
    metadata: await sealOptional(deps.vault, organisationId, "smartfinance-transactions", transactionId, body.metadata),
    context,
    deviceId: deviceIdIn(organisationId, context),
  };
  const payer = await deps.facts.of(organisationId, body.account_id);
  const governance = await governanceOf(deps, organisationId);
  const plan = await planSca(deps, request, body, payer, governance);
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    privateReply: body.metadata !== undefined,
    needs: [...paymentNeeds(request, payer, undefined), settlementNeed(organisationId, body.currency), ...(plan?.needs ?? [])],
    decide(view, at) {
      const work = workOn(view);
      const settlement = settlementAccount(work, organisationId, body.currency, openedEventId, at);
      const state = (): PaymentState => ({ ...paymentState(work, request, payer, undefined), payee: settlement.account });
      const params = { payer: "account_id", payee: "account_id" };
      // A blocked payment leaves no account behind that nothing was ever on its way to.
      const onDecided = ({ outcome }: PaymentDecision): void => (outcome === "blocked" ? undefined : settlement.opened());
      const decision = perform(work, { request, state, governance, params, plan, onDecided }, at);
      if (!decision.ok) return notPerformed(work, decision, requestId);
      return work.outcome(replyOf(decision, body.metadata ?? {}, requestId));
    },
  });
}
