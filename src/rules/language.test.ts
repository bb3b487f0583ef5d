import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { declare } from "./language.ts";
import type { Facts } from "./facts.ts";
import { language } from "./test-kit.ts";

const facts: Facts = {
  amount: 5_000n,
  currency: "EUR",
  payment_type: "transfer",
  payee_account_id: "acc_2",
  pair: "acc_1:acc_2",
  score: 0.25,
  payer_count_24h: 3,
  payer_sum_24h: 12_000,
  flagged: true,
  "factors.velocity": 0.5,
  "context.country": "DE",
};
const lists = new Map([["blocked", new Set(["acc_2"])]]);

/** What an expression comes to, or the message of why it does not. */
function judge(expression: string, given: Facts = facts): boolean | string {
  const compiled = language.compile(expression);
  if (!compiled.ok) return `${compiled.position}: ${compiled.message}`;
  try {
    return compiled.program.meets(language.bind(given, compiled.program.variables), lists);
  } catch (error) {
    return `failed: ${(error as { summary?: string }).summary ?? (error as Error).message}`;
  }
}

describe("expressions", () => {
  const accepted: readonly (readonly [string, boolean])[] = [
    ["true", true],
    ["amount > 4999 && amount <= 5000", true],
    ["amount == 5000", true],
    ["amount in [1, 5000]", true],
    ["double(amount) * 0.5 > 2499.0", true],
    ["amount % 1000 == 0", true],
    ["payer_count_24h > 2", true],
    ["payer_count_24h >= 3.0 ? flagged : false", true],
    ["payer_sum_24h / payer_count_24h == 4000.0", true],
    ["!flagged || score < 0.2", false],
    ['currency in ["USD", "GBP"]', false],
    ['currency.startsWith("E") && currency.endsWith("R") && currency.contains("U") && currency.size() == 3', true],
    ["amount + 1 - 1 == 5000 && 1.0 + score > 1.0 && -(amount + 1) < 0", true],
    ['in_list("blocked", payee_account_id) && !in_list("blocked", pair)', true],
    ["factors.velocity > 0.4", true],
    ['has(context.country) && context.country != "FR"', true],
    ["has(context.ip)", false],
    ["int(score * 100.0) == 25 && size(currency) == 3 && -amount < 0", true],
    // What is not known does not matter where the rest decides.
    ["amount > 1 || model_score > 0.5", true],
    ["model_score > 0.5 || amount > 1", true],
    ["model_score > 0.5 && amount > 9000", false],
  ];
  for (const [expression, expected] of accepted) it(`takes ${expression}`, () => assert.equal(judge(expression), expected));

  const refused: readonly (readonly [string, number, RegExp])[] = [
    ["", 1, /Unexpected token/],
    ["amount >", 9, /Unexpected token/],
    ["amount > 1 amount", 12, /Unexpected character/],
    ['amount > "a"', 1, /no such overload: int > string/],
    ["payer_count_24h == 3", 1, /Write 3\.0 instead of 3/],
    ["amount * 0.5 > 1.0", 1, /Write 3\.0/],
    ["amount", 1, /of type int/],
    ['"text"', 1, /of type string/],
    ["amount > 1 &&\n  nope", 17, /no variable nope/],
    ["context", 1, /name one of its members/],
    ["context.nope == 1", 1, /no variable context\.nope/],
    ["currency.length == 3", 1, /no variable currency\.length/],
    ["constructor == 1", 1, /no variable constructor/],
    ["__proto__ == 1", 1, /Reserved identifier/],
    ["context.constructor == 1", 1, /no variable context\.constructor/],
    ["type(amount) == int", 1, /function type is not known/],
    ["cel.bind(x, 1, x > 0)", 1, /function bind is not known/],
    ['currency.matches("(a+)+$")', 1, /function matches is not known/],
    ["[1, 2].exists(x, x > 1)", 1, /function exists is not known/],
    ["[1, 2].map(x, x * 2) == [2, 4]", 1, /function map is not known/],
    ['"a,b".split(",") == ["a"]', 1, /function split is not known/],
    ['timestamp("2026-01-01T00:00:00Z") > timestamp("2025-01-01T00:00:00Z")', 1, /function timestamp is not known/],
    ["dyn(amount) == 1", 1, /function dyn is not known/],
    ['currency + currency == "EUREUR"', 1, /Only numbers can be added/],
    ['amount > 1 && (currency + "x").contains("x")', 16, /Only numbers can be added/],
    ['in_list("a", pair + "x")', 14, /Only numbers can be added/],
    ["amount in [1] + [2]", 11, /Only numbers can be added/],
    ['currency.lowerAscii() == "eur"', 1, /function lowerAscii is not known/],
    ["has(amount)", 5, /has\(\) invalid argument/],
    ["null == null", 1, /Only texts/],
    ['b"x" == b"x"', 1, /Only texts/],
    ['{"a": 1} == {"a": 1}', 2, /maxMapEntries/],
    ["{} == {}", 1, /not known here/],
    ["[1, 2][0] == 1", 1, /not known here/],
    ["in_list(currency, pair)", 9, /in quotation marks/],
    ["in_list()", 1, /in quotation marks/],
    ['in_list("blocked")', 1, /no matching overload/],
    ['in_list("blocked", amount)', 1, /no matching overload/],
    ['currency in ["EUR", 1]', 21, /same type/],
    ["1e400 > score", 1, /Invalid number/],
    ["amount == 5u", 11, /Only texts/],
    [`${"(".repeat(40)}true${")".repeat(40)}`, 25, /maxDepth/],
    [`${"!".repeat(1_900)}true`, 1_601, /maxAstNodes/],
    [Array.from({ length: 160 }, () => "flagged").join("&&"), 1, /maxAstNodes/],
    [`amount in [${Array.from({ length: 101 }, (_, n) => n).join()}]`, 302, /maxListElements/],
    [`flagged${" ".repeat(2_000)}`, 2_001, /at most 2000 characters/],
  ];
  for (const [expression, position, message] of refused)
    it(`refuses ${expression.slice(0, 60)}`, () => {
      const compiled = language.compile(expression);
      assert.ok(!compiled.ok, "it is taken");
      assert.match(compiled.message, message);
      if (!/maxAstNodes/.test(compiled.message)) assert.equal(compiled.position, position);
    });

  it("fail when their outcome depends on what is not known", () => {
    for (const value of [undefined, null, Number.NaN, Number.POSITIVE_INFINITY, "5", true])
      assert.match(String(judge("payer_count_24h > 2", { ...facts, payer_count_24h: value })), /^failed: Unknown variable/);
    for (const value of [1.5, 2 ** 60, "5"]) assert.match(String(judge("amount > 2", { ...facts, amount: value })), /^failed/);
    assert.match(String(judge('context.ip == "::1"')), /^failed: No such key/);
    assert.match(String(judge("amount / 0 > 1")), /^failed: division by zero/);
    assert.match(String(judge("amount * amount * amount * amount * amount * amount > 1")), /^failed: integer overflow/);
    assert.match(String(judge('in_list("gone", pair)')), /^failed: .*gone is not known/);
  });

  it("tell which variables and lists they use", () => {
    const compiled = language.compile(
      'amount > 1 && factors.velocity > 0.5 && in_list("a", pair) && has(context.ip) && in_list("b", context.ip)',
    );
    assert.ok(compiled.ok);
    assert.deepEqual([...compiled.program.variables].sort(), ["amount", "context.ip", "factors.velocity", "pair"]);
    assert.deepEqual([...compiled.program.lists], ["a", "b"]);
  });

  it("see the lists they are given, and none of those of the call before", () => {
    const compiled = language.compile('in_list("blocked", pair)');
    assert.ok(compiled.ok);
    const bound = language.bind({ pair: "x" }, compiled.program.variables);
    assert.equal(compiled.program.meets(bound, new Map([["blocked", new Set(["x"])]])), true);
    assert.equal(compiled.program.meets(bound, new Map([["blocked", new Set()]])), false);
    assert.throws(() => compiled.program.meets(bound, new Map()));
  });

  it("cannot be declared over names that CEL does not read", () => {
    for (const name of ["a.b.c", "A", "a-b", "", "a."])
      assert.throws(() => declare({ [name]: "number" }), { name: "InvariantError" }, name);
    assert.throws(() => declare({ context: "number", "context.ip": "string" }), { name: "InvariantError" });
  });
});
