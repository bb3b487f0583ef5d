import { type AmountHistogram, learnAmount, quantile, totalOf } from "./amounts.ts";
import { addToBuckets, type Buckets, NO_BUCKETS } from "./buckets.ts";
import { type Known, NOTHING_KNOWN, remember } from "./known.ts";
import { learnPair, type Pair } from "./pair.ts";
import type { Outcome, Seen } from "./payment.ts";
import { dayTier, payerTiers, remembered } from "./tiers.ts";
import { IMPOSSIBLE_KMH, kmFrom, type Place, placeOf, speedKmh } from "./travel.ts";

/** What is remembered of one payer. Immutable and bounded in every part. Times are ms unless said. */
export interface PayerProfile {
  /** The latest time heard of. A clock that goes back counts as this time, so the profile's own time never does. */
  readonly mark: number;
  /** Of the newest payment; 0 before the first. */
  readonly paidAt: number;
  /** Of the first posted payment; 0 before it. */
  readonly firstAt: number;
  readonly minutes: Buckets;
  readonly short: Buckets;
  readonly hours: Buckets;
  readonly days: Buckets;
  /** Payments far above what the payer is used to, by day. */
  readonly outliers: Buckets;
  /** Confirmed frauds of this payer's payments, by the day their label arrived. */
  readonly frauds: Buckets;
  readonly amounts: AmountHistogram;
  /** The largest posted amount. */
  readonly max: number;
  readonly devices: Known;
  readonly networks: Known;
  readonly countries: Known;
  readonly place: Place | undefined;
  readonly pairs: readonly Pair[];
}

export const UNKNOWN_PAYER: PayerProfile = {
  mark: 0,
  paidAt: 0,
  firstAt: 0,
  minutes: NO_BUCKETS,
  short: NO_BUCKETS,
  hours: NO_BUCKETS,
  days: NO_BUCKETS,
  outliers: NO_BUCKETS,
  frauds: NO_BUCKETS,
  amounts: [],
  max: 0,
  devices: NOTHING_KNOWN,
  networks: NOTHING_KNOWN,
  countries: NOTHING_KNOWN,
  place: undefined,
  pairs: [],
};

/** Amounts learnt before one can be called an outlier, and how many octaves above the median (2^1.32 = 2.5 times) it lies. */
const OUTLIER_HISTORY = 5;
const OUTLIER_OCTAVES = 1.32;

function isOutlier(amounts: AmountHistogram, amount: number): boolean {
  const total = totalOf(amounts);
  return total >= OUTLIER_HISTORY && amount >= 1 && Math.log2(amount) > quantile(amounts, total, 0.5) + OUTLIER_OCTAVES;
}

/** The profile after a payment: its velocity always, and what it vouches for if it was posted. */
export function observePayer(before: PayerProfile, seen: Seen, outcome: Outcome): PayerProfile {
  const at = Math.max(seen.at, before.mark);
  const minute = Math.floor(at / 60_000);
  const posted = outcome === "posted";
  const { amount } = seen;
  // The literal is written out because spreading costs several times as much on the decision's path.
  return {
    mark: at,
    paidAt: at,
    firstAt: before.firstAt === 0 && posted ? at : before.firstAt,
    minutes: addToBuckets(before.minutes, payerTiers.minutes, at, amount),
    short: addToBuckets(before.short, payerTiers.short, at, amount),
    hours: addToBuckets(before.hours, payerTiers.hours, at, amount),
    days: addToBuckets(before.days, payerTiers.days, at, amount),
    outliers: isOutlier(before.amounts, amount) ? addToBuckets(before.outliers, dayTier, at, 0) : before.outliers,
    frauds: before.frauds,
    amounts: posted ? learnAmount(before.amounts, amount) : before.amounts,
    max: posted ? Math.max(before.max, amount) : before.max,
    devices: posted ? remember(before.devices, seen.device, minute, remembered.devices) : before.devices,
    networks: posted ? remember(before.networks, seen.network, minute, remembered.networks) : before.networks,
    countries: posted ? remember(before.countries, seen.country, minute, remembered.countries) : before.countries,
    place: posted ? movedTo(before.place, seen, at) : before.place,
    pairs: seen.payee === 0 ? before.pairs : learnPair(before.pairs, seen.payee, at, amount, outcome),
  };
}

/** An impossible journey does not move the payer: the next payment from there is to be as impossible. */
function movedTo(place: Place | undefined, seen: Seen, at: number): Place | undefined {
  const { located, latitude, longitude } = seen;
  if (!located) return place;
  if (place !== undefined && speedKmh(place, kmFrom(place, latitude, longitude), at) > IMPOSSIBLE_KMH) return place;
  return placeOf(latitude, longitude, at);
}

/** The profile after one of the payer's payments was confirmed as fraud. `at`: when that became known. */
export function labelPayer(before: PayerProfile, at: number): PayerProfile {
  const mark = Math.max(at, before.mark);
  return { ...before, mark, frauds: addToBuckets(before.frauds, dayTier, mark, 0) };
}
