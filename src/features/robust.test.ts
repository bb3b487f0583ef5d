import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type FeaturePayment, type FraudLabel, readPayment, referenceCents } from "./payment.ts";
import { createFeatureStream, type FeatureStream } from "./stream.ts";
import { DAY, histories, START, streamOf, valueOf } from "./test-kit.ts";
import { FEATURES, vector } from "./vector.ts";

const wildNumber = fc.oneof(
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0, -1, 0.5, 1e300, 5e-324, 2 ** 53, Number.MAX_VALUE),
  fc.double(),
  fc.integer(),
);
const wildText = fc.oneof(fc.constantFrom("", " ", "\u0000", "__proto__", "🙂".repeat(400), "x".repeat(100_000)), fc.string());
const anything = fc.oneof(wildNumber, wildText, fc.constantFrom(null, undefined, true, {}, []));

/** What no type checker has seen. */
const wildPayments = fc.record(
  {
    payer: fc.oneof(fc.constantFrom("ann", "bob"), wildText),
    payee: fc.oneof(fc.constantFrom("shop 1", "shop 2"), anything),
    amount: anything,
    at: fc.oneof(fc.integer({ min: START, max: START + 90 * DAY }), anything),
    device: anything,
    ip: anything,
    latitude: anything,
    longitude: anything,
    country: anything,
    openedAt: anything,
    available: anything,
  },
  { requiredKeys: ["payer", "payee", "amount", "at"] },
) as fc.Arbitrary<FeaturePayment>;

test("whatever comes, nothing throws and every feature is a finite number", () => {
  const entries = fc.array(fc.tuple(wildPayments, fc.constantFrom("posted", "held", "label")), { maxLength: 30 });
  fc.assert(
    fc.property(entries, (list) => {
      const stream = createFeatureStream();
      for (const [payment, fate] of list) {
        if (fate === "label") stream.label(payment as FraudLabel);
        else
          stream.next(payment, fate === "held" ? "held" : "posted").forEach((value, i) => {
            assert.ok(Number.isFinite(value) && !Object.is(value, -0), `${FEATURES[i]?.name}: ${value}`);
          });
      }
    }),
    { numRuns: 300 },
  );
});

const garbled = {
  device: [Number.NaN, "", "  ", "x".repeat(513), {}, null],
  ip: ["999.1.1.1", "not an address", 7, ":::::::", null],
  latitude: [Number.NaN, 90.0001, -1e9, "52", null, Number.POSITIVE_INFINITY],
  country: ["de", "XXX", 49, null],
  openedAt: [Number.NaN, -5, "yesterday", null],
  available: [Number.NaN, -1, "all", null],
} as const;

const vectorOf = (stream: FeatureStream, payment: FeaturePayment): Float64Array => vector(stream.state(payment), readPayment(payment));
const payments = histories(1).map((entries) => entries[0]);

test("a malformed part of a payment is exactly as if it were absent", () => {
  fc.assert(
    fc.property(histories(40), payments, (history, entry) => {
      if (entry?.kind !== "payment") return;
      const stream = streamOf(history);
      for (const [part, values] of Object.entries(garbled)) {
        const without: object = { ...entry.payment, [part]: undefined };
        const expected = vectorOf(stream, without as FeaturePayment);
        for (const value of values)
          assert.deepEqual(vectorOf(stream, { ...without, [part]: value } as unknown as FeaturePayment), expected, part);
      }
    }),
    { numRuns: 60 },
  );
});

test("a forged device is at least as risky as none, and no known risk is ever below its default", () => {
  fc.assert(
    fc.property(histories(40), payments, fc.uuid(), (history, entry, forged) => {
      if (entry?.kind !== "payment") return;
      const stream = streamOf(history);
      const { device: _, ...without } = entry.payment;
      const [absent, made] = [vectorOf(stream, without), vectorOf(stream, { ...without, device: forged })];
      FEATURES.forEach(({ name, risky, absent: least }, i) => {
        if (!risky) return;
        assert.ok((made[i] ?? -1) >= (absent[i] ?? 0), name);
        // Familiarity alone may fall below the default: for what the payer has used before.
        if (!name.endsWith("_familiarity")) assert.ok((absent[i] ?? -1) >= least, name);
      });
    }),
    { numRuns: 100 },
  );
});

test("held payments, however made up, lower no known risk of what comes at the same time", () => {
  const attempts = fc.array(wildPayments, { maxLength: 15 });
  fc.assert(
    fc.property(histories(40), payments, attempts, (history, entry, list) => {
      if (entry?.kind !== "payment") return;
      const last = Math.max(START, ...history.map((past) => (past.kind === "payment" ? past.payment.at : past.label.at)));
      const next = { ...entry.payment, at: last };
      const [calm, attacked] = [streamOf(history), streamOf(history)];
      for (const attempt of list) attacked.next({ ...attempt, payer: next.payer, at: last }, "held");
      const [before, after] = [vectorOf(calm, next), vectorOf(attacked, next)];
      FEATURES.forEach(({ name, risky }, i) => {
        // Pairs that are not the payer's own yet may be forgotten for newer ones; that is told by payee_familiarity.
        if (risky && !name.startsWith("pair_")) assert.ok((after[i] ?? -1) >= (before[i] ?? 0), name);
      });
    }),
    { numRuns: 150 },
  );
});

test("payments far ahead of their time make a burst of what follows, not a quiet time", () => {
  const stream = streamOf([]);
  const payment = { payer: "ann", payee: "shop", amount: 100 };
  stream.next({ ...payment, at: START + 3650 * DAY });
  stream.next({ ...payment, at: START });
  const values = stream.next({ ...payment, at: START + DAY });
  assert.equal(valueOf(values, "payer_count_1m"), 2);
  assert.equal(valueOf(values, "payer_idle"), 0);
});

test("money of any currency becomes reference cents, whole and bounded", () => {
  assert.equal(referenceCents(1234n, 100n), 1234);
  assert.equal(referenceCents(5_000_000n, 1_000_000n), 500);
  assert.equal(referenceCents(1n, 1_000_000n), 1, "something is never nothing");
  assert.equal(referenceCents(10n ** 30n, 100n), Number.MAX_SAFE_INTEGER);
  assert.equal(referenceCents(0n, 100n), 0);
  assert.equal(referenceCents(-5n, 100n), 0);
});
