import type { ModelFeature } from "#model/index.ts";
import { type Payments, SECONDS_PER_DAY } from "./read-data.ts";

const WINDOWS = [1, 7, 30] as const;
/** Days until a fraud is known. */
export const DELAY_DAYS = 7;
/** The data begin on a Sunday; Monday is 0. */
const FIRST_WEEKDAY = 6;

const windows = (name: string, unit: string): ModelFeature[] => WINDOWS.map((days) => ({ name: `${name}_${days}DAY_WINDOW`, unit }));

/** The handbook's fifteen features (Le Borgne et al., chapter 3.4), in the order of the columns below. */
export const handbookFeatures: readonly ModelFeature[] = [
  { name: "TX_AMOUNT", unit: "currency" },
  { name: "TX_DURING_WEEKEND", unit: "boolean" },
  { name: "TX_DURING_NIGHT", unit: "boolean" },
  ...windows("CUSTOMER_ID_NB_TX", "count"),
  ...windows("CUSTOMER_ID_AVG_AMOUNT", "currency"),
  ...windows("TERMINAL_ID_NB_TX", "count"),
  ...windows("TERMINAL_ID_RISK", "share"),
];

/** Row numbers of each customer or terminal, oldest first. */
function rowsByKey(keys: Uint32Array): Map<number, number[]> {
  const rows = new Map<number, number[]>();
  for (const [row, key] of keys.entries()) {
    const list = rows.get(key);
    if (list === undefined) rows.set(key, [row]);
    else list.push(row);
  }
  return rows;
}

/**
 * For every row: count and sum of `values` over the rows of the same key whose time lies in
 * (t - days - delay, t - delay]; without delay the row itself is the last one (pandas' rolling windows).
 */
function rolling(
  seconds: Float64Array,
  groups: Map<number, number[]>,
  values: Uint32Array | Uint8Array,
  days: number,
  delay: number,
): { counts: Float64Array; sums: Float64Array } {
  const counts = new Float64Array(seconds.length);
  const sums = new Float64Array(seconds.length);
  for (const rows of groups.values()) {
    let first = 0;
    let end = 0;
    let sum = 0;
    for (const [place, row] of rows.entries()) {
      const until = (seconds[row] as number) - delay * SECONDS_PER_DAY;
      const after = until - days * SECONDS_PER_DAY;
      const limit = delay === 0 ? place + 1 : place;
      while (end < limit && (seconds[rows[end] as number] as number) <= until) sum += values[rows[end++] as number] as number;
      while (first < end && (seconds[rows[first] as number] as number) <= after) sum -= values[rows[first++] as number] as number;
      counts[row] = end - first;
      sums[row] = sum;
    }
  }
  return { counts, sums };
}

/** The fifteen columns for every payment. */
export function handbookColumns(payments: Payments): Float64Array[] {
  const { seconds, amounts, frauds } = payments;
  const customers = rowsByKey(payments.customers);
  const terminals = rowsByKey(payments.terminals);
  const weekend = seconds.map((time) => ((Math.floor(time / SECONDS_PER_DAY) + FIRST_WEEKDAY) % 7 >= 5 ? 1 : 0));
  const night = seconds.map((time) => (Math.floor((time % SECONDS_PER_DAY) / 3600) <= 6 ? 1 : 0));
  const ofCustomer = WINDOWS.map((days) => rolling(seconds, customers, amounts, days, 0));
  const ofTerminal = WINDOWS.map((days) => rolling(seconds, terminals, frauds, days, DELAY_DAYS));
  return [
    Float64Array.from(amounts, (amount) => amount / 100),
    weekend,
    night,
    ...ofCustomer.map(({ counts }) => counts),
    ...ofCustomer.map(({ counts, sums }) => sums.map((sum, row) => sum / 100 / (counts[row] as number))),
    ...ofTerminal.map(({ counts }) => counts),
    ...ofTerminal.map(({ counts, sums }) => sums.map((sum, row) => (counts[row] === 0 ? 0 : sum / (counts[row] as number)))),
  ];
}
