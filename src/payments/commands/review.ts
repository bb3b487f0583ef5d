import type { Asked, Executed, Need } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { ReviewId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import { accounts, transactionKey, transactions } from "#ledger/index.ts";
import { decideReview } from "../decide/review.ts";
import type { PaymentDeps } from "../deps.ts";
import { presentReview } from "../present.ts";
import { readReview } from "../read.ts";
import { reviews } from "../review.ts";
import { putAccounts } from "./payment.ts";

/** POST /v1/reviews/{id}/approve and /reject. */
export async function judgeReview(deps: PaymentDeps, asked: Asked, id: ReviewId, verdict: "approve" | "reject"): Promise<Executed> {
  const { organisationId, requestId, apiKeyId } = asked.actor;
  const eventId = deps.ids.next("event");
  // Read first because it tells the parties, which never change; everything else is judged on what the commit loads.
  const found = await readReview(deps.store, organisationId, id);
  const needs: Need[] = [];
  if (found !== undefined) {
    needs.push(
      { collection: reviews, key: { hash: id }, mode: "write" },
      { collection: transactions, key: transactionKey(organisationId, found.transactionId), mode: "write" },
      { collection: accounts, key: { hash: found.fromAccountId }, mode: "write" },
      { collection: accounts, key: { hash: found.toAccountId }, mode: "write" },
    );
  }
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    needs,
    decide(view, at) {
      if (found === undefined) return refused(refuse("not_found"), requestId);
      const work = workOn(view);
      const review = work.get(reviews, { hash: id });
      const transaction = work.get(transactions, transactionKey(organisationId, found.transactionId));
      const payer = work.get(accounts, { hash: found.fromAccountId });
      const payee = work.get(accounts, { hash: found.toAccountId });
      invariant(review && transaction && payer && payee, "a stored review has its transaction and accounts");
      const decision = decideReview({ verdict, eventId, decidedBy: apiKeyId }, review, transaction, payer, payee, at);
      if (!decision.ok) return refused(decision, requestId);
      work.put(reviews, decision.review);
      work.put(transactions, decision.transaction);
      putAccounts(work, decision.payer);
      if (decision.payee !== undefined) putAccounts(work, decision.payee);
      work.tell(decision.event);
      return work.outcome(replied(200, presentReview(decision.review)));
    },
  });
}
