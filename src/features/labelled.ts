import type { FeaturePayment, FraudLabel } from "./payment.ts";
import type { FeatureStream } from "./stream.ts";

/** A past payment, and the label that it got later, if it was found out. */
export interface LabelledPayment {
  readonly payment: FeaturePayment;
  readonly label: FraudLabel | undefined;
}

/**
 * The features of a history of payments in time order, each from the payments before it and the labels that had arrived by
 * then, and not a moment sooner. Labels of one time come in the order of their payments.
 */
export function* labelledVectors<T extends LabelledPayment>(
  stream: FeatureStream,
  history: Iterable<T>,
): Generator<{ readonly entry: T; readonly vector: Float64Array }> {
  // Newest arrival first, so that what is due is popped off the end.
  const waiting: FraudLabel[] = [];
  for (const entry of history) {
    for (let due = waiting.at(-1); due !== undefined && due.at <= entry.payment.at; due = waiting.at(-1)) {
      stream.label(due);
      waiting.pop();
    }
    yield { entry, vector: stream.next(entry.payment) };
    if (entry.label !== undefined) insert(waiting, entry.label);
  }
}

function insert(waiting: FraudLabel[], label: FraudLabel): void {
  let from = 0;
  let to = waiting.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((waiting[middle]?.at ?? 0) > label.at) from = middle + 1;
    else to = middle;
  }
  waiting.splice(from, 0, label);
}
