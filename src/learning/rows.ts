import type { Dataset } from "#model/index.ts";
import type { PastPayment } from "./past-payments.ts";

/** Rows to learn from as they come, column by column. */
export interface Rows {
  readonly add: (payment: Pick<PastPayment, "vector" | "fraud" | "at">) => void;
  readonly dataset: () => Dataset;
}

const FIRST_CAPACITY = 1_024;

/** @param width how many numbers a vector has */
export function createRows(width: number): Rows {
  let capacity = FIRST_CAPACITY;
  let length = 0;
  let columns = Array.from({ length: width }, () => new Float64Array(capacity));
  let times = new Float64Array(capacity);
  let labels = new Uint8Array(capacity);

  const grow = (): void => {
    capacity *= 2;
    const larger = (old: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> => {
      const next = new Float64Array(capacity);
      next.set(old);
      return next;
    };
    columns = columns.map(larger);
    times = larger(times);
    const next = new Uint8Array(capacity);
    next.set(labels);
    labels = next;
  };

  return {
    add({ vector, fraud, at }) {
      if (length === capacity) grow();
      for (const [index, column] of columns.entries()) column[length] = vector[index] ?? 0;
      times[length] = at;
      labels[length] = fraud ? 1 : 0;
      length += 1;
    },
    // Copies, since what is handed to a thread is copied as a whole, spare room included.
    dataset: () => ({
      columns: columns.map((column) => column.slice(0, length)),
      labels: labels.slice(0, length),
      times: times.slice(0, length),
    }),
  };
}
