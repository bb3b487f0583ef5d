import assert from "node:assert/strict";
import { test } from "node:test";
import { cardPrecision, type CardRow } from "./card-precision.ts";
import { logLoss, reliability } from "./probability-metrics.ts";
import { averagePrecision, precisionRecall, rocAuc } from "./rank-metrics.ts";

const labels = Uint8Array.of(0, 0, 1, 1);
const scores = Float64Array.of(0.1, 0.4, 0.35, 0.8);
const near = (value: number, expected: number): void => assert.ok(Math.abs(value - expected) < 1e-12, `${value} instead of ${expected}`);

test("the example of scikit-learn's documentation: AUC 0.75, average precision 0.8333", () => {
  near(rocAuc(labels, scores), 0.75);
  near(averagePrecision(labels, scores), 5 / 6);
  assert.deepEqual(
    precisionRecall(labels, scores).map(({ score, precision, recall }) => [score, precision, recall]),
    [
      [0.8, 1, 0.5],
      [0.4, 0.5, 0.5],
      [0.35, 2 / 3, 1],
      [0.1, 0.5, 1],
    ],
  );
});

test("equal scores are one step: AUC counts them half, average precision takes the share", () => {
  const same = Float64Array.of(1, 1, 1, 1);
  near(rocAuc(labels, same), 0.5);
  near(averagePrecision(labels, same), 0.5);
  // One tie of a fraud and an honest row: pairs won 1 + 1 + 1, half 1.
  near(rocAuc(Uint8Array.of(1, 0, 1, 0), Float64Array.of(3, 2, 2, 1)), 3.5 / 4);
  near(averagePrecision(Uint8Array.of(1, 0, 1, 0), Float64Array.of(3, 2, 2, 1)), 0.5 + 0.5 * (2 / 3));
});

test("a perfect and a worst ranking; without frauds there is no AUC; a score that is no number is a bug", () => {
  assert.deepEqual([rocAuc(labels, Float64Array.of(1, 2, 3, 4)), averagePrecision(labels, Float64Array.of(1, 2, 3, 4))], [1, 1]);
  assert.equal(rocAuc(labels, Float64Array.of(4, 3, 2, 1)), 0);
  assert.ok(Number.isNaN(rocAuc(Uint8Array.of(0, 0), Float64Array.of(1, 2))));
  assert.throws(() => rocAuc(labels, Float64Array.of(1, 2, 3, Number.NaN)), { name: "InvariantError" });
  assert.throws(() => averagePrecision(labels, Float64Array.of(1)), { name: "InvariantError" });
});

const at = (day: number, card: number, score: number, fraud = false): CardRow => ({ day, card, score, fraud });

test("card precision: a card's score is its highest, and it counts as defrauded when any payment of the day is", () => {
  // The top card is 1 by 0.9, though its fraud is the other payment.
  const rows = [at(5, 1, 0.9), at(5, 1, 0.2, true), at(5, 2, 0.8), at(5, 3, 0.7, true)];
  near(cardPrecision(rows, 1), 1);
  near(cardPrecision(rows, 2), 1 / 2);
  near(cardPrecision(rows, 3), 2 / 3);
});

test("card precision: cards found are removed from later days, cards missed are not, and days are averaged", () => {
  const rows = [at(2, 1, 0.9, true), at(2, 2, 0.5, true), at(1, 1, 0.9, true), at(1, 2, 0.1, true), at(1, 3, 0.5)];
  // Day 1: cards 1 and 3, one found. Day 2: card 1 is gone, card 2 is found; one card is left, but k divides.
  near(cardPrecision(rows, 2), (1 / 2 + 1 / 2) / 2);
  // k = 1: day 1 finds card 1, day 2 finds card 2.
  near(cardPrecision(rows, 1), 1);
});

test("card precision: k more than there are cards divides by k; equal scores go by the card's number; no rows are 0", () => {
  near(cardPrecision([at(1, 1, 1, true)], 100), 1 / 100);
  near(cardPrecision([at(1, 9, 1, true), at(1, 3, 1)], 1), 0);
  near(cardPrecision([at(1, 9, 1), at(1, 3, 1, true)], 1), 1);
  assert.equal(cardPrecision([], 3), 0);
  assert.throws(() => cardPrecision([], 0), { name: "InvariantError" });
});

test("log loss by hand, and a certain mistake costs much but not everything", () => {
  near(logLoss(Uint8Array.of(1, 0), Float64Array.of(0.8, 0.4)), -(Math.log(0.8) + Math.log(0.6)) / 2);
  assert.equal(logLoss(Uint8Array.of(1), Float64Array.of(1)) < 1e-15, true);
  near(logLoss(Uint8Array.of(1), Float64Array.of(0)), 52 * Math.LN2);
});

test("reliability: what was promised against what came, a bin each; 1 belongs to the last bin, empty bins are left out", () => {
  const bins = reliability(Uint8Array.of(0, 1, 1, 1), Float64Array.of(0.1, 0.2, 0.75, 1), 4);
  assert.deepEqual(
    bins.map(({ from, to, rows, fraudShare }) => [from, to, rows, fraudShare]),
    [
      [0, 0.25, 2, 0.5],
      [0.75, 1, 2, 1],
    ],
  );
  near(bins[0]?.meanProbability ?? 0, 0.15);
  assert.throws(() => reliability(Uint8Array.of(0), Float64Array.of(1.5), 4), { name: "InvariantError" });
});
