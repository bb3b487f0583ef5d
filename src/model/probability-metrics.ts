import { invariant } from "#kernel/assert.ts";

/** Probabilities are kept this far from 0 and 1, as scikit-learn does, so that one certain mistake costs no infinity. */
const EPSILON = 2 ** -52;

/** Mean negative log likelihood (natural logarithm). NaN without rows. */
export function logLoss(labels: Uint8Array, probabilities: Float64Array): number {
  invariant(labels.length === probabilities.length, "metrics: every row has a probability");
  let sum = 0;
  for (let row = 0; row < labels.length; row++) {
    const p = Math.min(Math.max(probabilities[row] as number, EPSILON), 1 - EPSILON);
    sum -= labels[row] === 1 ? Math.log(p) : Math.log1p(-p);
  }
  return sum / labels.length;
}

export interface ReliabilityBin {
  /** Probabilities from (included) to (excluded; the last bin includes 1). */
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  readonly meanProbability: number;
  readonly fraudShare: number;
}

/** What was promised against what came, in `bins` equally wide bins; empty ones are left out. */
export function reliability(labels: Uint8Array, probabilities: Float64Array, bins: number): ReliabilityBin[] {
  invariant(Number.isInteger(bins) && bins > 0, "metrics: bins are a positive integer");
  const rows = new Float64Array(bins);
  const promised = new Float64Array(bins);
  const frauds = new Float64Array(bins);
  for (let row = 0; row < labels.length; row++) {
    const p = probabilities[row] as number;
    invariant(p >= 0 && p <= 1, "metrics: a probability lies between 0 and 1");
    const bin = Math.min(Math.floor(p * bins), bins - 1);
    rows[bin] = (rows[bin] as number) + 1;
    promised[bin] = (promised[bin] as number) + p;
    frauds[bin] = (frauds[bin] as number) + (labels[row] as number);
  }
  return Array.from({ length: bins }, (_, bin) => {
    const count = rows[bin] as number;
    return {
      from: bin / bins,
      to: (bin + 1) / bins,
      rows: count,
      meanProbability: (promised[bin] as number) / count,
      fraudShare: (frauds[bin] as number) / count,
    };
  }).filter((bin) => bin.rows > 0);
}
