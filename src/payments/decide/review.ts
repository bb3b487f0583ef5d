import type { EventDraft } from "#audit/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { EventId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Account, Transaction } from "#ledger/index.ts";
import { post, release } from "#ledger/index.ts";
import type { Review } from "../review.ts";
import { entriesOf } from "./payment.ts";

export interface ReviewDecisionRequest {
  readonly verdict: "approve" | "reject";
  readonly eventId: EventId;
  readonly decidedBy: string | null;
}

export interface DecidedReview {
  readonly ok: true;
  readonly review: Review;
  readonly transaction: Transaction;
  readonly payer: Account;
  /** Unchanged, and therefore absent, when the payment was rejected. */
  readonly payee: Account | undefined;
  readonly event: EventDraft;
}

/**
 * Decides a review, once. Approval releases the reserved funds and posts the payment in the same breath;
 * rejection only releases them. An approval that cannot post (say the payee is closed by now) is refused
 * and the review stays open.
 */
export function decideReview(
  request: ReviewDecisionRequest,
  review: Review,
  transaction: Transaction,
  payer: Account,
  payee: Account,
  at: number,
): DecidedReview | Refusal {
  if (review.status !== "open") return refuse("review_already_decided", undefined, `The review is ${review.status}.`);
  invariant(transaction.status === "pending_review", "an open review belongs to a pending transaction");
  const decidedReview = (status: "approved" | "rejected"): Review => ({
    ...review,
    status,
    decidedAt: at,
    decidedBy: request.decidedBy,
    version: review.version + 1,
  });
  const event: EventDraft = {
    id: request.eventId,
    type: request.verdict === "approve" ? "review.approved" : "review.rejected",
    objectId: review.id,
    userId: payer.userId ?? undefined,
    transactionId: transaction.id,
    amount: transaction.amount,
    currency: transaction.currency,
  };
  const released = release(payer, transaction.id, at);
  if (request.verdict === "reject") {
    return {
      ok: true,
      review: decidedReview("rejected"),
      transaction: { ...transaction, status: "rejected", version: transaction.version + 1 },
      payer: { ...released, updatedAt: Math.max(at, payer.updatedAt), version: payer.version + 1 },
      payee: undefined,
      event,
    };
  }
  const posted = post(
    { transactionId: transaction.id, payer: released, payee, amount: transaction.amount, at },
    { payer: "from_account_id", payee: "to_account_id" },
  );
  if (!posted.ok) return posted;
  return {
    ok: true,
    review: decidedReview("approved"),
    transaction: {
      ...transaction,
      status: "posted",
      legs: [...transaction.legs, ...posted.legs],
      postedAt: posted.at,
      version: transaction.version + 1,
    },
    payer: posted.payer,
    payee: posted.payee,
    event: { ...event, entries: entriesOf(posted.legs) },
  };
}
