import { logistic } from "./forest.ts";

/** The probability is `logistic(slope x margin + intercept)`. */
export interface Sigmoid {
  /** Never below 0: a higher margin is never a lower probability. */
  readonly slope: number;
  readonly intercept: number;
}

const STEPS_MAX = 100;
const RIDGE = 1e-9;

/**
 * Platt scaling (Platt 1999, with the targets and the Newton method of Lin, Lin and Weng 2007). Where the labels fall
 * with the margin, the slope is 0 and the probability the share of frauds.
 */
export function fitPlatt(margins: Float64Array, labels: Uint8Array): Sigmoid {
  let positives = 0;
  for (const label of labels) positives += label;
  const negatives = labels.length - positives;
  // Targets a little inside 0 and 1 keep the slope finite where the labels can be parted.
  const high = (positives + 1) / (positives + 2);
  const low = 1 / (negatives + 2);
  const level = Math.log((positives + 1) / (negatives + 1));

  const loss = (slope: number, intercept: number): number => {
    let sum = 0;
    for (let row = 0; row < labels.length; row++) {
      const z = slope * (margins[row] as number) + intercept;
      const target = labels[row] === 1 ? high : low;
      sum += z >= 0 ? (1 - target) * z + Math.log1p(Math.exp(-z)) : -target * z + Math.log1p(Math.exp(z));
    }
    return sum;
  };

  let slope = 0;
  let intercept = level;
  let current = loss(slope, intercept);
  for (let step = 0; step < STEPS_MAX; step++) {
    let gs = 0;
    let gi = 0;
    let hss = RIDGE;
    let hii = RIDGE;
    let hsi = 0;
    for (let row = 0; row < labels.length; row++) {
      const m = margins[row] as number;
      const p = logistic(slope * m + intercept);
      const d = p - (labels[row] === 1 ? high : low);
      const w = p * (1 - p);
      gs += d * m;
      gi += d;
      hss += w * m * m;
      hii += w;
      hsi += w * m;
    }
    if (Math.abs(gs) < 1e-7 && Math.abs(gi) < 1e-7) break;
    const determinant = hss * hii - hsi * hsi;
    const ds = -(hii * gs - hsi * gi) / determinant;
    const di = -(hss * gi - hsi * gs) / determinant;
    let size = 1;
    let next = loss(slope + ds, intercept + di);
    while (!(next < current) && size > 1e-10) {
      size /= 2;
      next = loss(slope + size * ds, intercept + size * di);
    }
    if (!(next < current)) break;
    slope += size * ds;
    intercept += size * di;
    current = next;
  }
  return slope >= 0 ? { slope, intercept } : { slope: 0, intercept: level };
}
