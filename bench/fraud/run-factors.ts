import type { Currency, Minor } from "#kernel/money.ts";
import { precisionRecall, reliability } from "#model/index.ts";
import { assess, REVIEW_ABOVE, type RiskProfile } from "#risk/index.ts";
import { evaluate, type Week } from "./protocol.ts";
import { DATA_START, type Payments } from "./read-data.ts";
import type { Curves, Result } from "./run-model.ts";

const EUR = "EUR" as Currency;

/** The five factors alone, without any training: the card pays, the terminal is paid, and there is no device or place. */
export function runFactors(name: string, payments: Payments, week: Week): { readonly result: Result; readonly curves: Curves } {
  const { seconds, customers, terminals, amounts, frauds } = payments;
  const profiles = new Map<number, RiskProfile>();
  const scores = new Float64Array(seconds.length);
  const last = week.test.reduce((most, row) => Math.max(most, row), 0);
  const started = performance.now();
  for (let row = 0; row <= last; row++) {
    const customer = customers[row] as number;
    const { assessment, profile } = assess({
      profile: profiles.get(customer),
      ownerId: `usr_${customer}`,
      amount: BigInt(Math.max(amounts[row] as number, 1)) as Minor,
      currency: EUR,
      payeeAccountId: `acc_${terminals[row]}`,
      context: {},
      at: DATA_START + (seconds[row] as number) * 1000,
    });
    profiles.set(customer, profile);
    scores[row] = assessment.score / 10_000;
  }
  const microseconds = ((performance.now() - started) * 1000) / (last + 1);
  const tested = Float64Array.from(week.test, (row) => scores[row] as number);
  const labels = Uint8Array.from(week.test, (row) => frauds[row] as number);
  return {
    result: {
      name,
      ...evaluate(payments, week.test, tested),
      conditions: {
        features: "five factors, no training, no device or place in the data",
        test_rows: week.test.length,
        test_frauds: labels.reduce((sum, label) => sum + label, 0),
        above_0_8: tested.reduce((count, score) => count + Number(score > REVIEW_ABOVE / 10_000), 0),
        assess_us_each: Number(microseconds.toFixed(2)),
      },
    },
    curves: { precisionRecall: precisionRecall(labels, tested), reliability: reliability(labels, tested, 10) },
  };
}
