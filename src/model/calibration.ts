import { logistic } from "./forest.ts";
import { type Curve, fitIsotonic, heightAt } from "./isotonic.ts";
import { fitPlatt, type Sigmoid } from "./platt.ts";
import { logLoss } from "./probability-metrics.ts";

/** How a margin becomes a probability that means what it says. Never falls with the margin. */
export type Calibration = { readonly kind: "none" } | ({ readonly kind: "platt" } & Sigmoid) | ({ readonly kind: "isotonic" } & Curve);

/** The probability of fraud for a margin. */
export function calibrated(calibration: Calibration, margin: number): number {
  switch (calibration.kind) {
    case "none":
      return logistic(margin);
    case "platt":
      return logistic(calibration.slope * margin + calibration.intercept);
    case "isotonic":
      return heightAt(calibration, margin);
  }
}

type Fit = (margins: Float64Array, labels: Uint8Array) => Calibration;

const fits: readonly Fit[] = [
  (margins, labels) => ({ kind: "platt", ...fitPlatt(margins, labels) }),
  (margins, labels) => ({ kind: "isotonic", ...fitIsotonic(margins, labels) }),
];

/** Fewer frauds than this tell nothing about probabilities near one. */
const POSITIVES_NEEDED = 10;

/**
 * The calibration with the least log loss on rows it was not fitted to: each is fitted on one half and judged on the
 * other, both ways; the best is fitted again on all. Every second row is in the same half, so both cover all the time.
 * @param margins of rows that the model was not trained on, oldest first
 * @param positiveWeight what a fraud weighed in training. It shifts every margin alike, and without a fit the shift is taken back.
 */
export function chooseCalibration(margins: Float64Array, labels: Uint8Array, positiveWeight = 1): Calibration {
  const unfitted: Calibration = positiveWeight === 1 ? { kind: "none" } : { kind: "platt", slope: 1, intercept: -Math.log(positiveWeight) };
  let positives = 0;
  for (const label of labels) positives += label;
  if (positives < POSITIVES_NEEDED || labels.length - positives < POSITIVES_NEEDED) return unfitted;
  const half = (parity: number) => ({
    margins: margins.filter((_, row) => row % 2 === parity),
    labels: labels.filter((_, row) => row % 2 === parity),
  });
  const halves = [half(0), half(1)] as const;
  let best: Fit = () => unfitted;
  let bestLoss = Number.POSITIVE_INFINITY;
  for (const fit of [best, ...fits]) {
    let loss = 0;
    for (const parity of [0, 1] as const) {
      const fitted = fit(halves[parity].margins, halves[parity].labels);
      const other = halves[1 - parity] as (typeof halves)[number];
      loss += logLoss(
        other.labels,
        other.margins.map((margin) => calibrated(fitted, margin)),
      );
    }
    if (loss >= bestLoss) continue;
    bestLoss = loss;
    best = fit;
  }
  return best(margins, labels);
}
