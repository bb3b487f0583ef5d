/**
 * About how many different keys were seen: one bit of 64 for each, in the current epoch and in the one before
 * (linear counting, Whang et al. 1990). A window covers its epoch and up to one more; 64 bits tell some two hundred apart.
 */
export interface Distinct {
  readonly epoch: number;
  /** The epoch's bits, then the bits of the epoch before; 32 each. */
  readonly low: number;
  readonly high: number;
  readonly earlierLow: number;
  readonly earlierHigh: number;
}

export const NONE_DISTINCT: Distinct = { epoch: 0, low: 0, high: 0, earlierLow: 0, earlierHigh: 0 };

/** 64 ln(64 / (64 - n)), rounded; all bits set count as 300. */
const ESTIMATES: readonly number[] = Array.from({ length: 65 }, (_, n) => (n === 64 ? 300 : Math.round(64 * Math.log(64 / (64 - n)))));

/** The bits with `key` among them. `at` is not before the epoch. */
export function addDistinct(seen: Distinct, epochMs: number, at: number, key: number): Distinct {
  const epoch = Math.floor(at / epochMs);
  // The lowest bits of the key alone would do; folding the upper ones in costs nothing.
  const bit = ((key >>> 0) ^ (key / 2 ** 30)) & 63;
  const low = bit < 32 ? 1 << bit : 0;
  const high = bit < 32 ? 0 : 1 << (bit - 32);
  if (epoch === seen.epoch) {
    if ((seen.low & low) === low && (seen.high & high) === high) return seen;
    return { epoch, low: seen.low | low, high: seen.high | high, earlierLow: seen.earlierLow, earlierHigh: seen.earlierHigh };
  }
  const follows = epoch === seen.epoch + 1;
  return { epoch, low, high, earlierLow: follows ? seen.low : 0, earlierHigh: follows ? seen.high : 0 };
}

/** About how many different keys the epoch of `at` and the one before have seen. */
export function countDistinct(seen: Distinct, epochMs: number, at: number): number {
  const age = Math.floor(at / epochMs) - seen.epoch;
  if (age > 1) return 0;
  const ones = age === 1 ? bits(seen.low) + bits(seen.high) : bits(seen.low | seen.earlierLow) + bits(seen.high | seen.earlierHigh);
  return ESTIMATES[ones] ?? 0;
}

/** How many bits of 32 are set. */
function bits(word: number): number {
  let v = word - ((word >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
