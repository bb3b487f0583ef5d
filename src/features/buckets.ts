import { AMOUNT_MAX } from "./payment.ts";

/**
 * Counts and sums over time, in buckets aligned to multiples of `ms` since 1970: flat triples of slot, count and
 * sum, oldest first, empty buckets left out. Whole numbers that only add up, so the order within a bucket is
 * of no account.
 */
export type Buckets = readonly number[];

/**
 * The bucket rule. A window of n buckets holds the current bucket and the n before it, so it always covers its
 * whole time and up to one bucket more: a burst is never cut in two.
 */
export interface Tier {
  /** Length of a bucket in ms. */
  readonly ms: number;
  /** How many buckets before the current one are kept. */
  readonly back: number;
}

/** Buckets, by what they count: any more payments in one bucket count as this many. */
export const COUNT_MAX = 0xfffff;

export const NO_BUCKETS: Buckets = [];

export function slotOf(tier: Tier, at: number): number {
  return Math.floor(at / tier.ms);
}

/** Sum of two whole numbers of 0 … `AMOUNT_MAX`, saturating, so that order never matters. */
export function addSaturating(a: number, b: number): number {
  return Math.min(a + b, AMOUNT_MAX);
}

/** The buckets with one more payment. `at` is not before any bucket's time. */
export function addToBuckets(buckets: Buckets, tier: Tier, at: number, amount: number): Buckets {
  const slot = slotOf(tier, at);
  const next = buckets.slice(expired(buckets, slot - tier.back));
  const last = next.length - 3;
  if (last >= 0 && next[last] === slot) {
    next[last + 1] = Math.min((next[last + 1] ?? 0) + 1, COUNT_MAX);
    next[last + 2] = addSaturating(next[last + 2] ?? 0, amount);
  } else next.push(slot, 1, amount);
  return next;
}

/** The buckets without those that no window of the tier can see any more. */
export function freshBuckets(buckets: Buckets, tier: Tier, at: number): Buckets {
  const drop = expired(buckets, slotOf(tier, at) - tier.back);
  if (drop === 0) return buckets;
  return drop === buckets.length ? NO_BUCKETS : buckets.slice(drop);
}

function expired(buckets: Buckets, from: number): number {
  let drop = 0;
  while (drop < buckets.length && (buckets[drop] ?? from) < from) drop += 3;
  return drop;
}

/** Payments in the window that ends now and reaches `back` buckets back. */
export function countIn(buckets: Buckets, slot: number, back: number): number {
  let count = 0;
  for (let i = buckets.length - 3; i >= 0 && (buckets[i] ?? 0) >= slot - back; i -= 3) count += buckets[i + 1] ?? 0;
  return count;
}

/** What the payments of that window add up to, saturating. */
export function sumIn(buckets: Buckets, slot: number, back: number): number {
  let sum = 0;
  for (let i = buckets.length - 3; i >= 0 && (buckets[i] ?? 0) >= slot - back; i -= 3) sum = addSaturating(sum, buckets[i + 2] ?? 0);
  return sum;
}

/** Payments in the slots `from` … `to`. */
export function countBetween(buckets: Buckets, from: number, to: number): number {
  let count = 0;
  for (let i = 0; i < buckets.length; i += 3) {
    const slot = buckets[i] ?? 0;
    if (slot >= from && slot <= to) count += buckets[i + 1] ?? 0;
  }
  return count;
}
