import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FEATURES, FEATURES_VERSION } from "#features/index.ts";
import { decodeFeatures, encodeFeatures, namedFeatures, quantise } from "./feature-text.ts";

const WIDTH = FEATURES.length;
const value = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 3, arbitrary: fc.integer({ min: -50, max: 500 }) },
  { weight: 2, arbitrary: fc.double({ min: -1e7, max: 1e7, noNaN: true }) },
  { weight: 1, arbitrary: fc.maxSafeInteger() },
  { weight: 1, arbitrary: fc.double({ min: -1, max: 1, noNaN: true }) },
);
const vectors = fc.array(value, { minLength: WIDTH, maxLength: WIDTH, size: "max" }).map((values) => Float64Array.from(values));

test("a quantised vector survives its text, bit for bit", () => {
  fc.assert(
    fc.property(vectors, (vector) => {
      const before = vector.slice();
      const quantised = quantise(vector);
      for (const [i, quantum] of quantised.entries()) {
        assert.ok(!Object.is(quantum, -0));
        assert.ok(Math.abs(quantum - (before[i] ?? 0)) <= 0.000_501);
      }
      const text = encodeFeatures(quantised);
      assert.match(text, /^[A-Za-z0-9_-]+$/);
      assert.deepEqual(decodeFeatures(text), quantised);
      // Rounding a second time changes nothing, so that what is stored is what is scored.
      assert.deepEqual(quantise(quantised.slice()), quantised);
    }),
  );
});

test("what is no text of a vector is refused", () => {
  const good = encodeFeatures(Float64Array.from({ length: WIDTH }, (_, i) => i / 4));
  const bad = [
    "",
    good.slice(1),
    good.slice(0, -1),
    `${good}B`,
    `${good}AB`,
    `ä${good}`,
    `ġ${good.slice(1)}`,
    `A${"_".repeat(12)}`,
    `${"_".repeat(13)}`,
    "B".repeat(WIDTH),
    "AA",
  ];
  for (const text of bad) assert.throws(() => decodeFeatures(text), { name: "InvariantError" }, text);
  assert.throws(() => encodeFeatures(Float64Array.from({ length: WIDTH }, () => Number.NaN)), { name: "InvariantError" });
  assert.throws(() => encodeFeatures(Float64Array.from({ length: WIDTH }, () => Number.POSITIVE_INFINITY)), { name: "InvariantError" });
});

test("features are named as long as they are declared as they were", () => {
  const text = encodeFeatures(Float64Array.from({ length: WIDTH }, (_, i) => i));
  assert.deepEqual(namedFeatures(FEATURES_VERSION, text), Object.fromEntries(FEATURES.map(({ name }, i) => [name, i])));
  assert.equal(namedFeatures(FEATURES_VERSION + 1, text), undefined);
});
