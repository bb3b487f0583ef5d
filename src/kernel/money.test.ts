import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { currencies } from "./currencies.ts";
import {
  add,
  type Currency,
  exponentOf,
  fitsWire,
  isCurrency,
  MAX_MINOR,
  type Minor,
  minorFromWire,
  minorToWire,
  negate,
  subtract,
  ZERO,
} from "./money.ts";

const broken = { name: "InvariantError" };

test("the largest amount is the largest integer every JSON client reads exactly", () => {
  assert.equal(MAX_MINOR, BigInt(Number.MAX_SAFE_INTEGER));
  assert.equal(ZERO, 0n);
});

test("every safe integer passes the wire unchanged", () => {
  fc.assert(fc.property(fc.maxSafeInteger(), (value) => assert.equal(minorToWire(minorFromWire(value)), value)));
  for (const edge of [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 0, 1, -1]) assert.equal(minorToWire(minorFromWire(edge)), edge);
});

test("what JSON cannot carry exactly breaks an invariant", () => {
  for (const value of [2 ** 53, -(2 ** 53), 0.5, Number.NaN, Number.POSITIVE_INFINITY]) assert.throws(() => minorFromWire(value), broken);
  for (const amount of [MAX_MINOR + 1n, -MAX_MINOR - 1n]) {
    assert.equal(fitsWire(amount), false);
    assert.throws(() => minorToWire(amount), broken);
  }
  assert.ok(fitsWire(MAX_MINOR) && fitsWire(-MAX_MINOR) && fitsWire(0n));
});

test("sums are exact beyond what floating point could", () => {
  const amount = fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }).map((n) => n as Minor);
  fc.assert(
    fc.property(amount, amount, (a, b) => {
      assert.equal(subtract(add(a, b), b), a);
      assert.equal(add(a, negate(a)), 0n);
      assert.equal(add(a, b), add(b, a));
    }),
  );
  assert.equal(add(MAX_MINOR, 2n as Minor), 9007199254740993n);
});

test("currencies are three capital letters with 0, 2 or 3 minor digits", () => {
  assert.ok(currencies.size > 140);
  for (const [code, exponent] of currencies) {
    assert.match(code, /^[A-Z]{3}$/);
    assert.ok([0, 2, 3].includes(exponent));
    assert.ok(isCurrency(code));
    assert.equal(exponentOf(code as Currency), exponent);
  }
});

test("the currencies with none and with three minor digits are all there", () => {
  const byExponent = new Map<number, number>();
  for (const exponent of currencies.values()) byExponent.set(exponent, (byExponent.get(exponent) ?? 0) + 1);
  // ISO 4217 has 16 circulating currencies without minor unit and 7 with three digits.
  assert.deepEqual([byExponent.get(0), byExponent.get(3)], [16, 7]);
});

for (const [code, exponent] of [
  ["EUR", 2],
  ["USD", 2],
  ["JPY", 0],
  ["KRW", 0],
  ["CLP", 0],
  ["ISK", 0],
  ["KWD", 3],
  ["BHD", 3],
  ["TND", 3],
  ["HUF", 2],
] as const) {
  test(`${code} has ${exponent} minor digits`, () => assert.equal(exponentOf(code as Currency), exponent));
}

test("what is no currency is none", () => {
  for (const text of ["", "eur", "EURO", "EU", " EUR", "XXX", "XTS", "XAU", "DEM", "BTC", "constructor", undefined, null, 978]) {
    assert.equal(isCurrency(text), false, String(text));
  }
  assert.throws(() => exponentOf("XXX" as Currency), broken);
});
