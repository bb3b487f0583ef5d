import type { Asked, Executed } from "#commit/index.ts";
import { refused, workOn } from "#commit/index.ts";
import type { DataKey } from "#vault/index.ts";
import { decidePayment } from "../decide/payment.ts";
import type { PaymentDeps } from "../deps.ts";
import { sealMetadata } from "#vault/index.ts";
import type { TransferBody } from "./payment.ts";
import { applyPayment, governanceOf, paymentNeeds, paymentState, replyOf, transferRequest } from "./payment.ts";

const PARAMS = { payer: "from_account_id", payee: "to_account_id" };

/** POST /v1/transfers: 201 when posted, 202 when it waits for a review, 422 when it is blocked. */
export async function transfer(deps: PaymentDeps, asked: Asked, body: TransferBody): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const dataKey: DataKey | undefined = body.metadata === undefined ? undefined : await deps.vault.dataKey(organisationId);
  const request = transferRequest(deps, organisationId, body, (id, metadata) =>
    dataKey === undefined ? {} : sealMetadata(deps.vault, dataKey, "smartfinance-transactions", id, metadata),
  );
  const payer = await deps.facts.of(organisationId, body.from_account_id);
  const payee = await deps.facts.of(organisationId, body.to_account_id);
  const governance = await governanceOf(deps, organisationId);
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    privateReply: body.metadata !== undefined,
    needs: paymentNeeds(request, payer, payee),
    decide(view, at) {
      const decision = decidePayment(request, paymentState(view, request, payer, payee), governance, at, PARAMS);
      if (!decision.ok) return refused(decision, requestId);
      const work = workOn(view);
      applyPayment(work, decision);
      return work.outcome(replyOf(decision, body.metadata ?? {}, requestId));
    },
  });
}
