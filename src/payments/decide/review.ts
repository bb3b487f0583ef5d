import type { EventDraft } from "#audit/index.ts";
import type { ReviewTerms } from "#identity/index.ts";
import { fourEyesLimit } from "#identity/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { EventId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Judgement } from "#labels/index.ts";
import type { Account, Transaction } from "#ledger/index.ts";
import { post, release } from "#ledger/index.ts";
import type { FirstApproval, Review } from "../review.ts";
import { isUndecided, workOf } from "../review.ts";
import type { ReasonCode, RiskReason, Verdict } from "../review-reasons.ts";
import { reasonOf, USUAL_REASON } from "../review-reasons.ts";
import { expiresAt, statusAt } from "../review-times.ts";
import { entriesOf } from "./payment.ts";

export interface ReviewDecisionRequest {
  readonly verdict: Verdict;
  /** `undefined`: the usual one of the verdict. */
  readonly reasonCode: ReasonCode | undefined;
  readonly eventId: EventId;
  readonly decidedBy: string | null;
  /** What is noted with a first approval beside who gave it. */
  readonly word: Pick<FirstApproval, "apiKeyId" | "epoch">;
  /** Whoever gave the first approval may not decide any more (disabled, revoked, compromised since): it counts for nothing. */
  readonly firstIsVoid: boolean;
  /** The same of whoever decides now: what let the request in may be some seconds old, or a key of somebody who was compromised. */
  readonly wordIsVoid: boolean;
}

/** What a review is decided over. */
export interface ReviewState {
  readonly review: Review;
  readonly transaction: Transaction;
  readonly payer: Account;
  readonly payee: Account;
  readonly terms: ReviewTerms;
}

export interface DecidedReview {
  readonly ok: true;
  readonly review: Review;
  /** What has changed; unchanged things are absent. */
  readonly transaction: Transaction | undefined;
  readonly payer: Account | undefined;
  readonly payee: Account | undefined;
  /** What is learnt from the decision. */
  readonly judgement: Judgement | undefined;
  readonly event: EventDraft;
}

/**
 * Decides a review, once. Approval releases the reserved funds and posts the payment in the same breath; above the organisation's
 * amount it takes two keys, and the first approval is only noted; where whoever gave it may not decide any more, the next is the first.
 * Rejection releases the funds, and one key is enough for it. An approval that cannot post (say the payee is closed by now) is refused and
 * the review stays as it was.
 */
export function decideReview(request: ReviewDecisionRequest, state: ReviewState, at: number): DecidedReview | Refusal {
  const { verdict, decidedBy, reasonCode = USUAL_REASON[verdict] } = request;
  const { review, transaction, payer, payee, terms } = state;
  if (reasonOf(reasonCode).verdict !== verdict) return refuse("reason_not_allowed", "reason_code", `It does not go with ${verdict}.`);
  if (!isUndecided(review.status)) return refuse("review_already_decided", undefined, `The review is ${review.status}.`);
  // What is to be done about it is another command's: a refusal changes nothing.
  if (statusAt(review, terms, at) === "expired") return refuse("review_expired");
  invariant(transaction.status === "pending_review", "an undecided review belongs to a pending transaction");

  const { label, told } = reasonOf(reasonCode);
  const event = (type: EventDraft["type"]): EventDraft => ({
    ...eventOf(request.eventId, type, state),
    details: { reason_code: reasonCode },
  });
  const decided = {
    ...review,
    work: { ...workOf(review), reasonCode },
    decidedAt: at,
    decidedBy,
    version: review.version + 1,
  };
  const judgement: Judgement | undefined = label === null ? undefined : { label, source: "review", decidedAt: at, decidedBy };

  if (verdict === "reject") {
    return {
      ok: true,
      review: { ...decided, status: "rejected" },
      transaction: rejected(transaction, told),
      payer: released(payer, transaction, at),
      payee: undefined,
      judgement,
      event: event("review.rejected"),
    };
  }

  const given = workOf(review).firstApproval;
  const first = request.firstIsVoid ? null : given;
  const limit = fourEyesLimit(terms, review.currency, review.createdAt);
  // Once two were asked for, two are asked for, also where the first is lost.
  const two = given !== null || (limit !== undefined && review.amount > limit);
  if (two && request.wordIsVoid) return refuse("insufficient_scope", undefined, "You may not do this any more.");
  if (first === null && two) {
    const work = { ...workOf(review), firstApproval: { ...request.word, by: decidedBy, at, reasonCode } };
    return {
      ok: true,
      review: { ...review, status: "approved_once", work, version: review.version + 1 },
      transaction: undefined,
      payer: undefined,
      payee: undefined,
      judgement: undefined,
      event: event("review.approved_once"),
    };
  }
  if (first !== null && first.by === decidedBy) return refuse("second_person_required", undefined, "This key has approved it already.");

  const posted = post(
    { transactionId: transaction.id, payer: release(payer, transaction.id, at), payee, amount: transaction.amount, at },
    { payer: "from_account_id", payee: "to_account_id" },
  );
  if (!posted.ok) return posted;
  return {
    ok: true,
    review: { ...decided, status: "approved" },
    transaction: {
      ...withReason(transaction, told),
      status: "posted",
      legs: [...transaction.legs, ...posted.legs],
      postedAt: posted.at,
      version: transaction.version + 1,
    },
    payer: posted.payer,
    payee: posted.payee,
    judgement,
    event: { ...event("review.approved"), entries: entriesOf(posted.legs) },
  };
}

export interface ExpiredReview {
  readonly review: Review;
  readonly transaction: Transaction;
  readonly payer: Account;
  readonly event: EventDraft;
}

/**
 * Gives up a review whose time is over: the payment is rejected and its funds released. Nobody has judged it, so nothing is learnt.
 * @returns `undefined` when there is nothing to do: it is decided, or its time is not over at `at`
 */
export function expireReview(eventId: EventId, state: Omit<ReviewState, "payee">, at: number): ExpiredReview | undefined {
  const { review, transaction, payer, terms } = state;
  if (!isUndecided(review.status) || statusAt(review, terms, at) !== "expired") return undefined;
  invariant(transaction.status === "pending_review", "an undecided review belongs to a pending transaction");
  return {
    // When it expired, not when that was noticed: whoever looked in between was shown the same.
    review: { ...review, status: "expired", decidedAt: expiresAt(review, terms), decidedBy: null, version: review.version + 1 },
    transaction: rejected(transaction, "declined_expired"),
    payer: released(payer, transaction, at),
    event: eventOf(eventId, "review.expired", state),
  };
}

function released(payer: Account, transaction: Transaction, at: number): Account {
  return { ...release(payer, transaction.id, at), updatedAt: Math.max(at, payer.updatedAt), version: payer.version + 1 };
}

function rejected(transaction: Transaction, told: RiskReason): Transaction {
  return { ...withReason(transaction, told), status: "rejected", version: transaction.version + 1 };
}

/** The outcome is kept with the assessment, which the ledger does not look into. */
function withReason(transaction: Transaction, told: RiskReason): Transaction {
  return { ...transaction, assessment: { ...transaction.assessment, risk_reason: told } };
}

function eventOf(id: EventId, type: EventDraft["type"], { review, transaction, payer }: Omit<ReviewState, "payee">): EventDraft {
  return {
    id,
    type,
    objectId: review.id,
    userId: payer.userId ?? undefined,
    transactionId: transaction.id,
    amount: transaction.amount,
    currency: transaction.currency,
  };
}
