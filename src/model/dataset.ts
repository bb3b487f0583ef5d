import { invariant } from "#kernel/assert.ts";

/** A feature as a model names it. The order of a model's features is the order of a row's numbers. */
export interface ModelFeature {
  readonly name: string;
  /** What one is: `eur`, `count`, `share`, `boolean`, `seconds`, … */
  readonly unit: string;
}

/**
 * Rows to learn from, column by column. A number that is missing is NaN. `times` (milliseconds since 1970) say which
 * rows came later; rows may come in any order.
 */
export interface Dataset {
  readonly columns: readonly Float64Array[];
  /** 1 for fraud, 0 for honest. */
  readonly labels: Uint8Array;
  readonly times: Float64Array;
}

/** @throws InvariantError when columns, labels and times are of different lengths, or a label is neither 0 nor 1. */
export function checkDataset({ columns, labels, times }: Dataset): void {
  invariant(columns.length > 0, "model: a dataset has columns");
  invariant(times.length === labels.length, "model: every row has a time");
  for (const column of columns) invariant(column.length === labels.length, "model: columns and labels are of one length");
  for (const label of labels) invariant(label <= 1, "model: a label is 0 or 1");
  for (const time of times) invariant(Number.isFinite(time), "model: a time is a finite number");
}

/** The chosen rows, in the order they are named. */
export function takeRows({ columns, labels, times }: Dataset, rows: Uint32Array): Dataset {
  const pick = (column: Float64Array): Float64Array => Float64Array.from(rows, (row) => column[row] as number);
  return { columns: columns.map(pick), labels: Uint8Array.from(rows, (row) => labels[row] as number), times: pick(times) };
}

/** All row numbers, oldest first; rows of one time keep their order. */
export function rowsByTime({ times }: Dataset): Uint32Array {
  const rows = Uint32Array.from(times, (_, row) => row);
  return rows.sort((a, b) => (times[a] as number) - (times[b] as number) || a - b);
}
