import type { Options, RowName } from "./options.ts";
import type { Kind } from "./requests.ts";
import { kinds } from "./requests.ts";

/** One measurement under load. `variant` is empty for the main row of a name. */
export interface LoadRow {
  readonly name: RowName & Kind;
  readonly variant: string;
  readonly connections: number;
  /** 0: all accounts alike. */
  readonly zipf: number;
  readonly batch: number;
}

const ZIPF_EXPONENT = 1.1;
/** A batch is many transfers, so a few clients are enough to keep the server busy. */
const BATCHES = { sqlite: { batch: 1_000, connections: 8 }, dynamodb: { batch: 100, connections: 4 } } as const;

const isLoad = (name: RowName): name is RowName & Kind => kinds.some((kind) => kind === name);

/** What the options ask to be measured under load, in order. */
export function loadRows({ only, connections, store }: Options): LoadRow[] {
  const main = connections[0] ?? 64;
  const rows: LoadRow[] = [];
  for (const name of only) {
    if (!isLoad(name)) continue;
    const base = { name, variant: "", connections: main, zipf: 0, batch: 1 };
    if (name === "transfer_batch") rows.push({ ...base, ...BATCHES[store] });
    else rows.push(base);
    if (name !== "transfer_single") continue;
    for (const more of connections.slice(1)) rows.push({ ...base, variant: `${more}_connections`, connections: more });
    if (store !== "sqlite") continue;
    rows.push({ ...base, variant: "zipf", zipf: ZIPF_EXPONENT });
    for (const more of connections.slice(1)) {
      rows.push({ ...base, variant: `zipf_${more}_connections`, connections: more, zipf: ZIPF_EXPONENT });
    }
  }
  return rows;
}

/** What is printed of one measurement. Durations in milliseconds. */
export interface Result {
  /** `transfer_single`, or `transfer_single/zipf` for a variant. */
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly p50_ms: number;
  readonly p95_ms: number;
  readonly p99_ms: number;
  readonly mean_ms: number;
  readonly max_ms: number;
  readonly errors: number;
  /** How often each kind of error was met, where there were any. */
  readonly error_statuses?: Readonly<Record<string, number>>;
  readonly conditions: Readonly<Record<string, string | number | boolean>>;
  readonly counts?: Readonly<Record<string, number>>;
  /** What did not hold in the data afterwards. */
  readonly violations: readonly string[];
}
