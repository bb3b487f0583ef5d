/**
 * Which amounts a payer is used to: a histogram over quarter octaves (each step is 19 % more), as flat pairs of bin
 * and count, ascending, empty bins left out. Medians and quartiles read from it shrug off a few frauds that were paid.
 */
export type AmountHistogram = readonly number[];

/** At this many amounts all counts are halved: newer ones weigh more, and the histogram stays bounded. */
const HALVE_AT = 256;
/** The bins of 1 … 2^53. */
export const BINS = 4 * 53;

const POWERS: readonly number[] = Array.from({ length: 54 }, (_, i) => 2 ** i);
const QUARTER = 1.189207115002721;
const HALF = 1.4142135623730951;
const THREE_QUARTERS = 1.681792830507429;

/** The bin of a whole amount of at least 1. Comparisons only, so that it is the same on every machine. */
export function binOf(amount: number): number {
  const octave = amount < 2 ** 32 ? 31 - Math.clz32(amount) : 63 - Math.clz32(Math.floor(amount / 2 ** 32));
  const rest = amount / (POWERS[octave] ?? 1);
  return 4 * octave + (rest < HALF ? (rest < QUARTER ? 0 : 1) : rest < THREE_QUARTERS ? 2 : 3);
}

/** How many amounts the histogram stands for. */
export function totalOf(histogram: AmountHistogram): number {
  let total = 0;
  for (let i = 1; i < histogram.length; i += 2) total += histogram[i] ?? 0;
  return total;
}

/** The histogram with one more amount (nothing is learnt of 0). */
export function learnAmount(histogram: AmountHistogram, amount: number): AmountHistogram {
  if (amount < 1) return histogram;
  const bin = binOf(amount);
  const base = totalOf(histogram) >= HALVE_AT ? halved(histogram) : histogram;
  let i = 0;
  while (i < base.length && (base[i] ?? bin) < bin) i += 2;
  const next = base.slice();
  if (next[i] === bin) next[i + 1] = (next[i + 1] ?? 0) + 1;
  else next.splice(i, 0, bin, 1);
  return next;
}

function halved(histogram: AmountHistogram): number[] {
  const next: number[] = [];
  for (let i = 0; i < histogram.length; i += 2) {
    const count = (histogram[i + 1] ?? 0) >> 1;
    if (count > 0) next.push(histogram[i] ?? 0, count);
  }
  return next;
}

/** The amount, as its binary logarithm, below which the share `q` of a histogram of `total` amounts lies. */
export function quantile(histogram: AmountHistogram, total: number, q: number): number {
  const target = q * total;
  let below = 0;
  for (let i = 0; i < histogram.length; i += 2) {
    const count = histogram[i + 1] ?? 0;
    if (below + count >= target) return ((histogram[i] ?? 0) + (target - below) / count) / 4;
    below += count;
  }
  return 0;
}
