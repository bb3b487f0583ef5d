import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Evaluation } from "./evaluate.ts";
import { compileRules, evaluate } from "./evaluate.ts";
import type { Facts, FactValue } from "./facts.ts";
import { atLeast, ruleActions } from "./rule.ts";
import type { Rule, RuleAction } from "./rule.ts";
import { actionOfScore, decideAction } from "./thresholds.ts";
import { aRule, language } from "./test-kit.ts";

const lists = new Map([["blocked", new Set(["acc_2"])]]);
const run = (rules: readonly Rule[], facts: Facts): Evaluation => evaluate(compileRules(language, rules), facts, lists);
const named = (action: RuleAction, expression = "true", fields: Partial<Rule> = {}): Rule =>
  aRule({ name: action, action, expression, ...fields });

/** Expressions over three variables that may each be unknown. */
const leaf = fc.constantFrom(
  "amount > 100",
  "payer_count_24h > 5",
  "flagged",
  'in_list("blocked", payee_account_id)',
  "amount / 0 > 1",
  "score > 0.5",
);
const { expression } = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.tuple(tie("expression"), tie("expression")).map(([a, b]) => `(${a} && ${b})`),
    fc.tuple(tie("expression"), tie("expression")).map(([a, b]) => `(${a} || ${b})`),
    tie("expression").map((a) => `!(${a})`),
    fc.tuple(tie("expression"), tie("expression"), tie("expression")).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
  ),
}));
const maybe = (value: fc.Arbitrary<FactValue>): fc.Arbitrary<FactValue> => fc.option(value, { nil: undefined });
const facts: fc.Arbitrary<Facts> = fc.record({
  amount: maybe(fc.constantFrom(1n, 1_000n)),
  payer_count_24h: maybe(fc.constantFrom(1, 10, Number.NaN)),
  flagged: maybe(fc.boolean()),
  payee_account_id: maybe(fc.constantFrom("acc_1", "acc_2")),
  score: maybe(fc.constantFrom(0.1, 0.9)),
});
const rule = fc.tuple(expression, fc.constantFrom(...ruleActions)).map(([text, action]) => ({ expression: text, action }));
const rules = fc.array(rule, { maxLength: 5 }).map((all) => all.map((each, n) => aRule({ ...each, name: `r${n}` })));
const score = fc.integer({ min: 0, max: 10_000 });
const thresholds = fc.tuple(score, score, score, fc.boolean(), fc.boolean()).map(([a, b, c, challenge, block]) => {
  const [low = 0, middle = 0, high = 0] = [a, b, c].sort((x, y) => x - y);
  return { challengeAbove: challenge ? low : null, reviewAbove: middle, blockAbove: block ? high : null };
});

describe("the evaluation of rules", () => {
  it("tells all hits in the order of the set, and the strongest action", () => {
    const set = [named("allow"), named("challenge"), named("review", "amount > 5"), named("block", "amount > 50")];
    const at = (amount: number) => run(set, { amount });
    assert.deepEqual([at(1).action, at(10).action, at(100).action], ["challenge", "review", "block"]);
    assert.deepEqual(at(10).hits, [
      { rule: "allow", action: "allow", reasonCode: "reason", failed: false },
      { rule: "challenge", action: "challenge", reasonCode: "reason", failed: false },
      { rule: "review", action: "review", reasonCode: "reason", failed: false },
    ]);
    assert.deepEqual(run([named("block", "true", { enabled: false })], {}), { hits: [], action: undefined, failures: [] });
    assert.deepEqual(run([], {}), { hits: [], action: undefined, failures: [] });
  });

  it("takes a rule that cannot be evaluated for what does not lower the protection, and reports it", () => {
    for (const [action, counts] of [
      ["allow", undefined],
      ["challenge", "challenge"],
      ["review", "review"],
      ["block", "review"],
    ] as const) {
      const { hits, action: strongest, failures } = run([named(action, "payer_count_24h > 3.0")], {});
      assert.equal(strongest, counts, action);
      assert.deepEqual(hits, counts === undefined ? [] : [{ rule: action, action: counts, reasonCode: "reason", failed: true }]);
      assert.deepEqual(failures, [{ rule: action, message: "Unknown variable: payer_count_24h" }]);
    }
  });

  it("counts rules that do not compile any more as failed", () => {
    const compiled = compileRules(language, [
      named("block", "gone > 1"),
      named("allow", "gone > 1", { name: "a" }),
      named("review", "amount > 5"),
    ]);
    assert.deepEqual(
      compiled.faults.map(({ index, rule: name, position }) => [index, name, position]),
      [
        [0, "block", 1],
        [1, "a", 1],
      ],
    );
    const { action, hits, failures } = evaluate(compiled, { amount: 1 }, lists);
    assert.deepEqual([action, hits.length, failures.length], ["review", 1, 2]);
  });

  it("leaves the stack traces of others as they were", () => {
    const before = Error.stackTraceLimit;
    run([named("block", "payer_count_24h > 3.0")], {});
    assert.equal(Error.stackTraceLimit, before);
  });

  it("gives the same for the same, whatever was evaluated in between", () => {
    fc.assert(
      fc.property(rules, facts, facts, (set, one, other) => {
        const compiled = compileRules(language, set);
        const first = evaluate(compiled, one, lists);
        evaluate(compiled, other, lists);
        assert.deepEqual(evaluate(compiled, one, lists), first);
      }),
    );
  });

  it("never protects less with a rule more that asks for anything but to allow", () => {
    fc.assert(
      fc.property(
        rules,
        facts,
        expression,
        fc.constantFrom("challenge", "review", "block"),
        score,
        thresholds,
        fc.nat(5),
        (set, known, text, action, risk, above, at) => {
          const before = decideAction(risk, above, run(set, known).action);
          const more = set.toSpliced(at, 0, aRule({ name: "more", expression: text, action }));
          const after = decideAction(risk, above, run(more, known).action);
          assert.ok(atLeast(after, before), `${before} became ${after}`);
        },
      ),
    );
  });

  it("never lets a rule go that would have hit, only because less is known", () => {
    fc.assert(
      fc.property(
        expression,
        fc.constantFrom("challenge", "review", "block"),
        facts,
        fc.subarray(["amount", "payer_count_24h", "flagged", "payee_account_id", "score"]),
        (text, action, known, forgotten) => {
          const set = [aRule({ expression: text, action })];
          const less = { ...known, ...Object.fromEntries(forgotten.map((name) => [name, undefined])) };
          if (run(set, known).action === undefined) return;
          assert.notEqual(run(set, less).action, undefined);
        },
      ),
    );
  });

  it("never allows by a rule that is not sure", () => {
    fc.assert(
      fc.property(expression, facts, (text, known) => {
        const { action, failures } = run([aRule({ expression: text, action: "allow" })], known);
        if (failures.length > 0) assert.equal(action, undefined);
      }),
    );
  });
});

describe("the action of a payment", () => {
  const above = { challengeAbove: 5_000, reviewAbove: 8_000, blockAbove: 9_500 };
  for (const [risk, byScore] of [
    [0, "allow"],
    [5_000, "allow"],
    [5_001, "challenge"],
    [8_000, "challenge"],
    [8_001, "review"],
    [9_500, "review"],
    [9_501, "block"],
    [10_000, "block"],
  ] as const)
    it(`is ${byScore} for a score of ${risk}`, () => assert.equal(actionOfScore(risk, above), byScore));

  it("is off where no threshold is set", () => {
    const off = { challengeAbove: null, reviewAbove: 10_000, blockAbove: null };
    assert.equal(actionOfScore(10_000, off), "allow");
    assert.throws(() => actionOfScore(10_001, off), { name: "InvariantError" });
    assert.throws(() => actionOfScore(Number.NaN, off), { name: "InvariantError" });
  });

  it("is lifted by an allow rule up to a review, never a block, and never what another rule asks for", () => {
    assert.deepEqual(
      [6_000, 9_000, 9_900].map((risk) => decideAction(risk, above, "allow")),
      ["allow", "allow", "block"],
    );
    assert.equal(decideAction(9_000, above, run([named("allow"), named("challenge")], {}).action), "review");
    assert.equal(decideAction(0, above, run([named("allow"), named("block")], {}).action), "block");
    assert.equal(decideAction(9_000, above, undefined), "review");
  });
});
