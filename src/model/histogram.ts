import type { BinnedFeature } from "./bins.ts";

/**
 * Sums of first and second derivatives by feature and code: two numbers a code, features one after the other. Only the
 * features a tree may use are filled.
 */
export type Histogram = Float64Array;

/** Where each feature's codes begin in a histogram, in numbers; the last entry is the histogram's length. */
export function histogramOffsets(features: readonly BinnedFeature[]): Uint32Array {
  const offsets = new Uint32Array(features.length + 1);
  for (const [index, { cuts }] of features.entries()) offsets[index + 1] = (offsets[index] as number) + 2 * (cuts.length + 2);
  return offsets;
}

/** The rows of one node, and their derivatives in the same order. */
export interface NodeRows {
  readonly rows: Uint32Array;
  readonly gradients: Float64Array;
  readonly hessians: Float64Array;
}

/** Fills `into` with the sums over the node's rows. */
export function fillHistogram(
  into: Histogram,
  offsets: Uint32Array,
  features: readonly BinnedFeature[],
  used: readonly number[],
  { rows, gradients, hessians }: NodeRows,
): void {
  for (const index of used) {
    const codes = (features[index] as BinnedFeature).codes;
    const from = offsets[index] as number;
    into.fill(0, from, offsets[index + 1]);
    for (let i = 0; i < rows.length; i++) {
      const slot = from + 2 * (codes[rows[i] as number] as number);
      into[slot] = (into[slot] as number) + (gradients[i] as number);
      into[slot + 1] = (into[slot + 1] as number) + (hessians[i] as number);
    }
  }
}

/** What is left of a bin below this share of it is rounding, not rows. */
const ROUNDING = 1e-12;

/** Turns the parent's histogram into that of the other child: what the smaller child does not have. Bins without rows become exactly 0. */
export function subtractHistogram(parent: Histogram, child: Histogram, offsets: Uint32Array, used: readonly number[]): void {
  for (const index of used) {
    const end = offsets[index + 1] as number;
    for (let slot = offsets[index] as number; slot < end; slot += 2) {
      const hessian = parent[slot + 1] as number;
      if (hessian === 0) continue;
      const left = hessian - (child[slot + 1] as number);
      const empty = left <= ROUNDING * hessian;
      parent[slot] = empty ? 0 : (parent[slot] as number) - (child[slot] as number);
      parent[slot + 1] = empty ? 0 : left;
    }
  }
}
