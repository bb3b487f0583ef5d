import { readCpu } from "./cpu.ts";
import type { Histogram } from "./histogram.ts";
import type { WorkerRowName } from "./options.ts";
import type { Result } from "./rows.ts";

/** What a row of the workers behind the payments has measured. */
export interface WorkerMeasured {
  readonly name: WorkerRowName;
  readonly perSecond: number;
  readonly unit: string;
  /** Durations in ms; `conditions.durations` says between what. */
  readonly durations: Histogram;
  readonly errors: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly conditions: Result["conditions"];
  readonly violations: readonly string[];
}

/** The row as it is printed. */
export function workerResult(measured: WorkerMeasured, conditions: Result["conditions"]): Result {
  const { name, perSecond, unit, durations, errors, counts, violations } = measured;
  return {
    name,
    value: perSecond,
    unit,
    p50_ms: durations.percentile(0.5),
    p95_ms: durations.percentile(0.95),
    p99_ms: durations.percentile(0.99),
    mean_ms: durations.mean,
    max_ms: durations.max,
    errors,
    counts,
    conditions: { ...conditions, ...measured.conditions },
    violations,
  };
}

/** How many cores a process has used since this was called; nothing on systems that do not tell. */
export function watchCores(pid: number): () => { readonly server_cores?: number } {
  const before = readCpu(pid);
  const from = performance.now();
  return () => {
    const after = readCpu(pid);
    if (before === undefined || after === undefined) return {};
    return { server_cores: Math.round((after.process - before.process) / ((performance.now() - from) / 100_000)) / 100 };
  };
}
