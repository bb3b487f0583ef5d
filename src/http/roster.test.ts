import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Place } from "./roster.ts";
import { createRoster } from "./roster.ts";

describe("a roster", () => {
  it("has whoever entered and has not left, in the order of their coming", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constant("enter" as const), fc.nat({ max: 20 }))), (steps) => {
        const roster = createRoster<number>();
        const places: Place<number>[] = [];
        const model = new Set<number>();
        for (const step of steps) {
          if (step === "enter") {
            model.add(places.length);
            places.push(roster.enter(places.length));
            continue;
          }
          const place = places[step];
          if (place === undefined) continue;
          // Leaving a second time changes nothing.
          roster.leave(place);
          model.delete(step);
        }
        assert.deepEqual([...roster], [...model]);
        assert.equal(roster.size, model.size);
      }),
    );
  });

  it("goes on when the present one leaves, and when one enters", () => {
    const roster = createRoster<number>();
    const places = [1, 2, 3].map((value) => roster.enter(value));
    const seen: number[] = [];
    for (const value of roster) {
      seen.push(value);
      const place = places[value - 1];
      if (place !== undefined) roster.leave(place);
      if (value === 1) places.push(roster.enter(4));
    }
    assert.deepEqual(seen, [1, 2, 3, 4]);
    assert.deepEqual([...roster], []);
  });

  it("lets those who left point to nobody", () => {
    const roster = createRoster<number>();
    const [first, second, third] = [1, 2, 3].map((value) => roster.enter(value));
    assert.ok(first && second && third);
    roster.leave(second);
    assert.deepEqual(second, { value: undefined, before: undefined, after: undefined });
    assert.equal(first.after, third);
  });
});
