import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FEATURES, FEATURES_VERSION } from "#features/index.ts";
import type { JsonObject } from "#kernel/json.ts";
import { assessmentFromItem, assessmentToItem, presentAssessment, reasonCodes } from "./assessment.ts";
import { encodeFeatures } from "./feature-text.ts";
import type { Verdict } from "./verdict.ts";
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

const verdict: Verdict = {
  action: "review",
  device: 12,
  featuresVersion: FEATURES_VERSION,
  features: encodeFeatures(new Float64Array(FEATURES.length)),
  champion: { id: "mdl_1", score: 8500 },
  shadow: { id: "mdl_2", score: 10 },
  rules: {
    ruleSetId: "rul_1",
    number: 3,
    hits: [
      { rule: "large", action: "review", reasonCode: "large_amount", failed: false },
      { rule: "odd", action: "challenge", reasonCode: "odd", failed: true },
    ],
  },
  thresholds: { challengeAbove: 100, reviewAbove: 200, blockAbove: null },
};
/** Everything a verdict can leave out. */
const plainest: Verdict = {
  ...verdict,
  action: "allow",
  device: 0,
  champion: undefined,
  shadow: undefined,
  rules: undefined,
  thresholds: { challengeAbove: null, reviewAbove: 8000, blockAbove: null },
};

test("a verdict survives JSON, and is stored without what it lacks", () => {
  const base = pay(undefined, START).assessment;
  for (const [one, model] of [
    [verdict, "mdl_1"],
    [plainest, "factors-1"],
    [{ ...verdict, rules: { ruleSetId: "rul_1", number: 1, hits: [] } }, "mdl_1"],
  ] as const) {
    const assessment = { ...base, model, verdict: one };
    const item = JSON.parse(JSON.stringify(assessmentToItem(assessment))) as JsonObject;
    assert.deepEqual(assessmentFromItem(item), assessment);
  }
  const more = Object.keys(assessmentToItem({ ...base, verdict: plainest })).filter((name) => !(name in assessmentToItem(base)));
  assert.deepEqual(more, ["v", "action", "features_version", "features"]);
});

test("a damaged verdict is refused", () => {
  const item = assessmentToItem({ ...pay(undefined, START).assessment, model: "mdl_1", verdict });
  const damages: JsonObject[] = [
    { ...item, v: 1 },
    { ...item, v: 3 },
    { ...item, model: 1 },
    { ...item, action: "wave" },
    { ...item, features: null },
    { ...item, features_version: "1" },
    { ...item, device: 0.5 },
    { ...item, model_score: 10_001 },
    { ...item, shadow: ["mdl_2"] },
    { ...item, shadow: "mdl_2" },
    { ...item, rule_set: [1, 2] },
    { ...item, hits: [["large", "wave", "x"]] },
    { ...item, hits: "large" },
    { ...item, thresholds: [1, null, 2] },
  ];
  for (const damaged of damages) assert.throws(() => assessmentFromItem(damaged), { name: "InvariantError" }, JSON.stringify(damaged));
});

test("the presented verdict: what was asked for, and the rules that hit", () => {
  const base = pay(undefined, START).assessment;
  assert.equal(presentAssessment({ ...base, verdict: plainest }).action, "allow");
  assert.equal("rules" in presentAssessment({ ...base, verdict: plainest }), false);
  assert.deepEqual(presentAssessment({ ...base, verdict }).rules, [
    { rule: "large", action: "review", reason_code: "large_amount" },
    { rule: "odd", action: "challenge", reason_code: "odd", failed: true },
  ]);
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
