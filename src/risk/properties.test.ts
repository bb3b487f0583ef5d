import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { assess, weigh } from "./assess.ts";
import type { RiskContext } from "./context.ts";
import { reasonCodes } from "./assessment.ts";
import { anyContext, anyHistory, anyPayment, berlin, customer, DAY, eur, OWNER, pay, replay, START } from "./test-kit.ts";

test("scores are integers from 0 to 10000, weighed from their factors; reasons are known, at most one a factor", () => {
  fc.assert(
    fc.property(fc.array(anyPayment, { minLength: 1, maxLength: 60, size: "max" }), (payments) => {
      for (const { assessed } of replay(payments)) {
        const { score, factors, reasons, velocity_count } = assessed.assessment;
        for (const value of [score, ...Object.values(factors)]) assert.ok(Number.isInteger(value) && value >= 0 && value <= 10_000);
        assert.equal(score, weigh(factors));
        assert.equal(factors.velocity, velocity_count > 10 ? 9000 : velocity_count * 500);
        assert.ok(reasons.length <= 5 && reasons.every((reason) => reasonCodes.includes(reason)));
        assert.equal(new Set(reasons).size, reasons.length);
      }
    }),
  );
});

/** Freezes a value throughout, so that a write to it throws. */
function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) freeze(part);
  }
  return value;
}

test("the same input gives the same output, and the input is left alone", () => {
  fc.assert(
    fc.property(anyHistory, anyPayment, ({ profile, at }, { wait, ...payment }) => {
      const input = freeze({ ...payment, ownerId: OWNER, at: at + wait, profile });
      assert.deepEqual(assess(input), assess(input));
    }),
  );
});

const parts: readonly (keyof RiskContext)[] = ["device_id", "latitude", "longitude", "country", "user_agent"];
const poison: readonly unknown[] = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e9, -1e9, "", " ", null, {}, [], true];

test("a poisoned part of a context never scores below the absent one, in any factor", () => {
  fc.assert(
    fc.property(anyHistory, anyContext, fc.constantFrom(...parts), fc.constantFrom(...poison), ({ profile, at }, context, part, value) => {
      const { [part]: _, ...absent } = context;
      const poisoned = pay(profile, at, { context: { ...context, [part]: value } }).assessment;
      const without = pay(profile, at, { context: absent }).assessment;
      assert.ok(poisoned.score >= without.score, `${part} = ${String(value)}`);
    }),
  );
});

test("nothing in a context scores better than a known customer's own, and leaving any of it out does not help", () => {
  const known = customer(30);
  const good = pay(known, START + DAY).assessment;
  fc.assert(
    fc.property(anyContext, fc.subarray([...parts]), (context, left) => {
      const other = pay(known, START + DAY, { context }).assessment;
      const fewer = Object.fromEntries(Object.entries(berlin).filter(([name]) => !left.includes(name as keyof RiskContext)));
      const partial = pay(known, START + DAY, { context: fewer }).assessment;
      for (const name of ["location", "device", "behaviour"] as const) {
        assert.ok(other.factors[name] >= good.factors[name]);
        assert.ok(partial.factors[name] >= good.factors[name]);
      }
    }),
  );
});

test("whatever the history, an absent context scores no lower than any given device, user agent or settled country", () => {
  fc.assert(
    fc.property(anyHistory, anyContext, ({ profile, at }, context) => {
      const given = pay(profile, at, { context }).assessment.factors;
      const absent = pay(profile, at, { context: {} }).assessment.factors;
      assert.ok(absent.device >= given.device);
      assert.ok(absent.behaviour >= given.behaviour);
      if (given.location !== 10_000) assert.ok(absent.location >= given.location);
    }),
  );
});

test("a larger amount never scores lower", () => {
  const amount = fc.bigInt({ min: 1n, max: 10_000_000n });
  fc.assert(
    fc.property(anyHistory, amount, amount, ({ profile, at }, a, b) => {
      const [small, large] = a < b ? [a, b] : [b, a];
      const score = (minor: bigint) => pay(profile, at, { amount: eur(minor) }).assessment.score;
      assert.ok(score(small) <= score(large));
    }),
  );
});

test("one more payment in the window never lowers the velocity", () => {
  fc.assert(
    fc.property(anyHistory, fc.integer({ min: 0, max: 60_000 }), ({ profile, at }, wait) => {
      const before = pay(profile, at);
      assert.ok(pay(before.profile, at + (wait % 2)).assessment.velocity_count >= before.assessment.velocity_count);
    }),
  );
});
