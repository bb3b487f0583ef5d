import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Currency, Minor } from "#kernel/money.ts";
import type { ExemptionInput } from "./exemptions.ts";
import { countLowValue, exemptionThreshold, findExemption, LOW_VALUE, NO_COUNTERS } from "./exemptions.ts";
import { DEFAULT_TERMS } from "./policy.ts";

const EUR = "EUR" as Currency;
const off = { ...DEFAULT_TERMS, mode: "psd2", lowValue: "off", trustedBeneficiaries: false, recurring: false, ownAccounts: false } as const;

const input = (fields: Partial<ExemptionInput> = {}): ExemptionInput => ({
  terms: off,
  amount: 1_000n as Minor,
  currency: EUR,
  allowed: true,
  riskFlags: [],
  ownAccount: false,
  trusted: false,
  recurring: false,
  counters: NO_COUNTERS,
  ...fields,
});
const found = (fields: Partial<ExemptionInput>) => findExemption(input(fields))?.exemption;

describe("SCA-09 low value", () => {
  it("ends above 30.00", () => {
    assert.deepEqual(countLowValue("amount", 3_000n, NO_COUNTERS), { count: 1, amount: 3_000n });
    assert.equal(countLowValue("amount", 3_001n, NO_COUNTERS), undefined);
    assert.equal(countLowValue("count", 3_001n, NO_COUNTERS), undefined);
    assert.equal(countLowValue("off", 1n, NO_COUNTERS), undefined);
  });

  it("ends above 100.00 together, or after five, whichever was chosen, and not by the other", () => {
    assert.deepEqual(countLowValue("amount", 1_000n, { count: 90, amount: 9_000n }), { count: 91, amount: 10_000n });
    assert.equal(countLowValue("amount", 1_001n, { count: 1, amount: 9_000n }), undefined);
    assert.deepEqual(countLowValue("count", 3_000n, { count: 4, amount: 12_000n }), { count: 5, amount: 15_000n });
    assert.equal(countLowValue("count", 1n, { count: 5, amount: 5n }), undefined);
  });

  it("is never passed by any row of payments", () => {
    const payments = fc.array(fc.bigInt({ min: 1n, max: 4_000n }), { maxLength: 60 });
    fc.assert(
      fc.property(payments, fc.constantFrom("amount" as const, "count" as const), (amounts, measure) => {
        let counters = NO_COUNTERS;
        let [count, sum] = [0, 0n];
        for (const amount of amounts) {
          const after = countLowValue(measure, amount, counters);
          if (after === undefined) continue;
          counters = after;
          count += 1;
          sum += amount;
        }
        assert.deepEqual(counters, { count, amount: sum });
        return measure === "amount" ? sum <= LOW_VALUE.cumulated : count <= LOW_VALUE.count;
      }),
    );
  });
});

describe("SCA-13 risk analysis", () => {
  it("has the thresholds of the annex, at their very rates", () => {
    const rows = [
      ["credit_transfer", 50, 50_000n],
      ["credit_transfer", 51, 25_000n],
      ["credit_transfer", 100, 25_000n],
      ["credit_transfer", 101, 10_000n],
      ["credit_transfer", 150, 10_000n],
      ["credit_transfer", 151, undefined],
      ["card", 100, 50_000n],
      ["card", 101, 25_000n],
      ["card", 600, 25_000n],
      ["card", 601, 10_000n],
      ["card", 1_300, 10_000n],
      ["card", 1_301, undefined],
    ] as const;
    for (const [kind, rate, amount] of rows) assert.equal(exemptionThreshold(kind, rate), amount, `${kind} ${rate}`);
    assert.equal(exemptionThreshold("credit_transfer", null), undefined);
  });

  it("takes an amount up to the threshold, in euro, when nothing speaks against it", () => {
    const terms = { ...off, riskAnalysis: true, fraudRatePpm: 150 };
    assert.equal(found({ terms, amount: 10_000n as Minor }), "risk_analysis");
    assert.equal(found({ terms, amount: 10_001n as Minor }), undefined);
    assert.equal(found({ terms, currency: "USD" as Currency }), undefined);
    assert.equal(found({ terms, riskFlags: ["device_new"] }), undefined);
    assert.equal(found({ terms: { ...terms, riskAnalysis: false } }), undefined);
  });
});

describe("exemptions", () => {
  it("each need to be switched on", () => {
    const facts = { ownAccount: true, trusted: true, recurring: true };
    assert.equal(found(facts), undefined);
    assert.equal(found({ ...facts, terms: { ...off, ownAccounts: true } }), "own_accounts");
    assert.equal(found({ ...facts, terms: { ...off, trustedBeneficiaries: true } }), "trusted_beneficiary");
    assert.equal(found({ ...facts, terms: { ...off, recurring: true } }), "recurring");
  });

  it("that cost no counter come first", () => {
    const terms = { ...off, lowValue: "count", trustedBeneficiaries: true } as const;
    assert.deepEqual(findExemption(input({ terms, trusted: true })), { exemption: "trusted_beneficiary", counters: NO_COUNTERS });
    assert.deepEqual(findExemption(input({ terms })), { exemption: "low_value", counters: { count: 1, amount: 1_000n } });
  });

  it("never cover what risk does not allow", () => {
    const terms = { ...off, ownAccounts: true, trustedBeneficiaries: true, recurring: true, lowValue: "count" } as const;
    assert.equal(found({ terms, allowed: false, ownAccount: true, trusted: true, recurring: true }), undefined);
  });
});
