import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isExactNumber } from "./json-number.ts";

test("every safe integer is exact in every spelling", () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (n) => {
      assert.equal(isExactNumber(String(n)), true);
      assert.equal(isExactNumber(`${n}.0`), String(Math.abs(n)).length <= 16);
      assert.equal(isExactNumber(`${n}e0`), true);
    }),
  );
});

test("every integer beyond is not", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 2n ** 53n, max: 10n ** 400n }), (n) => {
      assert.equal(isExactNumber(String(n)), false);
      assert.equal(isExactNumber(`-${n}`), false);
    }),
  );
});

test("every double below 2^53 is exact as JSON.stringify writes it", () => {
  const doubles = fc.double({ min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, noNaN: true });
  fc.assert(fc.property(doubles, (n) => assert.equal(isExactNumber(JSON.stringify(n)), true, String(n))));
});

test("a fraction that rounds to an integer is not exact", () => {
  for (const token of ["0.9999999999999999999", "9007199254740990.6", "1.0000000000000000000001", "1e-999", "0.1e-400"]) {
    assert.equal(isExactNumber(token), false, token);
  }
});

test("zeros are exact; what is no number is left to the parser", () => {
  for (const token of ["0", "-0", "0.000", "0e5", "0e999", "1-2", "--", "1e", "1.2.3"]) assert.equal(isExactNumber(token), true, token);
});
