import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type AmountHistogram, BINS, binOf, learnAmount, quantile, totalOf } from "./amounts.ts";

const learn = (amounts: readonly number[]): AmountHistogram => amounts.reduce<AmountHistogram>(learnAmount, []);

test("a bin is the whole part of four times the binary logarithm, up to the largest amount", () => {
  const edges = Array.from({ length: 53 }, (_, i) => 2 ** i).flatMap((power) => [power - 1, power, power + 1]);
  fc.assert(
    fc.property(
      fc.oneof(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), fc.constantFrom(...edges.filter((n) => n > 0))),
      (amount) => {
        assert.equal(binOf(amount), (BigInt(amount) ** 4n).toString(2).length - 1);
        assert.ok(binOf(amount) < BINS);
      },
    ),
  );
  assert.equal(binOf(Number.MAX_SAFE_INTEGER), BINS - 1);
});

test("the median lies within a bin of the true one", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 1e7 }), { minLength: 1, maxLength: 200 }), (amounts) => {
      const histogram = learn(amounts);
      const sorted = amounts.toSorted((a, b) => a - b);
      const lower = sorted[Math.max(Math.ceil(sorted.length / 2) - 1, 0)] ?? 0;
      const found = quantile(histogram, totalOf(histogram), 0.5);
      assert.ok(found >= binOf(lower) / 4 && found <= (binOf(lower) + 1) / 4);
    }),
  );
});

test("the order of amounts is of no account before the histogram is full", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 1e9 }), { maxLength: 200 }), (amounts) =>
      assert.deepEqual(learn(amounts), learn(amounts.toReversed())),
    ),
  );
});

test("a full histogram forgets half of everything, and single amounts altogether", () => {
  const histogram = learn([7, ...Array.from({ length: 255 }, () => 1000)]);
  assert.equal(totalOf(histogram), 256);
  assert.deepEqual(learnAmount(histogram, 1000), [binOf(1000), 128]);
});

test("one fraud among many payments hardly moves the median", () => {
  const usual = learn(Array.from({ length: 21 }, (_, i) => 900 + 10 * i));
  const after = learnAmount(usual, 5_000_000);
  assert.ok(Math.abs(quantile(after, totalOf(after), 0.5) - quantile(usual, totalOf(usual), 0.5)) < 0.05);
});

test("nothing is learnt of no amount", () => assert.deepEqual(learnAmount([], 0), []));
