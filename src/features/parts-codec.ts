import { invariant } from "#kernel/assert.ts";
import { type AmountHistogram, BINS } from "./amounts.ts";
import { type Buckets, COUNT_MAX, NO_BUCKETS, slotOf, type Tier } from "./buckets.ts";
import { type Reader, writeKey, writeNumber } from "./compact.ts";
import type { Distinct } from "./distinct.ts";
import { type Known, NOTHING_KNOWN } from "./known.ts";
import { AMOUNT_MAX, TIME_MAX } from "./payment.ts";

const WORD = 2 ** 32;

/** A time at or before `mark`, 0 for never. */
export function writeTime(at: number, mark: number): void {
  writeNumber(at === 0 ? 0 : mark - at + 1);
}

export function readTimeBefore(reader: Reader, mark: number): number {
  const before = reader.number(mark);
  return before === 0 ? 0 : mark - before + 1;
}

/** Buckets, newest first: how many, whether there is a gap and which, the sum. 0 ends them. */
export function writeBuckets(buckets: Buckets, tier: Tier, mark: number, sums: boolean): void {
  let expected = slotOf(tier, mark);
  for (let i = buckets.length - 3; i >= 0; i -= 3) {
    const slot = buckets[i] ?? 0;
    const gap = expected - slot;
    writeNumber((buckets[i + 1] ?? 0) * 2 + (gap > 0 ? 1 : 0));
    if (gap > 0) writeNumber(gap);
    if (sums) writeNumber(buckets[i + 2] ?? 0);
    expected = slot - 1;
  }
  writeNumber(0);
}

export function readBuckets(reader: Reader, tier: Tier, mark: number, sums: boolean): Buckets {
  let head = reader.number(2 * COUNT_MAX + 1);
  if (head === 0) return NO_BUCKETS;
  const reversed: number[] = [];
  let expected = slotOf(tier, mark);
  while (head !== 0) {
    invariant(head > 1 && reversed.length < 3 * (tier.back + 1), "features: stored buckets are malformed");
    const slot = (head & 1) === 1 ? expected - reader.number(expected) : expected;
    invariant(slot >= 0 && ((head & 1) === 0 || slot < expected), "features: stored buckets are out of order");
    reversed.push(sums ? reader.number(AMOUNT_MAX) : 0, head >> 1, slot);
    expected = slot - 1;
    head = reader.number(2 * COUNT_MAX + 1);
  }
  return reversed.reverse();
}

export function writeAmounts(histogram: AmountHistogram): void {
  writeNumber(histogram.length / 2);
  let bin = 0;
  for (let i = 0; i < histogram.length; i += 2) {
    writeNumber((histogram[i] ?? 0) - bin);
    writeNumber(histogram[i + 1] ?? 0);
    bin = (histogram[i] ?? 0) + 1;
  }
}

export function readAmounts(reader: Reader): AmountHistogram {
  const pairs = reader.number(BINS);
  const histogram: number[] = [];
  let bin = 0;
  for (let i = 0; i < pairs; i++) {
    bin += reader.number(BINS);
    const count = reader.number(COUNT_MAX);
    invariant(bin < BINS && count > 0, "features: a stored histogram is malformed");
    histogram.push(bin, count);
    bin += 1;
  }
  return histogram;
}

/** Keys with their minutes, which are at or before the minute of the mark. */
export function writeKnown(list: Known, minute: number): void {
  writeNumber(list.length / 3);
  for (let i = 0; i < list.length; i += 3) {
    const last = list[i + 2] ?? 0;
    writeKey(list[i] ?? 0);
    writeNumber(minute - last);
    writeNumber(last - (list[i + 1] ?? 0));
  }
}

export function readKnown(reader: Reader, minute: number, capacity: number): Known {
  const entries = reader.number(capacity);
  if (entries === 0) return NOTHING_KNOWN;
  const list: number[] = [];
  for (let i = 0; i < entries; i++) {
    const key = reader.key();
    const last = minute - reader.number(minute);
    list.push(key, last - reader.number(last), last);
  }
  return list;
}

export function writeDistinct(seen: Distinct, epochMs: number, mark: number): void {
  const age = Math.floor(mark / epochMs) - seen.epoch;
  // Most payees have few bits set, so that empty words are worth a character.
  writeNumber(age);
  for (const word of [seen.low, seen.high, seen.earlierLow, seen.earlierHigh]) writeNumber(word >>> 0);
}

export function readDistinct(reader: Reader, epochMs: number, mark: number): Distinct {
  const now = Math.floor(mark / epochMs);
  const epoch = now - reader.number(now);
  const word = (): number => reader.number(WORD - 1) | 0;
  return { epoch, low: word(), high: word(), earlierLow: word(), earlierHigh: word() };
}

/** The newest time a profile has heard of. */
export function readMark(reader: Reader): number {
  return reader.number(TIME_MAX);
}
