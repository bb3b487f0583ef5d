import type { Asked, Executed } from "#commit/index.ts";
import { refused, workOn } from "#commit/index.ts";
import { minorFromWire } from "#kernel/money.ts";
import type { RiskContext } from "#risk/index.ts";
import { deviceIdIn } from "#risk/index.ts";
import type { PaymentRequest } from "../decide/payment.ts";
import { decidePayment } from "../decide/payment.ts";
import type { PaymentDeps } from "../deps.ts";
import { sealOptional } from "#vault/index.ts";
import type { DepositBody } from "./deposit.ts";
import { applyPayment, governanceOf, paymentNeeds, paymentState, replyOf } from "./payment.ts";
import { settlementAccount, settlementNeed } from "./settlement.ts";
import { settlementAccountId } from "#ledger/index.ts";

export interface WithdrawalBody extends DepositBody {
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
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    privateReply: body.metadata !== undefined,
    needs: [...paymentNeeds(request, payer, undefined), settlementNeed(organisationId, body.currency)],
    decide(view, at) {
      const work = workOn(view);
      const settlement = settlementAccount(work, organisationId, body.currency, openedEventId, at);
      const state = { ...paymentState(work, request, payer, undefined), payee: settlement.account };
      const decision = decidePayment(request, state, governance, at, { payer: "account_id", payee: "account_id" });
      if (!decision.ok) return refused(decision, requestId);
      // A blocked payment leaves no account behind that nothing was ever on its way to.
      if (decision.outcome !== "blocked") settlement.opened();
      applyPayment(work, decision);
      return work.outcome(replyOf(decision, body.metadata ?? {}, requestId));
    },
  });
}
