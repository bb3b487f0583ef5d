import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { anAccount, aPolicy, berlin, EUR, language, minor, newId, noRules, ORG, saoPaulo, T0 } from "#test/support/builders.ts";
import { FEATURES, FEATURES_HASH, FEATURES_VERSION } from "#features/index.ts";
import { InvariantError } from "#kernel/assert.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { ModelsInForce, ModelSnapshot, RiskContext, RiskProfile, Verdict } from "#risk/index.ts";
import { assess, assessmentFromItem, decodeFeatures, deviceIdIn, riskProfiles, weigh } from "#risk/index.ts";
import { anyContext } from "#risk/test-kit.ts";
import type { PolicySnapshot } from "#rules/index.ts";
import type { Judgeable, JudgedOver } from "./judge.ts";
import { judge, learnt, profileIdOf } from "./judge.ts";
import { decidePayment } from "./payment.ts";

const NO_MODELS: ModelsInForce = { champion: undefined, shadow: undefined };

const payer = anAccount({ balance: minor(1_000_000) });
const payee = anAccount();
const FRESH: JudgedOver = { payer, payee, profile: undefined, device: undefined };

function asked(fields: Partial<Judgeable> = {}): Judgeable {
  const context = fields.context ?? berlin;
  return {
    organisationId: ORG,
    type: "transfer",
    amount: minor(2_500),
    currency: EUR,
    context,
    deviceId: deviceIdIn(ORG, context),
    ...fields,
  };
}

/** A model that says the same of everything, and keeps what it was shown. */
function aModel(says: number, fields: Partial<ModelSnapshot> = {}): ModelSnapshot & { readonly shown: Float64Array[] } {
  const shown: Float64Array[] = [];
  const score = (vector: Float64Array): number => {
    shown.push(vector.slice());
    return says;
  };
  return { id: "mdl_test", featuresHash: FEATURES_HASH, score, explain: () => [], ...fields, shown };
}

interface On {
  readonly over?: JudgedOver;
  readonly policy?: PolicySnapshot;
  readonly models?: Partial<ModelsInForce>;
  readonly at?: number;
}

function judged(of: Partial<Judgeable> = {}, { over = FRESH, policy = noRules, models = {}, at = T0 }: On = {}) {
  const { assessment: item, ...rest } = judge(asked(of), over, { policy, models: { ...NO_MODELS, ...models } }, at);
  const assessment = assessmentFromItem(JSON.parse(JSON.stringify(item)) as JsonObject);
  const { verdict } = assessment;
  assert.ok(verdict !== undefined);
  return { ...rest, item, assessment, verdict };
}

/** The state after several payments, one minute apart. */
function after(payments: readonly Partial<Judgeable>[], at = T0): JudgedOver {
  let over = FRESH;
  for (const [n, one] of payments.entries()) {
    const ask = asked(one);
    const result = judge(ask, over, { policy: noRules, models: NO_MODELS }, at + n * 60_000);
    const next = learnt(result, ask, over, "posted");
    const stored = riskProfiles.fromItem(JSON.parse(JSON.stringify(riskProfiles.toItem(next.profile))) as JsonObject);
    over = { payer, payee: { ...over.payee, incoming: next.incoming }, profile: stored, device: next.device ?? over.device };
  }
  return over;
}

const featureOf = (verdict: Verdict, name: string): number | undefined =>
  decodeFeatures(verdict.features)[FEATURES.findIndex((feature) => feature.name === name)];

void describe("judge", () => {
  void it("keeps what it was decided by: factors, features, thresholds, and little else", () => {
    const { item, assessment, verdict, score, action } = judged();
    assert.equal(action, "allow");
    assert.equal(weigh(assessment.factors), score);
    assert.deepEqual(
      [verdict.featuresVersion, verdict.champion, verdict.shadow, verdict.rules],
      [FEATURES_VERSION, undefined, undefined, undefined],
    );
    assert.equal(featureOf(verdict, "amount"), 2_500);
    assert.deepEqual(verdict.thresholds, { challengeAbove: null, reviewAbove: 8_000, blockAbove: null });
    const before = JSON.stringify({ ...assess(judgedInput()).assessment });
    assert.ok(JSON.stringify(item).length - before.length < 450, "no more than 450 bytes are added");
  });

  void it("scores the features rounded as they are stored", () => {
    const champion = aModel(0.5);
    const shadow = aModel(0.25, { id: "mdl_shadow" });
    const { verdict, assessment } = judged(
      { amount: minor(3_333) },
      { over: after([{}, { amount: minor(1_001) }]), models: { champion, shadow } },
    );
    assert.deepEqual(champion.shown[0], decodeFeatures(verdict.features));
    assert.deepEqual([assessment.model, assessment.score, verdict.champion], ["mdl_test", 5_000, { id: "mdl_test", score: 5_000 }]);
    assert.deepEqual(verdict.shadow, { id: "mdl_shadow", score: 2_500 });
  });

  void it("lets the champion decide where there is one, and never the shadow", () => {
    const sure = judged({}, { models: { champion: aModel(0.81) } });
    assert.deepEqual([sure.action, sure.assessment.reasons[0]], ["review", "model_score_high"]);
    assert.equal(judged({}, { models: { champion: aModel(0.8) } }).action, "allow");
    assert.equal(judged({}, { models: { shadow: aModel(1) } }).action, "allow");
    for (const [says, score] of [
      [-1, 0],
      [7, 10_000],
    ] as const)
      assert.equal(judged({}, { models: { champion: aModel(says) } }).score, score);
  });

  void it("lets the factors decide when the model reads other features, or gives no number", () => {
    for (const champion of [aModel(1, { featuresHash: "of another version" }), aModel(Number.NaN), aModel(Number.POSITIVE_INFINITY)]) {
      const { assessment, verdict, action } = judged({}, { models: { champion, shadow: champion } });
      assert.deepEqual([assessment.model, action, verdict.champion, verdict.shadow], ["factors-1", "allow", undefined, undefined]);
    }
  });

  const rules = (expression: string, action: "allow" | "challenge" | "review" | "block") =>
    aPolicy([{ name: "own", expression, action, reason_code: "own_reason" }]);
  const likely = { models: { champion: aModel(0.9) } };
  const cases: [string, On, string, readonly string[]][] = [
    ["a block by a rule", { policy: rules("amount > 1000", "block") }, "block", ["rule_matched"]],
    ["a challenge by a rule", { policy: rules("amount > 1000", "challenge") }, "challenge", ["challenge_required", "rule_matched"]],
    ["an allow against a review by the score", { ...likely, policy: rules("true", "allow") }, "allow", []],
    ["a rule that does not hit", { policy: rules("amount > 1000000", "block") }, "allow", []],
    ["a rule over what is not known", { policy: rules('context.ip == "x"', "block") }, "review", ["rule_matched"]],
    ["a score above the block", { ...likely, policy: aPolicy([], { blockAbove: 8_999 }) }, "block", ["model_score_high"]],
    ["a score at the block", { ...likely, policy: aPolicy([], { blockAbove: 9_000 }) }, "review", ["model_score_high"]],
    ["a score above the challenge", { policy: aPolicy([], { challengeAbove: 100 }) }, "challenge", ["challenge_required"]],
    ["no review below the organisation's own", { ...likely, policy: aPolicy([], { reviewAbove: 9_500 }) }, "allow", []],
  ];
  for (const [name, on, action, reasons] of cases) {
    void it(`asks for ${action} after ${name}`, () => {
      const result = judged({ amount: minor(2_000), context: { device_id: "d" } }, on);
      assert.equal(result.action, action);
      assert.deepEqual(
        result.assessment.reasons.filter((reason) => ["challenge_required", "rule_matched", "model_score_high"].includes(reason)),
        reasons,
      );
      assert.deepEqual(result.verdict.rules?.ruleSetId, on.policy?.ruleSetId ?? undefined);
      assert.deepEqual(result.verdict.thresholds, (on.policy ?? noRules).thresholds);
    });
  }

  void it("knows every variable that rules may name", () => {
    const context = { ...berlin, ip: "192.0.2.7" };
    const known = Object.entries(language.variables).filter(([name]) => name !== "model_score");
    const expressions = known.map(([name, kind]) => {
      if (kind === "string") return `${name} != "nothing"`;
      if (kind === "bool") return `${name} || !${name}`;
      return kind === "int" ? `${name} > -1` : `${name} > -1.0e300`;
    });
    for (let start = 0; start < expressions.length; start += 100) {
      const policy = aPolicy(expressions.slice(start, start + 100).map((expression) => ({ expression })));
      assert.deepEqual(policy.faults, []);
      const { verdict } = judged({ context }, { policy, models: { champion: aModel(0.1) } });
      assert.deepEqual(
        verdict.rules?.hits.filter(({ failed }) => failed),
        [],
      );
      assert.equal(verdict.rules?.hits.length, Math.min(100, expressions.length - start));
    }
    const hit = (expression: string) =>
      judged({ context }, { policy: aPolicy([{ expression }]), models: { champion: aModel(0.25) } }).verdict.rules?.hits;
    for (const expression of [
      "amount == 2500",
      'currency == "EUR"',
      'payment_type == "transfer"',
      `payer_account_id == "${payer.id}"`,
      `payer_user_id == "${payer.userId}"`,
      `payee_account_id == "${payee.id}"`,
      `pair == "${payer.id}:${payee.id}"`,
      "score == 0.25",
      "model_score == 0.25",
      "factors.velocity == 0.05",
      'context.country == "DE"',
      "context.latitude == 52.52",
      "payer_count_24h == 0.0",
      "hour == 12.0",
    ])
      assert.deepEqual(
        hit(expression)?.map(({ failed }) => failed),
        [false],
        expression,
      );
  });

  void it("is the same for the same input, and leaves the input as it was", () => {
    const over = after([{}, { context: saoPaulo }, { amount: minor(999) }]);
    const copy = structuredClone(over);
    const policy = rules("payer_count_30d > 1.0", "challenge");
    const on = { over, policy, models: { champion: aModel(0.3) } };
    assert.deepEqual(judged({}, on).item, judged({}, on).item);
    assert.deepEqual(over, copy);
  });

  void it("takes any context, however poisoned, and gives a score that a replay gives again", () => {
    const over = after([{}, {}, {}]);
    const poison = fc.oneof(
      anyContext,
      fc.record({
        device_id: fc.anything(),
        ip: fc.anything(),
        latitude: fc.anything(),
        longitude: fc.anything(),
        country: fc.anything(),
      }) as fc.Arbitrary<RiskContext>,
    );
    fc.assert(
      fc.property(poison, fc.bigInt({ min: 1n, max: 9007199254740991n }), (context, amount) => {
        const deviceId = typeof context.device_id === "string" ? deviceIdIn(ORG, context) : undefined;
        const { assessment, verdict } = judged({ context, amount: minor(amount), deviceId }, { over: { ...over, device: undefined } });
        const vector = decodeFeatures(verdict.features);
        assert.ok(vector.every((value) => Number.isFinite(value)));
        assert.equal(weigh(assessment.factors), assessment.score);
      }),
      { numRuns: 200 },
    );
  });

  void it("never scores lower for a context that is absent or malformed than for the customer's own", () => {
    const over = after(
      Array.from({ length: 5 }, () => ({})),
      T0 - 3 * 86_400_000,
    );
    const own = judged({}, { over }).score;
    const worse: RiskContext[] = [
      {},
      { device_id: " " },
      { ...berlin, device_id: "forged" },
      { ...berlin, latitude: Number.NaN },
      { ...berlin, country: "de" },
      { country: "??", user_agent: "" },
    ];
    for (const context of worse) assert.ok(judged({ context }, { over }).score >= own, JSON.stringify(context));
  });

  void it("begins from nothing for records of before there were features", () => {
    const { features: _features, ...old } = riskProfiles.toItem(after([{}, {}]).profile as RiskProfile);
    const profile = riskProfiles.fromItem(old);
    assert.equal(profile.features, undefined);
    const { verdict, assessment } = judged({}, { over: { ...FRESH, profile } });
    assert.equal(featureOf(verdict, "payer_count_24h"), 0);
    // The factors know the customer all the same.
    assert.equal(assessment.velocity_count, 3);
  });
});

void describe("what is learnt of a judged payment", () => {
  const over = { ...after([{}]), device: undefined };
  const ask = asked({ context: { ...berlin, device_id: "another" } });
  const result = judge(ask, over, { policy: noRules, models: NO_MODELS }, T0 + 86_400_000);

  void it("is everything of a posted one, and of a held one only that it was tried", () => {
    const posted = learnt(result, ask, over, "posted");
    const held = learnt(result, ask, over, "held");
    assert.deepEqual([posted.profile.version, held.profile.version], [2, 2]);
    assert.ok((posted.profile.features?.devices.length ?? 0) > (held.profile.features?.devices.length ?? 0));
    assert.ok(posted.profile.devices.length > held.profile.devices.length);
    assert.notEqual(held.incoming, over.payee.incoming);
    assert.equal(held.profile.features?.mark, posted.profile.features?.mark);
  });

  void it("leaves the payee of a blocked one as it was", () => {
    const blocked = learnt(result, ask, over, "blocked");
    assert.equal(blocked.incoming, over.payee.incoming);
    assert.deepEqual(blocked.profile, learnt(result, ask, over, "held").profile);
  });

  void it("writes a device only when somebody is new to it", () => {
    const first = learnt(result, ask, over, "posted").device;
    assert.deepEqual([first?.id, first?.version, first?.features.users.length], [ask.deviceId, 1, 1]);
    const again = judge(ask, { ...over, device: first }, { policy: noRules, models: NO_MODELS }, T0 + 86_400_001);
    assert.equal(learnt(again, ask, { ...over, device: first }, "posted").device, undefined);
    const other = anAccount({ balance: minor(1_000_000) });
    const shared = { payer: other, payee, profile: undefined, device: first };
    const second = judge(ask, shared, { policy: noRules, models: NO_MODELS }, T0 + 86_400_002);
    const grown = learnt(second, ask, shared, "held").device;
    assert.deepEqual([grown?.version, grown?.features.users.length], [2, 2]);
    const nameless = asked({ context: {} });
    assert.equal(learnt(judge(nameless, FRESH, { policy: noRules, models: NO_MODELS }, T0), nameless, FRESH, "posted").device, undefined);
  });
});

void describe("decidePayment, where it blocks", () => {
  const governance = { policy: aPolicy([{ expression: "amount > 100", action: "block" }]), models: NO_MODELS };
  const request = {
    organisationId: ORG,
    transactionId: newId("transaction"),
    reviewId: newId("review"),
    eventId: newId("event"),
    type: "withdrawal" as const,
    fromAccountId: payer.id,
    toAccountId: payee.id,
    amount: minor(101),
    currency: EUR,
    reference: null,
    metadata: null,
    context: berlin,
    deviceId: deviceIdIn(ORG, berlin),
  };

  void it("moves and holds nothing, and keeps a record that is in nobody's history", () => {
    const decision = decidePayment(request, FRESH, governance, T0, { payer: "a", payee: "b" });
    assert.ok(decision.ok);
    assert.equal(decision.outcome, "blocked");
    assert.equal(decision.payer, payer);
    assert.equal(decision.payee, payee);
    const { transaction, event } = decision;
    assert.deepEqual([transaction.status, transaction.legs, transaction.postedAt, transaction.reviewId], ["blocked", [], null, null]);
    assert.deepEqual([event.type, event.entries, event.amount], ["withdrawal.blocked", undefined, 101n]);
    assert.deepEqual([decision.review, decision.profile.version, decision.device?.version], [undefined, 1, 1]);
    assert.equal(decision.profile.recent.length, 1);
  });

  void it("still refuses first what the ledger refuses", () => {
    const poor = { ...payer, balance: minor(0) };
    const decision = decidePayment(request, { ...FRESH, payer: poor }, governance, T0, { payer: "a", payee: "b" });
    assert.equal(decision.ok ? "ok" : decision.code, "insufficient_funds");
  });

  void it("fails loudly when a model does", () => {
    const broken = { ...NO_MODELS, champion: { ...aModel(0), score: () => assert.fail("broken") } };
    assert.throws(() => decidePayment(request, FRESH, { ...governance, models: broken }, T0, { payer: "a", payee: "b" }));
    assert.throws(
      () => decidePayment(request, { ...FRESH, payee: { ...payee, incoming: "?" } }, governance, T0, { payer: "a", payee: "b" }),
      InvariantError,
    );
  });
});

function judgedInput() {
  return {
    profile: undefined,
    ownerId: profileIdOf(payer),
    amount: minor(2_500),
    currency: EUR,
    payeeAccountId: payee.id,
    context: berlin,
    at: T0,
  };
}
