import type { CommitQueue, Executed } from "#commit/index.ts";
import { workOn } from "#commit/index.ts";
import { organisations, reviewTermsOf } from "#identity/index.ts";
import type { Ids } from "#kernel/ids.ts";
import { invariant } from "#kernel/assert.ts";
import { accounts, transactionKey, transactions } from "#ledger/index.ts";
import { expireReview } from "../decide/review.ts";
import type { Review } from "../review.ts";
import { reviews } from "../review.ts";
import { putAccounts } from "./payment.ts";

export interface ExpiryDeps {
  readonly queue: CommitQueue;
  readonly ids: Ids;
}

const DONE = { status: 204, body: "" };

/**
 * Gives up a review whose time is over, in the installation's own name. Any number of nodes may try at the same time, and beside
 * analysts who decide: what is stored is decided over, so exactly one of them changes it.
 */
export function expire({ queue, ids }: ExpiryDeps, review: Review): Promise<Executed> {
  const { organisationId, transactionId, fromAccountId } = review;
  const eventId = ids.next("event");
  const key = { hash: review.id };
  return queue.execute({
    actor: { organisationId, apiKeyId: null, ip: null, userAgent: null, requestId: null },
    needs: [
      { collection: reviews, key, mode: "write" },
      { collection: transactions, key: transactionKey(organisationId, transactionId), mode: "write" },
      { collection: accounts, key: { hash: fromAccountId }, mode: "write" },
      { collection: organisations, key: { hash: organisationId }, mode: "read" },
    ],
    appends: 1,
    decide(view, at) {
      const work = workOn(view);
      const stored = work.get(reviews, key);
      const transaction = work.get(transactions, transactionKey(organisationId, transactionId));
      const payer = work.get(accounts, { hash: fromAccountId });
      invariant(stored && transaction && payer, "a stored review has its transaction and payer");
      const terms = reviewTermsOf(work.get(organisations, { hash: organisationId }));
      const expired = expireReview(eventId, { review: stored, transaction, payer, terms }, at);
      if (expired === undefined) return work.outcome(DONE);
      work.put(reviews, expired.review);
      work.put(transactions, expired.transaction);
      putAccounts(work, expired.payer);
      work.tell(expired.event);
      return work.outcome(DONE);
    },
  });
}
