import type { Result } from "./rows.ts";

const round = (value: number): number => (value >= 100 ? Math.round(value) : Math.round(value * 100) / 100);

/** The row with its figures rounded to what they are good for. */
export function rounded(result: Result): Result {
  return {
    ...result,
    value: round(result.value),
    p50_ms: round(result.p50_ms),
    p95_ms: round(result.p95_ms),
    p99_ms: round(result.p99_ms),
    mean_ms: round(result.mean_ms),
    max_ms: round(result.max_ms),
  };
}

/** The row for people: one line of figures, one of conditions. */
export function describeResult(given: Result): string {
  const result = rounded(given);
  const { name, value, unit, p50_ms, p95_ms, p99_ms, mean_ms, max_ms, errors, error_statuses, counts, conditions, violations } = result;
  const pairs = (record: object): string =>
    Object.entries(record)
      .map(([key, text]) => `${key} ${String(text)}`)
      .join(", ");
  return [
    `${name.padEnd(36)}${String(value).padStart(8)} ${unit.padEnd(12)} mean ${mean_ms} ms, p50 ${p50_ms}, p95 ${p95_ms}, p99 ${p99_ms}, max ${max_ms}, errors ${errors}`,
    ...(error_statuses === undefined ? [] : [`    ERRORS: ${pairs(error_statuses)}`]),
    ...(counts === undefined ? [] : [`    ${pairs(counts)}`]),
    `    ${pairs(conditions)}`,
    ...violations.map((line) => `    VIOLATED: ${line}`),
    "",
  ].join("\n");
}
