import { addToBuckets, type Buckets, NO_BUCKETS } from "./buckets.ts";
import { addDistinct, type Distinct, NONE_DISTINCT } from "./distinct.ts";
import type { Outcome, Seen } from "./payment.ts";
import { dayTier, distinctEpochs, payeeTiers } from "./tiers.ts";

/** What is remembered of one payee (an account that is paid, a terminal). Immutable and bounded. Times are ms. */
export interface PayeeProfile {
  /** The latest time heard of; the profile's time never goes back. */
  readonly mark: number;
  /** Of the newest payment; 0 before the first. */
  readonly paidAt: number;
  /** Of the first posted payment; 0 before it. */
  readonly firstAt: number;
  readonly short: Buckets;
  readonly hours: Buckets;
  readonly days: Buckets;
  readonly payersDay: Distinct;
  readonly payersMonth: Distinct;
  /** Confirmed frauds of payments to this payee, by the day their label arrived. */
  readonly frauds: Buckets;
}

export const UNKNOWN_PAYEE: PayeeProfile = {
  mark: 0,
  paidAt: 0,
  firstAt: 0,
  short: NO_BUCKETS,
  hours: NO_BUCKETS,
  days: NO_BUCKETS,
  payersDay: NONE_DISTINCT,
  payersMonth: NONE_DISTINCT,
  frauds: NO_BUCKETS,
};

/** The profile after a payment to this payee. A held one counts as well, except that it makes nobody older. */
export function observePayee(before: PayeeProfile, seen: Seen, outcome: Outcome): PayeeProfile {
  const at = Math.max(seen.at, before.mark);
  const { amount, payer } = seen;
  return {
    mark: at,
    paidAt: at,
    firstAt: before.firstAt === 0 && outcome === "posted" ? at : before.firstAt,
    short: addToBuckets(before.short, payeeTiers.short, at, amount),
    hours: addToBuckets(before.hours, payeeTiers.hours, at, amount),
    days: addToBuckets(before.days, payeeTiers.days, at, amount),
    payersDay: addDistinct(before.payersDay, distinctEpochs.day, at, payer),
    payersMonth: addDistinct(before.payersMonth, distinctEpochs.month, at, payer),
    frauds: before.frauds,
  };
}

/** The profile after a payment to this payee was confirmed as fraud. `at`: when that became known. */
export function labelPayee(before: PayeeProfile, at: number): PayeeProfile {
  const mark = Math.max(at, before.mark);
  return { ...before, mark, frauds: addToBuckets(before.frauds, dayTier, mark, 0) };
}
