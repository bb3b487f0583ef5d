import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AuthenticationId, UserId } from "#kernel/ids.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import { NO_COUNTERS } from "./exemptions.ts";
import { DEFAULT_TERMS } from "./policy.ts";
import type { ScaFacts, ScaPayment } from "./requirement.ts";
import { requirementOf } from "./requirement.ts";

const facts = (fields: Partial<ScaFacts> = {}): ScaFacts => ({
  terms: { ...DEFAULT_TERMS, mode: "psd2", lowValue: "off" },
  userId: "usr_01M82BHM94EKAVVN1J472JCKY4" as UserId,
  canAuthenticate: true,
  authenticationId: null,
  trusted: false,
  standingOrderId: null,
  recurring: false,
  counters: NO_COUNTERS,
  ...fields,
});
const payment = (fields: Partial<ScaPayment> = {}): ScaPayment => ({
  amount: 100_000n as Minor,
  currency: "EUR" as Currency,
  action: "allow",
  score: 1_000,
  riskFlags: [],
  ownAccount: false,
  ...fields,
});
const modes = (mode: "off" | "risk_only" | "psd2") => ({ terms: { ...DEFAULT_TERMS, mode } });

function outcome(a: Partial<ScaFacts>, b: Partial<ScaPayment> = {}): string {
  const answer = requirementOf(facts(a), payment(b));
  return answer.ok ? answer.outcome : answer.code;
}

describe("whether a payer has to be authenticated", () => {
  it("follows from mode, action, user and factors", () => {
    for (const action of ["allow", "review"] as const) {
      assert.equal(outcome(modes("off"), { action }), "not_required");
      assert.equal(outcome(modes("risk_only"), { action }), "not_required");
      assert.equal(outcome(modes("psd2"), { action }), "required");
    }
    assert.equal(outcome(modes("off"), { action: "challenge" }), "not_required");
    assert.equal(outcome(modes("risk_only"), { action: "challenge" }), "required");
    assert.equal(outcome(modes("psd2"), { action: "challenge" }), "required");
    // Without a factor a challenge is left to a reviewer; what the law wants cannot be.
    assert.equal(outcome({ ...modes("risk_only"), canAuthenticate: false }, { action: "challenge" }), "not_required");
    assert.equal(outcome({ ...modes("psd2"), canAuthenticate: false }), "authentication_unavailable");
    // Accounts of the organisation have nobody who could be asked.
    assert.equal(outcome({ ...modes("psd2"), userId: null, canAuthenticate: false }, { action: "challenge" }), "not_required");
  });

  it("is answered by an authentication in every mode, and the counters begin anew", () => {
    const authenticationId = "aut_01M82BHM94EKAVVN1J472JCKY4" as AuthenticationId;
    const counters = { count: 3, amount: 9_000n };
    for (const mode of ["off", "risk_only", "psd2"] as const) {
      const answer = requirementOf(facts({ ...modes(mode), authenticationId, counters }), payment({ action: "challenge" }));
      assert.ok(answer.ok);
      assert.deepEqual([answer.outcome, answer.countersAfter], ["authenticated", NO_COUNTERS]);
    }
  });

  it("SCA-17 keeps what it was decided by", () => {
    const counters = { count: 1, amount: 500n };
    const terms = { ...DEFAULT_TERMS, mode: "psd2", lowValue: "amount", riskAnalysis: true, fraudRatePpm: 50 } as const;
    const answer = requirementOf(facts({ terms, counters }), payment({ amount: 700n as Minor, riskFlags: ["device_new"], score: 1_234 }));
    assert.ok(answer.ok);
    assert.deepEqual(answer.evidence, {
      mode: "psd2",
      outcome: "exempt",
      exemption: "low_value",
      authentication_id: null,
      user_id: "usr_01M82BHM94EKAVVN1J472JCKY4",
      inputs: {
        action: "allow",
        risk_score: 0.1234,
        risk_flags: ["device_new"],
        own_account: false,
        trusted_beneficiary: false,
        standing_order_id: null,
        fraud_rate_ppm: 50,
        exemption_threshold: 50_000,
      },
      counters_before: { count: 1, amount: 500 },
      counters_after: { count: 2, amount: 1_200 },
    });
  });
});
