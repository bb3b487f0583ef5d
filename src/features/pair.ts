import { addToBuckets, type Buckets, freshBuckets, NO_BUCKETS } from "./buckets.ts";
import { familiarity, isSettled } from "./known.ts";
import type { Outcome } from "./payment.ts";
import { pairTiers, remembered } from "./tiers.ts";

/** What one payer paid one payee. */
export interface Pair {
  /** The payee's key. */
  readonly key: number;
  /** Minute (since 1970) of the first posted payment; 0 while all of them were held. */
  readonly since: number;
  /** Minute of the newest payment. */
  readonly last: number;
  readonly short: Buckets;
  readonly hours: Buckets;
  readonly weeks: Buckets;
}

export function findPair(pairs: readonly Pair[], key: number): Pair | undefined {
  for (const pair of pairs) if (pair.key === key) return pair;
  return undefined;
}

const settled = (pair: Pair, minute: number): boolean => pair.since > 0 && isSettled(pair.since, minute);

/** How foreign the payee is to the payer. A payee that was only ever paid by held payments is as foreign as one never paid. */
export function pairFamiliarity(pairs: readonly Pair[], pair: Pair | undefined, minute: number): number {
  if (pair !== undefined && pair.since > 0) return settled(pair, minute) ? familiarity.own : familiarity.recent;
  for (const other of pairs) if (settled(other, minute)) return familiarity.foreign;
  return familiarity.first;
}

/** The pair to give up for a new one: the longest unused that is not settled; else, for a posted payment, the longest unused. */
function evictable(pairs: readonly Pair[], minute: number, outcome: Outcome): number {
  for (let i = pairs.length - 1; i >= 0; i--) {
    const pair = pairs[i];
    if (pair !== undefined && !settled(pair, minute)) return i;
  }
  // Held payments push out none of the payer's own payees.
  return outcome === "posted" ? pairs.length - 1 : -1;
}

/** The pairs after a payment to `key`, most recently paid first. */
export function learnPair(pairs: readonly Pair[], key: number, at: number, amount: number, outcome: Outcome): readonly Pair[] {
  const minute = Math.floor(at / 60_000);
  const pair = findPair(pairs, key);
  let without = -1;
  if (pair === undefined && pairs.length >= remembered.pairs) {
    without = evictable(pairs, minute, outcome);
    if (without < 0) return pairs;
  }
  const since = pair === undefined || pair.since === 0 ? (outcome === "posted" ? minute : 0) : pair.since;
  const next: Pair[] = [
    {
      key,
      since,
      last: minute,
      short: addToBuckets(pair?.short ?? NO_BUCKETS, pairTiers.short, at, amount),
      hours: addToBuckets(pair?.hours ?? NO_BUCKETS, pairTiers.hours, at, amount),
      weeks: addToBuckets(pair?.weeks ?? NO_BUCKETS, pairTiers.weeks, at, amount),
    },
  ];
  for (let i = 0; i < pairs.length; i++) {
    const other = pairs[i];
    if (other !== undefined && i !== without && other !== pair) next.push(fresh(other, at));
  }
  return next;
}

/** The pair without buckets that no window sees any more, so that pairs at rest take no room. */
function fresh(pair: Pair, at: number): Pair {
  const short = freshBuckets(pair.short, pairTiers.short, at);
  const hours = freshBuckets(pair.hours, pairTiers.hours, at);
  const weeks = freshBuckets(pair.weeks, pairTiers.weeks, at);
  if (short === pair.short && hours === pair.hours && weeks === pair.weeks) return pair;
  return { key: pair.key, since: pair.since, last: pair.last, short, hours, weeks };
}
