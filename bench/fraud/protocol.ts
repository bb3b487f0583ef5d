import { averagePrecision, cardPrecision, rocAuc } from "#model/index.ts";
import { DELAY_DAYS } from "./handbook-features.ts";
import { type Payments, SECONDS_PER_DAY } from "./read-data.ts";

/** Days of training, and of the test that follows after the delay. */
const TRAIN_DAYS = 7;
const TEST_DAYS = 7;
/** From the first day of training to the last of the test. */
export const DAYS_NEEDED = TRAIN_DAYS + DELAY_DAYS + TEST_DAYS;

export interface Week {
  readonly train: Uint32Array;
  readonly test: Uint32Array;
}

export const dayOf = (seconds: number): number => Math.floor(seconds / SECONDS_PER_DAY);

/**
 * The rows of one training week and of its test week (the handbook's `get_train_test_set`): from each test day the cards are left out that were
 * defrauded in training, or up to a delay before that day.
 * @param from the first day of training, counted from the data's beginning
 */
export function splitWeek({ seconds, customers, frauds }: Payments, from: number): Week {
  const train: number[] = [];
  const test: number[] = [];
  const knownSince = new Map<number, number>();
  const trainEnd = from + TRAIN_DAYS;
  const testStart = trainEnd + DELAY_DAYS;
  for (const [row, time] of seconds.entries()) {
    const day = dayOf(time);
    const customer = customers[row] as number;
    if (day < from || day >= testStart + TEST_DAYS) continue;
    if (day < trainEnd) train.push(row);
    if (frauds[row] === 1 && !knownSince.has(customer)) {
      // A fraud of training is known from the first test day on, one of the days after when its delay has passed.
      knownSince.set(customer, day < trainEnd ? testStart : day + DELAY_DAYS + 1);
    }
    if (day >= testStart && day < (knownSince.get(customer) ?? Number.POSITIVE_INFINITY)) test.push(row);
  }
  return { train: Uint32Array.from(train), test: Uint32Array.from(test) };
}

export interface Scores {
  readonly auc: number;
  readonly average_precision: number;
  readonly card_precision_100: number;
}

/** The handbook's three figures for scores of the given rows. */
export function evaluate({ seconds, customers, frauds }: Payments, rows: Uint32Array, scores: Float64Array): Scores {
  const labels = Uint8Array.from(rows, (row) => frauds[row] as number);
  const cards = Array.from(rows, (row, i) => ({
    day: dayOf(seconds[row] as number),
    card: customers[row] as number,
    score: scores[i] as number,
    fraud: frauds[row] === 1,
  }));
  return {
    auc: rocAuc(labels, scores),
    average_precision: averagePrecision(labels, scores),
    card_precision_100: cardPrecision(cards, 100),
  };
}
