import { invariant } from "#kernel/assert.ts";

/** Rows by falling score; the counts after each group of equal scores. */
interface Step {
  readonly score: number;
  readonly positives: number;
  readonly negatives: number;
}

function stepsOf(labels: Uint8Array, scores: Float64Array): Step[] {
  invariant(labels.length === scores.length, "metrics: every row has a score");
  const order = Uint32Array.from(labels, (_, row) => row).sort((a, b) => (scores[b] as number) - (scores[a] as number));
  const steps: Step[] = [];
  let positives = 0;
  let negatives = 0;
  for (const [place, row] of order.entries()) {
    if (labels[row] === 1) positives += 1;
    else negatives += 1;
    const score = scores[row] as number;
    invariant(Number.isFinite(score), "metrics: a score is a finite number");
    const following = order[place + 1];
    if (following === undefined || scores[following] !== score) steps.push({ score, positives, negatives });
  }
  return steps;
}

/** Area under the ROC curve; equal scores count half. NaN where one of the labels is absent. */
export function rocAuc(labels: Uint8Array, scores: Float64Array): number {
  let area = 0;
  let positives = 0;
  let negatives = 0;
  for (const step of stepsOf(labels, scores)) {
    area += ((step.negatives - negatives) * (step.positives + positives)) / 2;
    ({ positives, negatives } = step);
  }
  return area / (positives * negatives);
}

export interface PrecisionRecallPoint {
  /** Rows of this score and above are called fraud. */
  readonly score: number;
  readonly precision: number;
  readonly recall: number;
}

/** Precision and recall at every threshold, highest score first. */
export function precisionRecall(labels: Uint8Array, scores: Float64Array): PrecisionRecallPoint[] {
  const steps = stepsOf(labels, scores);
  const total = steps.at(-1)?.positives ?? 0;
  return steps.map(({ score, positives, negatives }) => ({
    score,
    precision: positives / (positives + negatives),
    recall: positives / total,
  }));
}

/** Average precision: the sum of precision times the recall gained, step by step (as scikit-learn; no interpolation). */
export function averagePrecision(labels: Uint8Array, scores: Float64Array): number {
  let sum = 0;
  let before = 0;
  for (const { precision, recall } of precisionRecall(labels, scores)) {
    sum += precision * (recall - before);
    before = recall;
  }
  return sum;
}
