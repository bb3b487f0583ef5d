import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compileRules } from "./evaluate.ts";
import { count, emptyTally, paymentsAtOnce } from "./tally.ts";
import { aRule, language } from "./test-kit.ts";

const rules = [aRule({ name: "any", expression: "amount > 0" })];
const compiled = compileRules(language, rules);
const payment = (currency: string, amount: number) => ({ facts: { amount }, amount, currency, reviewed: false, rejected: false });

describe("the figures of a dry run", () => {
  it("stay exact: a sum ends at what JSON can say, and currencies at twenty", () => {
    const payments = [
      payment("EUR", Number.MAX_SAFE_INTEGER),
      payment("EUR", Number.MAX_SAFE_INTEGER),
      ...Array.from({ length: 30 }, (_, n) => payment(`X${n}`, 1)),
      payment("X0", 2),
    ];
    const { rules: figures } = count(emptyTally(rules), compiled, new Map(), payments);
    assert.equal(figures[0]?.hits, 33);
    assert.equal(figures[0]?.amounts.length, 20);
    assert.deepEqual(figures[0]?.amounts[0], { currency: "EUR", amount: Number.MAX_SAFE_INTEGER });
    assert.deepEqual(figures[0]?.amounts[1], { currency: "X0", amount: 3 });
  });

  it("are counted in parts that the dearest rules make small", () => {
    assert.ok(paymentsAtOnce(compiled) > 100);
    const dear = Array.from({ length: 100 }, (_, n) => aRule({ name: `r${n}`, expression: Array(40).fill("flagged").join("||") }));
    const together = paymentsAtOnce(compileRules(language, dear));
    assert.ok(together >= 1 && together <= 5, String(together));
  });

  it("are the same however the payments are cut into pages", () => {
    const payments = Array.from({ length: 20 }, (_, n) => payment(n % 2 === 0 ? "EUR" : "USD", n));
    const whole = count(emptyTally(rules), compiled, new Map(), payments);
    let parts = emptyTally(rules);
    for (const one of payments) parts = count(parts, compiled, new Map(), [one]);
    assert.deepEqual(parts, whole);
  });
});
