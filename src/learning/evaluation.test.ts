import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createContest, MIN_FRAUDS, presentEvaluation, refuseUnlessBetter } from "./evaluation.ts";
import type { Evaluation } from "./evaluation.ts";
import type { PastPayment } from "./past-payments.ts";
import { DAY_MS } from "./test-kit.ts";

interface Row {
  readonly fraud: boolean;
  readonly own: number;
  readonly other: number;
  readonly payer?: string;
  readonly day?: number;
}

function contestOf(rows: readonly Row[], reviewCapacity = 100) {
  const byVector = new Map<Float64Array, Row>();
  const rowOf = ({ vector }: PastPayment): Row => {
    const row = byVector.get(vector);
    assert.ok(row);
    return row;
  };
  const contest = createContest({ own: (payment) => rowOf(payment).own, other: (payment) => rowOf(payment).other });
  for (const [n, row] of rows.entries()) {
    const vector = Float64Array.of(n);
    byVector.set(vector, row);
    contest.visit({ vector, fraud: row.fraud, at: (row.day ?? 0) * DAY_MS + 5, payer: row.payer ?? `acc_${n}`, factors: 0 });
  }
  const frauds = rows.filter(({ fraud }) => fraud).length;
  return contest.result({ against: null, from: 0, to: 1, reviewCapacity, at: 2 }, { examined: rows.length, usable: rows.length, frauds });
}

function evaluated(rows: readonly Row[], reviewCapacity?: number): Evaluation {
  const result = contestOf(rows, reviewCapacity);
  assert.ok(result.ok, JSON.stringify(result));
  return result.evaluation;
}

const many = (count: number, make: (n: number) => Row): Row[] => Array.from({ length: count }, (_, n) => make(n));
const better = { fraud: true, own: 0.9, other: 0.4 };
const honest = { fraud: false, own: 0.1, other: 0.5 };

describe("an evaluation", () => {
  it(`needs ${MIN_FRAUDS} frauds and something honest beside them`, () => {
    const short = contestOf([...many(MIN_FRAUDS - 1, () => better), honest]);
    assert.ok(!short.ok && short.code === "not_enough_evidence");
    assert.match(String(short.detail), /19 labelled frauds among 20 payments; it takes 20/);
    const alone = contestOf(many(MIN_FRAUDS, () => better));
    assert.ok(!alone.ok && alone.code === "not_enough_evidence");
    assert.ok(contestOf([...many(MIN_FRAUDS, () => better), honest]).ok);
  });

  it("is won by a higher average precision and a higher card precision, or one that cannot be higher", () => {
    const rows = [...many(20, () => better), ...many(40, () => honest)];
    const won = evaluated(rows, 10);
    assert.deepEqual([won.own.averagePrecision, won.own.cardPrecision, won.other.cardPrecision, won.bestCardPrecision], [1, 1, 0, 1]);
    assert.equal(refuseUnlessBetter(won), undefined);
    // With a hundred reviews a day both find every account.
    const easy = evaluated(rows, 100);
    assert.deepEqual([easy.own.cardPrecision, easy.other.cardPrecision, easy.bestCardPrecision], [0.2, 0.2, 0.2]);
    assert.equal(refuseUnlessBetter(easy), undefined);
  });

  it("is lost by whoever is worse, equal, or better in one respect only", () => {
    const equal = evaluated([
      ...many(20, () => ({ fraud: true, own: 0.7, other: 0.7 })),
      ...many(20, () => ({ fraud: false, own: 0.2, other: 0.2 })),
    ]);
    assert.equal(refuseUnlessBetter(equal)?.code, "model_not_better");
    const worse = evaluated([
      ...many(20, () => ({ fraud: true, own: 0.1, other: 0.9 })),
      ...many(20, () => ({ ...honest, own: 0.8, other: 0.2 })),
    ]);
    assert.equal(refuseUnlessBetter(worse)?.code, "model_not_better");
    // Finds most payments of the same account that everybody finds, and is wrong at the top of every day.
    const narrow = [
      ...many(19, () => ({ fraud: true, own: 0.8, other: 0.1, payer: "one" })),
      { fraud: true, own: 0.1, other: 0.9, payer: "two" },
      ...many(30, (n) => ({ fraud: false, own: n === 0 ? 0.9 : 0.2, other: 0.3 })),
    ];
    const one = evaluated(narrow, 1);
    assert.ok(one.own.averagePrecision > one.other.averagePrecision && one.own.cardPrecision < one.other.cardPrecision);
    const refusal = refuseUnlessBetter(one);
    assert.equal(refusal?.code, "model_not_better");
    assert.match(
      String(refusal?.detail),
      /^On 50 payments, 20 of them fraud: average precision 0\.\d{4}, card precision 0\.0000; what decides now: average precision/,
    );
  });

  it("counts an account once a day, by UTC days", () => {
    const rows = [
      ...many(10, () => ({ ...better, payer: "one", day: 0 })),
      ...many(10, () => ({ ...better, payer: "two", day: 1 })),
      ...many(5, (n) => ({ ...honest, day: n % 2 })),
    ];
    assert.equal(evaluated(rows, 1).own.cardPrecision, 1);
    assert.equal(evaluated(rows, 2).own.cardPrecision, 0.5);
  });

  it("is told in six decimals", () => {
    const told = presentEvaluation(evaluated([...many(21, (n) => ({ fraud: true, own: n / 40, other: 0.3 })), ...many(40, () => honest)]));
    assert.match(JSON.stringify(told), /"average_precision":0\.\d{1,6}[,}]/);
    assert.deepEqual([told["payments"], told["frauds"], told["against"], told["review_capacity_per_day"]], [61, 21, null, 100]);
  });
});
