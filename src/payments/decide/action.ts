import type { EventDraft } from "#audit/index.ts";
import { NO_COUNTERS, presentCounters } from "#authentications/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { AuthenticationId, EventId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import type { Account, Transaction } from "#ledger/index.ts";
import { checkParties, post, release, reserve } from "#ledger/index.ts";
import type { PaymentAction } from "../payment-action.ts";
import { closedAction } from "../payment-action.ts";
import type { Review } from "../review.ts";
import type { RiskReason } from "../review-reasons.ts";
import { entriesOf, reviewOf } from "./payment.ts";

/** What a waiting payment is decided over. */
export interface ActionState {
  readonly action: PaymentAction;
  readonly transaction: Transaction;
  readonly payer: Account;
  readonly payee: Account;
}

export interface CompletedAction {
  readonly ok: true;
  readonly action: PaymentAction;
  readonly transaction: Transaction;
  readonly payer: Account;
  readonly payee: Account;
  readonly review: Review | undefined;
  readonly event: EventDraft;
}

/** Whether a payment still waits for its payer at `at` (ms). It does not from the very millisecond its time is over. */
export function waitsAt({ status, expiresAt }: PaymentAction, at: number): boolean {
  return status === "open" && at < expiresAt;
}

const PARAMS = { payer: "from_account_id", payee: "to_account_id" };

/**
 * Lets a payment go on whose payer has been authenticated: it posts from the funds that were reserved for it, or, where risk wants it
 * looked at, goes to a review with the funds still reserved. A refusal (the payee is closed by now) leaves everything as it was.
 */
export function completeAction(
  { action, transaction, payer, payee }: ActionState,
  authenticationId: AuthenticationId,
  eventId: EventId,
  at: number,
): CompletedAction | Refusal {
  invariant(waitsAt(action, at) && transaction.status === "requires_action", "a payment that waits is completed");
  const sca = {
    ...transaction.sca,
    outcome: "authenticated",
    authentication_id: authenticationId,
    counters_after: presentCounters(NO_COUNTERS),
  };
  const base = { ...transaction, sca, version: transaction.version + 1 };
  const free = release(payer, transaction.id, at);
  const closed = closedAction(action, "completed");
  if (action.reviewId !== null) {
    const refusal = checkParties(payer, payee, PARAMS);
    if (refusal !== undefined) return refusal;
    // A review has no end that the ledger could know of, so what is reserved for it is reserved without one.
    const reserved = reserve(free, { id: transaction.id, amount: transaction.amount, expiresAt: null }, at);
    if (!reserved.ok) return reserved;
    const review = { ...transaction, reviewId: action.reviewId, transactionId: transaction.id };
    return {
      ok: true,
      action: closed,
      transaction: { ...base, status: "pending_review", reviewId: action.reviewId },
      payer: touched(reserved.account, at),
      payee,
      review: reviewOf(review, transaction.assessment ?? {}, at),
      event: eventOf(eventId, transaction, action, "pending_review"),
    };
  }
  const posted = post({ transactionId: transaction.id, payer: free, payee, amount: transaction.amount, at }, PARAMS);
  if (!posted.ok) return posted;
  return {
    ok: true,
    action: closed,
    transaction: { ...base, status: "posted", legs: [...transaction.legs, ...posted.legs], postedAt: posted.at },
    payer: posted.payer,
    payee: posted.payee,
    review: undefined,
    event: { ...eventOf(eventId, transaction, action, "posted"), entries: entriesOf(posted.legs) },
  };
}

/** Why a payment was given up, and what its parties may be told. */
export type GivenUp = "authentication_failed" | "authentication_canceled" | "authentication_expired";
const told: Readonly<Record<GivenUp, RiskReason>> = {
  authentication_failed: "declined_authentication",
  authentication_canceled: "declined_authentication",
  authentication_expired: "declined_expired",
};

export interface AbandonedAction {
  readonly action: PaymentAction;
  readonly transaction: Transaction;
  readonly payer: Account;
  readonly event: EventDraft;
}

/** Gives up a payment that waits: nothing has moved, and its funds are free. */
export function abandonAction(
  { action, transaction, payer }: Omit<ActionState, "payee">,
  why: GivenUp,
  eventId: EventId,
  at: number,
): AbandonedAction {
  invariant(action.status === "open" && transaction.status === "requires_action", "a payment that waits is given up");
  return {
    action: closedAction(action, why === "authentication_expired" ? "expired" : "given_up"),
    transaction: {
      ...transaction,
      status: "rejected",
      assessment: { ...transaction.assessment, risk_reason: told[why] },
      version: transaction.version + 1,
    },
    payer: touched(release(payer, transaction.id, at), at),
    event: { ...eventOf(eventId, transaction, action, "rejected"), details: { reason: why } },
  };
}

function touched(account: Account, at: number): Account {
  return { ...account, updatedAt: Math.max(at, account.updatedAt), version: account.version + 1 };
}

function eventOf(
  id: EventId,
  transaction: Transaction,
  { userId }: PaymentAction,
  what: "posted" | "pending_review" | "rejected",
): EventDraft {
  const { type } = transaction;
  invariant(type === "transfer" || type === "withdrawal", "only transfers and withdrawals wait for their payer");
  return {
    id,
    type: `${type}.${what}`,
    objectId: transaction.id,
    userId,
    transactionId: transaction.id,
    amount: transaction.amount,
    currency: transaction.currency,
  };
}
