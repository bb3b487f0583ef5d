import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isGood, isLeased, systemClock, toTimestamp } from "./clock.ts";

test("timestamps are RFC 3339 UTC with milliseconds", () => {
  assert.equal(toTimestamp(0), "1970-01-01T00:00:00.000Z");
  assert.equal(toTimestamp(Date.UTC(2026, 10, 22, 18, 31, 0, 123)), "2026-11-22T18:31:00.123Z");
  assert.equal(toTimestamp(Date.UTC(2024, 1, 29, 23, 59, 59, 999)), "2024-02-29T23:59:59.999Z");
  assert.equal(toTimestamp(Date.UTC(9999, 11, 31, 23, 59, 59, 999)), "9999-12-31T23:59:59.999Z");
});

test("the kept rendering is never another time's", () => {
  const ms = fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) });
  fc.assert(
    fc.property(ms, ms, (a, b) => {
      const [first, second] = [toTimestamp(a), toTimestamp(b)];
      assert.equal(toTimestamp(a), first);
      assert.equal(Date.parse(first), a);
      assert.equal(Date.parse(second), b);
      assert.equal(first < second, a < b);
    }),
  );
});

test("a time that is none throws and is not kept", () => {
  for (const ms of [Number.NaN, Number.POSITIVE_INFINITY, 9e15]) assert.throws(() => toTimestamp(ms), RangeError);
  assert.equal(toTimestamp(1), "1970-01-01T00:00:00.001Z");
  assert.throws(() => toTimestamp(Number.NaN), RangeError);
});

test("the system clock gives whole milliseconds of this century and sleeps", async () => {
  const before = systemClock.now();
  assert.ok(Number.isSafeInteger(before) && before > Date.UTC(2025, 0, 1) && before < Date.UTC(2100, 0, 1));
  assert.equal(await systemClock.sleep(1), undefined);
});

test("what was read is good from its reading to its end, and not before the reading", () => {
  assert.deepEqual(
    [899, 900, 999, 1_000].map((now) => isGood(1_000, 100, now)),
    [false, true, true, false],
  );
  assert.equal(isGood(Number.NEGATIVE_INFINITY, 100, 0), false);
});

test("a lease holds until it ends, but no longer than one of another clock can last", () => {
  assert.deepEqual(
    [799, 800, 999, 1_000].map((now) => isLeased(1_000, 100, now)),
    [false, true, true, false],
  );
});
