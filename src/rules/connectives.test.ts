import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ASTNode } from "@marcbachmann/cel-js";
import { Environment } from "@marcbachmann/cel-js";
import fc from "fast-check";
import { checkRules } from "./check-rules.ts";
import type { LiveNode } from "./connectives.ts";
import { connect } from "./connectives.ts";
import type { BoundFacts } from "./facts.ts";
import { aRule, language } from "./test-kit.ts";

/** The library by itself, with the variables used below. */
const library = new Environment();
library.registerVariable("amount", "int").registerVariable("payer_count_24h", "double").registerVariable("flagged", "bool");

const leaf = fc.constantFrom(
  "amount > 100",
  "payer_count_24h > 5.0",
  "flagged",
  "10 / amount > 1",
  "int(payer_count_24h) == 3",
  "true",
  "(flagged && amount > 1) == true",
);
const { expression } = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.tuple(tie("expression"), tie("expression")).map(([a, b]) => `(${a} && ${b})`),
    fc.tuple(tie("expression"), tie("expression")).map(([a, b]) => `(${a} || ${b})`),
    tie("expression").map((a) => `!(${a})`),
    fc.tuple(tie("expression"), tie("expression"), tie("expression")).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
  ),
}));
const facts = fc.record(
  {
    amount: fc.constantFrom(0n, 1n, 1_000n),
    payer_count_24h: fc.constantFrom(3, 10, 1e300),
    flagged: fc.boolean(),
  },
  { requiredKeys: [] },
);

function attempt(run: () => unknown): unknown {
  try {
    return run();
  } catch {
    return "fails";
  }
}

function costOf(text: string): number {
  const compiled = language.compile(text);
  assert.ok(compiled.ok, text);
  return compiled.program.cost;
}

describe("connectives", () => {
  it("come to what the library says, whatever is unknown", () => {
    fc.assert(
      fc.property(expression, facts, (text, known) => {
        const compiled = language.compile(text);
        if (!compiled.ok) return;
        const ours = attempt(() => compiled.program.meets(language.bind(known, Object.keys(known)), new Map()));
        assert.equal(
          ours,
          attempt(() => library.evaluate(text, known)),
        );
      }),
      { numRuns: 500 },
    );
  });

  it("do not have the library throw for what is not known", () => {
    for (const operator of ["||", "&&"]) {
      const run = library.parse(Array.from({ length: 20 }, () => "amount > 1").join(operator));
      assert.ok(run.check().valid);
      let calls = 0;
      const count = (node: ASTNode): void => {
        if (node.op === "&&" || node.op === "||") return node.args.forEach(count);
        (node as unknown as LiveNode).evaluate = () => {
          calls += 1;
          throw new Error("asked");
        };
      };
      count(run.ast);
      const { outcome } = connect(run.ast);
      const on = (bound: BoundFacts) => outcome?.({ evaluator: undefined, context: undefined, bound, lists: new Map() });
      assert.match(String(on({})), /Unknown variable: amount/);
      assert.equal(calls, 0);
      assert.match(String(on({ amount: 1n })), /asked/);
      assert.equal(calls, 20);
    }
  });

  it("count as dear what may fail in the library, and nothing else", () => {
    for (const dear of [
      "amount / amount > 1",
      "int(payer_count_24h) > 1",
      "double(currency) > 1.0",
      "amount * amount > 1",
      "-amount > 1",
    ]) {
      assert.ok(costOf(dear) < 80, `${dear} by itself fails once for its rule`);
      assert.ok(costOf(`${dear} || flagged`) > 400, dear);
      assert.ok(costOf(`flagged && !(${dear})`) > 400, dear);
      assert.ok(costOf(`flagged ? ${dear} : flagged`) > 400, dear);
      assert.ok(costOf(`(flagged || ${dear}) == flagged`) > 800, `${dear} inside an operand`);
    }
    for (const cheap of ["amount > 1", "payer_count_24h / 2.0 > 1.0", 'in_list("a", pair)', "has(context.ip)", 'currency in ["a"]'])
      assert.ok(costOf(`${cheap} || flagged`) < 20, cheap);
  });

  it("count texts of facts that are compared to their end or read as numbers", () => {
    for (const dear of [
      "context.user_agent.startsWith(context.device_id)",
      "context.user_agent.endsWith(context.device_id)",
      "double(context.user_agent) > 1.0",
      "int(context.user_agent) > 1",
    ]) {
      assert.ok(costOf(dear) > 60, dear);
      assert.ok(costOf(`flagged && (${dear} == flagged)`) > 60, `${dear} inside`);
    }
    for (const cheap of ['context.user_agent.startsWith("curl")', "double(amount) > 1.0", "int(score) > 1", 'double("1.5") > 1.0'])
      assert.ok(costOf(cheap) < 20, cheap);
  });

  it("cannot fill a set of rules with failures beyond its bound", () => {
    const failing = Array.from({ length: 30 }, () => "1 / amount > 1").join("||");
    const rules = Array.from({ length: 2 }, (_, n) => aRule({ name: `r${n}`, expression: failing }));
    const checked = checkRules(language, rules);
    assert.ok(!checked.ok && /cost \d+ comparisons/.test(checked.detail ?? ""));
  });
});
