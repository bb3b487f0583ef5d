import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { delayAfter, delayAsked, MAX_ATTEMPTS, retryAfterOf } from "./schedule.ts";

const NOW = Date.parse("2026-11-22T19:25:52.000Z");

void describe("the schedule of attempts", () => {
  void it("leaves a receiver alone for as long as it asks, between its own step and the next one", () => {
    assert.equal(delayAsked(1, 0, undefined), 5_000);
    assert.equal(delayAsked(1, 0, 1_000), 5_000, "asking to come sooner would use the attempts up");
    assert.equal(delayAsked(1, 0, 60_000), 60_000);
    assert.equal(delayAsked(1, 0, 3_600_000), 300_000, "not beyond the next step");
    assert.equal(delayAsked(MAX_ATTEMPTS - 1, 0, 1e12), 86_400_000, "the last step has no next one");
    assert.equal(delayAsked(MAX_ATTEMPTS, 0, 60_000), undefined, "nobody asks for further attempts");
  });

  void it("never comes sooner than without being asked, nor later than the next step", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: MAX_ATTEMPTS - 2 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.nat(),
        (n, unit, asked) => {
          const delay = delayAsked(n, unit, asked);
          const plain = delayAfter(n, unit);
          const next = delayAfter(n + 1, 0);
          assert.ok(delay !== undefined && plain !== undefined && next !== undefined);
          assert.ok(delay >= plain && delay <= Math.max(plain, next));
        },
      ),
    );
  });

  void it("reads seconds and dates, of 429 and 503 only", () => {
    assert.equal(retryAfterOf(429, "120", NOW), 120_000);
    assert.equal(retryAfterOf(503, " 0 ", NOW), 0);
    assert.equal(retryAfterOf(503, "Sun, 22 Nov 2026 19:26:52 GMT", NOW), 60_000);
    for (const status of [200, 301, 400, 500, 502]) assert.equal(retryAfterOf(status, "120", NOW), undefined, String(status));
    for (const value of ["", "-1", "1.5", "1e3", "soon", "9999999999", "2026-11-22T19:26:52Z", "Sun, 22 Nov 2026 19:25:00 GMT", undefined])
      assert.equal(retryAfterOf(429, value, NOW), undefined, String(value));
    assert.equal(retryAfterOf(429, ["1", "2"], NOW), undefined, "told twice");
  });
});
