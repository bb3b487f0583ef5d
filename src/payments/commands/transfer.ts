import type { Asked, Executed } from "#commit/index.ts";
import { workOn } from "#commit/index.ts";
import type { DataKey } from "#vault/index.ts";
import type { PaymentState } from "../decide/payment.ts";
import type { PaymentDeps } from "../deps.ts";
import { sealMetadata, sealReply } from "#vault/index.ts";
import type { TransferBody } from "./payment.ts";
import { planSca } from "../sca-plan.ts";
import { governanceOf, notPerformed, paymentNeeds, paymentState, perform, replyOf, transferRequest } from "./payment.ts";

const PARAMS = { payer: "from_account_id", payee: "to_account_id" };

/** POST /v1/transfers: 201 when posted, 202 when it waits for its payer or a review, 422 when it is blocked. */
export async function transfer(deps: PaymentDeps, asked: Asked, body: TransferBody): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const dataKey: DataKey | undefined = body.metadata === undefined ? undefined : await deps.vault.dataKey(organisationId);
  const request = transferRequest(deps, organisationId, body, (id, metadata) =>
    dataKey === undefined ? {} : sealMetadata(deps.vault, dataKey, "smartfinance-transactions", id, metadata),
  );
  // Nearly always all of it is in memory, and then nothing is waited for: each wait costs a turn of the microtask queue.
  const from = deps.facts.of(organisationId, body.from_account_id);
  const payer = from instanceof Promise ? await from : from;
  const to = deps.facts.of(organisationId, body.to_account_id);
  const payee = to instanceof Promise ? await to : to;
  const inForce = governanceOf(deps, organisationId);
  const governance = inForce instanceof Promise ? await inForce : inForce;
  const planned = planSca(deps, request, body, payer, governance);
  const plan = planned === undefined ? undefined : await planned;
  const record = asked.idempotency?.id;
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    // What posts at once is kept as a reference, and needs no seal.
    sealReply: dataKey === undefined || record === undefined ? undefined : (text) => sealReply(deps.vault, dataKey, record, text),
    needs: plan === undefined ? paymentNeeds(request, payer, payee) : [...paymentNeeds(request, payer, payee), ...plan.needs],
    decide(view, at) {
      const work = workOn(view);
      const state = (): PaymentState => paymentState(work, request, payer, payee);
      const decision = perform(work, { request, state, governance, params: PARAMS, plan }, at);
      if (!decision.ok) return notPerformed(work, decision, requestId);
      const reply = replyOf(decision, body.metadata ?? {}, requestId);
      return work.outcome(
        decision.outcome === "posted" ? { status: reply.status, body: reply.body, shows: decision.transaction.id } : reply,
      );
    },
  });
}
