import { createFeatureStream, FEATURES, handbookVectors } from "#features/index.ts";
import type { ModelFeature } from "#model/index.ts";
import type { Payments } from "./read-data.ts";
import type { FeatureColumns } from "./run-model.ts";

/** The engine's own features, as its decisions compute them: streamed over every payment up to the last row asked for. */
export function ownColumns({ seconds, customers, terminals, amounts, frauds }: Payments, rows: Uint32Array): FeatureColumns {
  const features: readonly ModelFeature[] = FEATURES.map(({ name, unit }) => ({ name, unit }));
  const wanted = new Set(rows);
  const last = rows.reduce((most, row) => Math.max(most, row), 0);
  const columns = features.map(() => new Float64Array(last + 1).fill(Number.NaN));
  function* stream() {
    for (let row = 0; row <= last; row++) {
      yield {
        row,
        TX_TIME_SECONDS: seconds[row] as number,
        CUSTOMER_ID: customers[row] as number,
        TERMINAL_ID: terminals[row] as number,
        TX_AMOUNT: (amounts[row] as number) / 100,
        TX_FRAUD: frauds[row] as number,
      };
    }
  }
  const started = performance.now();
  for (const { row, vector } of handbookVectors(createFeatureStream(), stream())) {
    if (!wanted.has(row.row)) continue;
    for (const [index, column] of columns.entries()) column[row.row] = vector[index] as number;
  }
  return { features, columns, microsecondsEach: ((performance.now() - started) * 1000) / (last + 1) };
}
