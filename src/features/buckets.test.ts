import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addToBuckets, type Buckets, COUNT_MAX, countBetween, countIn, freshBuckets, NO_BUCKETS, slotOf, sumIn } from "./buckets.ts";
import { AMOUNT_MAX } from "./payment.ts";

const tier = { ms: 1000, back: 5 };
const add = (buckets: Buckets, at: number, amount = 1): Buckets => addToBuckets(buckets, tier, at, amount);

test("a window holds the current bucket and those before it, from the very millisecond", () => {
  const buckets = add(add(add(NO_BUCKETS, 1000, 10), 1999, 20), 3000, 40);
  assert.deepEqual(buckets, [1, 2, 30, 3, 1, 40]);
  assert.equal(countIn(buckets, slotOf(tier, 3999), 2), 3);
  assert.equal(sumIn(buckets, slotOf(tier, 3999), 1), 40);
  assert.equal(countIn(buckets, slotOf(tier, 4000), 2), 1);
  assert.equal(countBetween(buckets, 1, 2), 2);
});

test("old buckets are given up, and only those", () => {
  const buckets = add(NO_BUCKETS, 0);
  assert.deepEqual(add(buckets, 5999), [0, 1, 1, 5, 1, 1]);
  assert.deepEqual(add(buckets, 6000), [6, 1, 1]);
  assert.equal(freshBuckets(buckets, tier, 5999), buckets);
  assert.equal(freshBuckets(buckets, tier, 6000), NO_BUCKETS);
});

test("the order of payments within a bucket is of no account, and what went before stays as it was", () => {
  const amounts = fc.array(fc.oneof(fc.integer({ min: 0, max: 1e6 }), fc.constant(AMOUNT_MAX)), { minLength: 1 });
  fc.assert(
    fc.property(amounts, (list) => {
      const before = Object.freeze([0, 1, 1]);
      const forward = list.reduce<Buckets>((buckets, amount) => add(buckets, 1500, amount), before);
      const backward = list.toReversed().reduce<Buckets>((buckets, amount) => add(buckets, 1001, amount), before);
      assert.deepEqual(forward, backward);
    }),
  );
});

test("counts and sums saturate", () => {
  const full = addToBuckets([1, COUNT_MAX, AMOUNT_MAX], tier, 1000, AMOUNT_MAX);
  assert.deepEqual(full, [1, COUNT_MAX, AMOUNT_MAX]);
  assert.equal(sumIn(add(full, 2000, 5), 2, 5), AMOUNT_MAX);
});
