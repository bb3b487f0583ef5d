import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { JsonObject } from "#kernel/json.ts";
import { assessmentFromItem, assessmentToItem, presentAssessment, reasonCodes } from "./assessment.ts";
import { factorNames, referenceUnit, REVIEW_ABOVE, weights } from "./factors-config.ts";
import { anyPayment, pay, replay, START } from "./test-kit.ts";

test("an assessment survives JSON", () => {
  fc.assert(
    fc.property(fc.array(anyPayment, { minLength: 1, maxLength: 15 }), (payments) => {
      for (const { assessed } of replay(payments)) {
        const item = JSON.parse(JSON.stringify(assessmentToItem(assessed.assessment))) as JsonObject;
        assert.deepEqual(assessmentFromItem(item), assessed.assessment);
      }
    }),
  );
});

test("a damaged assessment is refused", () => {
  const item = assessmentToItem(pay(undefined, START).assessment);
  const damages: JsonObject[] = [
    { ...item, model: "factors-0" },
    { ...item, score: 10_001 },
    { ...item, score: 0.5 },
    { ...item, score: -1 },
    { ...item, factors: null },
    { ...item, factors: [] },
    { ...item, factors: { velocity: 1 } },
    { ...item, reasons: ["because"] },
    { ...item, reasons: undefined },
    { ...item, velocity_count: 0 },
  ];
  for (const damaged of damages) assert.throws(() => assessmentFromItem(damaged), { name: "InvariantError" }, JSON.stringify(damaged));
});

test("every score from 0 to 1 is presented with at most four decimals", () => {
  const base = pay(undefined, START).assessment;
  for (let score = 0; score <= 10_000; score++) {
    const { risk_score } = presentAssessment({ ...base, score });
    assert.match(JSON.stringify(risk_score), /^(0|1|0\.\d{1,4})$/);
    assert.equal(Math.round(risk_score * 10_000), score);
  }
  assert.equal(presentAssessment({ ...base, score: 8001 }).risk_score, 0.8001);
});

test("the presented assessment", () => {
  assert.deepEqual(presentAssessment(pay(undefined, START).assessment), {
    risk_score: 0.1375,
    model: "factors-1",
    factors: { velocity: 0.05, amount: 0.05, location: 0.2, device: 0.3, behaviour: 0.25 },
    reasons: [],
    velocity_count: 1,
  });
});

test("the configuration is consistent", () => {
  assert.equal(
    factorNames.reduce((sum, name) => sum + weights[name], 0),
    10_000,
  );
  assert.equal(REVIEW_ABOVE, 8000);
  assert.equal(new Set(reasonCodes).size, reasonCodes.length);
  assert.equal(referenceUnit("EUR"), 100n);
  assert.equal(referenceUnit("IDR"), 1_000_000n);
});
