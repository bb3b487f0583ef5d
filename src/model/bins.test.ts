import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { binDataset, codeOf } from "./bins.ts";

const bin = (values: readonly number[], maxBins: number) => {
  const [feature] = binDataset(
    { columns: [Float64Array.from(values)], labels: new Uint8Array(values.length), times: new Float64Array(values.length) },
    maxBins,
  );
  assert.ok(feature !== undefined);
  return feature;
};

test("few values: one bin each, cut at the midpoints; missing is code 0", () => {
  const { codes, cuts } = bin([3, 1, 1, Number.NaN, 2], 8);
  assert.deepEqual([...cuts], [1.5, 2.5]);
  assert.deepEqual([...codes], [3, 1, 1, 0, 2]);
});

test("many values: about equally many rows a bin, and a value of many rows does not use up the others' bins", () => {
  const zeros = Array.from({ length: 1000 }, () => 0);
  const spread = Array.from({ length: 1000 }, (_, i) => i + 1);
  const { codes, cuts } = bin([...zeros, ...spread], 11);
  assert.equal(cuts.length, 10);
  const sizes = new Map<number, number>();
  for (const code of codes) sizes.set(code, (sizes.get(code) ?? 0) + 1);
  assert.deepEqual([...sizes.values()], [1000, ...Array.from({ length: 10 }, () => 100)]);
});

test("codes keep the order, never exceed the bins, and agree with the cuts: below a cut is left of it", () => {
  const number = fc.oneof(fc.double({ noNaN: true }), fc.integer({ min: -5, max: 5 }), fc.constant(Number.NaN));
  fc.assert(
    fc.property(fc.array(number, { minLength: 1, maxLength: 60 }), fc.integer({ min: 2, max: 20 }), (values, maxBins) => {
      const { codes, cuts } = bin(values, maxBins);
      assert.ok(cuts.length < maxBins);
      for (const cut of cuts) assert.ok(Number.isFinite(cut));
      for (const [i, value] of values.entries()) {
        const code = codes[i] as number;
        assert.equal(code, codeOf(cuts, value));
        assert.equal(code === 0, Number.isNaN(value));
        for (let c = 1; c <= cuts.length && code > 0; c++) assert.equal(code <= c, value < (cuts[c - 1] as number));
      }
    }),
  );
});

test("neighbours among 64-bit numbers are told apart", () => {
  const { codes } = bin([1, 1 + Number.EPSILON, Number.MAX_VALUE, -Number.MAX_VALUE], 8);
  assert.deepEqual([...codes].slice(0, 2), [2, 3]);
});
