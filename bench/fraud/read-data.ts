import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

/** Card payments, column by column, oldest first. */
export interface Payments {
  /** Seconds since the data begin (a midnight). */
  readonly seconds: Float64Array;
  readonly customers: Uint32Array;
  readonly terminals: Uint32Array;
  /** Minor units of one currency. */
  readonly amounts: Uint32Array;
  readonly frauds: Uint8Array;
}

/** 2018-04-01, when the handbook's data begin: seconds count from here. */
export const DATA_START = Date.UTC(2018, 3, 1);
export const SECONDS_PER_DAY = 86_400;

const COLUMNS = ["TX_TIME_SECONDS", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_FRAUD"] as const;
/** More than the handbook's whole data hold: what is larger is something else. */
const ROWS_MAX = 5_000_000;

/** `57.16` in hundredths, without a float's error. */
function minorUnits(text: string): number {
  const [whole = "", part = ""] = text.split(".");
  return Number(whole) * 100 + Number(part.padEnd(2, "0").slice(0, 2));
}

type Line = readonly [seconds: number, customer: number, terminal: number, amount: number, fraud: number];

function readFile(path: string, into: Line[]): void {
  const raw = readFileSync(path);
  const lines = (path.endsWith(".gz") ? gunzipSync(raw) : raw).toString("latin1").split("\n");
  const names = (lines[0] ?? "").trim().split(",");
  const at = COLUMNS.map((name) => names.indexOf(name));
  if (at.includes(-1)) throw new Error(`${path} does not have the columns ${COLUMNS.join(", ")}`);
  const [time = 0, customer = 0, terminal = 0, amount = 0, fraud = 0] = at;
  for (let n = 1; n < lines.length; n++) {
    const line = (lines[n] as string).trim();
    if (line === "") continue;
    const fields = line.split(",");
    const row: Line = [
      Number(fields[time]),
      Number(fields[customer]),
      Number(fields[terminal]),
      minorUnits(fields[amount] ?? ""),
      Number(fields[fraud]),
    ];
    if (row.some((value) => !Number.isFinite(value) || value < 0)) throw new Error(`${path}:${n + 1} is no payment`);
    into.push(row);
    if (into.length > ROWS_MAX) throw new Error(`there are more than ${ROWS_MAX} payments`);
  }
}

/** The payments of every `.csv` and `.csv.gz` file of a directory, or undefined where there is none. */
export function readPayments(directory: string): Payments | undefined {
  if (!existsSync(directory)) return undefined;
  const files = readdirSync(directory).filter((name) => /\.csv(\.gz)?$/.test(name));
  if (files.length === 0) return undefined;
  const lines: Line[] = [];
  for (const name of files.sort()) readFile(join(directory, name), lines);
  // The sort is stable: payments of one second keep the order of the file.
  lines.sort((a, b) => a[0] - b[0]);
  return {
    seconds: Float64Array.from(lines, ([value]) => value),
    customers: Uint32Array.from(lines, ([, value]) => value),
    terminals: Uint32Array.from(lines, ([, , value]) => value),
    amounts: Uint32Array.from(lines, ([, , , value]) => value),
    frauds: Uint8Array.from(lines, ([, , , , value]) => value),
  };
}
