import { type LabelledPayment, labelledVectors } from "./labelled.ts";
import type { FeatureStream } from "./stream.ts";
import type { FeaturePayment, FraudLabel } from "./payment.ts";
import { DAY_MS, LABEL_DELAY_DAYS } from "./tiers.ts";

/**
 * A row of the data of the Fraud Detection Handbook (Le Borgne, Siblini, Lebichot and Bontempi, 2022): a card pays at
 * a terminal. It tells neither device nor place.
 */
export interface HandbookRow {
  /** Seconds since the data's first midnight. */
  readonly TX_TIME_SECONDS: number;
  readonly CUSTOMER_ID: number;
  readonly TERMINAL_ID: number;
  /** In units with two decimals. */
  readonly TX_AMOUNT: number;
  readonly TX_FRAUD: number;
}

/** The data's first midnight, 2018-04-01T00:00:00Z. */
export const HANDBOOK_EPOCH = Date.UTC(2018, 3, 1);

/** The row as a payment: the card pays, the terminal is paid. */
export function handbookPayment(row: HandbookRow): FeaturePayment {
  return {
    payer: `card ${row.CUSTOMER_ID}`,
    payee: `terminal ${row.TERMINAL_ID}`,
    amount: Math.round(row.TX_AMOUNT * 100),
    at: HANDBOOK_EPOCH + row.TX_TIME_SECONDS * 1000,
  };
}

/** When the row's fraud becomes known, if it is one: `LABEL_DELAY_DAYS` after the payment, as in the handbook's protocol. */
function handbookLabel(row: HandbookRow, { payer, payee, at }: FeaturePayment): FraudLabel | undefined {
  return row.TX_FRAUD === 1 ? { payer, payee, at: at + LABEL_DELAY_DAYS * DAY_MS } : undefined;
}

function* labelled<T extends HandbookRow>(rows: Iterable<T>): Generator<LabelledPayment & { readonly row: T }> {
  for (const row of rows) {
    const payment = handbookPayment(row);
    yield { row, payment, label: handbookLabel(row, payment) };
  }
}

/** The features of rows in time order, one vector each, from the rows before it and what was known by then. */
export function* handbookVectors<T extends HandbookRow>(
  stream: FeatureStream,
  rows: Iterable<T>,
): Generator<{ readonly row: T; readonly vector: Float64Array }> {
  for (const { entry, vector } of labelledVectors(stream, labelled(rows))) yield { row: entry.row, vector };
}
