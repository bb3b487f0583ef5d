import type { Dataset } from "./dataset.ts";

/** The most bins a feature may have: codes are 16 bits wide and 0 says missing. */
export const BINS_MAX = 65_534;

/** One feature's values as small numbers in the same order. */
export interface BinnedFeature {
  /** 0 where the value is missing (NaN), otherwise 1 … `cuts.length + 1`. */
  readonly codes: Uint16Array;
  /** `cuts[c - 1]` lies above every value of code `c` and is at most the least value of code `c + 1`. */
  readonly cuts: Float64Array;
}

/** A number above `low` and at most `high`: their midpoint wherever it can be told from `low`. */
function between(low: number, high: number): number {
  const middle = low + (high - low) / 2;
  return middle > low && middle <= high ? middle : high;
}

/** Where sorted values are cut: between any two where they are few, otherwise after about equally many rows. */
function cutsOf(sorted: Float64Array, maxBins: number): Float64Array {
  const values: number[] = [];
  const counts: number[] = [];
  for (const value of sorted) {
    if (values.length > 0 && values[values.length - 1] === value) counts[counts.length - 1] = (counts[counts.length - 1] as number) + 1;
    else {
      values.push(value);
      counts.push(1);
    }
  }
  const cuts: number[] = [];
  let rowsLeft = sorted.length;
  let binsLeft = maxBins;
  let filled = 0;
  for (let i = 0; i + 1 < values.length; i++) {
    filled += counts[i] as number;
    // The share is taken anew for what is left, so that values of many rows do not use up the bins of the others.
    const full = filled * binsLeft >= rowsLeft || values.length <= maxBins;
    if (!full || binsLeft <= 1) continue;
    cuts.push(between(values[i] as number, values[i + 1] as number));
    rowsLeft -= filled;
    binsLeft -= 1;
    filled = 0;
  }
  return Float64Array.from(cuts);
}

/** The code of a value: one more than the number of cuts at or below it; 0 for NaN. */
export function codeOf(cuts: Float64Array, value: number): number {
  if (Number.isNaN(value)) return 0;
  let low = 0;
  let high = cuts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((cuts[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  return low + 1;
}

/** Finite values keep midpoints finite; beyond them nothing is told apart. */
const clamp = (value: number): number => Math.max(-Number.MAX_VALUE / 2, Math.min(Number.MAX_VALUE / 2, value));

/** @param maxBins 2 … BINS_MAX */
function binColumn(column: Float64Array, maxBins: number): BinnedFeature {
  const sorted = column
    .filter((value) => !Number.isNaN(value))
    .map(clamp)
    .sort();
  const cuts = cutsOf(sorted, maxBins);
  return { codes: Uint16Array.from(column, (value) => codeOf(cuts, value)), cuts };
}

/** Every feature in at most `maxBins` bins. Average precision lives in the far tail of the amounts, so bins must be many. */
export function binDataset({ columns }: Dataset, maxBins: number): BinnedFeature[] {
  return columns.map((column) => binColumn(column, maxBins));
}
