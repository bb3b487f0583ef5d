import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addDistinct, countDistinct, type Distinct, NONE_DISTINCT } from "./distinct.ts";
import { keyOf } from "./keys.ts";

const EPOCH = 1000;
const seeing = (payers: readonly number[], at: number, before: Distinct = NONE_DISTINCT): Distinct =>
  payers.reduce((seen, payer) => addDistinct(seen, EPOCH, at, keyOf(`payer ${payer}`)), before);
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

test("the estimate is near for few and rough for many", () => {
  assert.equal(countDistinct(NONE_DISTINCT, EPOCH, 5), 0);
  assert.equal(countDistinct(seeing([4], 1500), EPOCH, 1500), 1);
  for (const n of [10, 50, 100]) {
    const found = countDistinct(seeing(range(n), 1500), EPOCH, 1500);
    assert.ok(Math.abs(found - n) <= 0.35 * n, `${found} of ${n}`);
  }
  assert.equal(countDistinct(seeing(range(5000), 1500), EPOCH, 1500), 300);
});

test("repetition and order are of no account", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(40)), (payers) =>
      assert.deepEqual(seeing(payers, 1500), seeing([...payers.toReversed(), ...payers], 1500)),
    ),
  );
});

test("the epoch before counts, the one before that does not", () => {
  const seen = seeing([1, 2, 3], 1999);
  const both = seeing([9], 2000, seen);
  assert.equal(countDistinct(seen, EPOCH, 2999), countDistinct(seen, EPOCH, 1999));
  assert.equal(countDistinct(seen, EPOCH, 3000), 0);
  assert.ok(countDistinct(both, EPOCH, 2999) > countDistinct(both, EPOCH, 3000));
  assert.equal(countDistinct(seeing([9], 3000, seen), EPOCH, 3000), 1);
});
