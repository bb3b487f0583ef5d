import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { OrganisationId } from "#kernel/ids.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import type { Control, ControlPolicy } from "./policy.ts";
import { controlPolicies, defaultControlPolicy, loosened, needsApproval } from "./policy.ts";

const ORG = "org_01J0000000000000000000000A" as OrganisationId;
const EUR = "EUR" as Currency;
const JPY = "JPY" as Currency;
const minor = (amount: number): Minor => BigInt(amount) as Minor;
const policyOf = (controls: Record<string, Control>): ControlPolicy => ({
  ...defaultControlPolicy(ORG),
  controls: new Map(Object.entries(controls)),
  version: 3,
});
const above = (limits: Record<string, number>, approvals = 1): Control => ({
  approvals,
  above: new Map(Object.entries(limits).map(([currency, amount]) => [currency as Currency, minor(amount)])),
});
const always = (approvals = 1): Control => ({ approvals, above: null });

void describe("SOX-01 what needs a second person", () => {
  const withdrawal = { kind: "withdrawal" };

  void it("nothing, unless the policy names its kind", () => {
    assert.equal(needsApproval(defaultControlPolicy(ORG), withdrawal, { amount: minor(1), currency: EUR }), 0);
    assert.equal(needsApproval(policyOf({ other: always() }), withdrawal, { amount: minor(1), currency: EUR }), 0);
  });

  void it("more than the amount of its currency, and every amount of a currency that is not named", () => {
    const policy = policyOf({ withdrawal: above({ EUR: 100 }, 2) });
    assert.equal(needsApproval(policy, withdrawal, { amount: minor(100), currency: EUR }), 0);
    assert.equal(needsApproval(policy, withdrawal, { amount: minor(101), currency: EUR }), 2);
    assert.equal(needsApproval(policy, withdrawal, { amount: minor(1), currency: JPY }), 2);
    assert.equal(needsApproval(policy, withdrawal, {}), 2);
  });

  void it("what always does, and what makes an approver once anything is controlled", () => {
    assert.equal(needsApproval(defaultControlPolicy(ORG), { kind: "journal", always: true }, {}), 1);
    assert.equal(needsApproval(policyOf({ journal: always(3) }), { kind: "journal", always: true }, {}), 3);
    const key = { kind: "api_key" };
    assert.equal(needsApproval(defaultControlPolicy(ORG), key, { makesApprover: true }), 0);
    assert.equal(needsApproval(policyOf({ withdrawal: always(2) }), key, { makesApprover: true }), 1);
    assert.equal(needsApproval(policyOf({ withdrawal: always(2) }), key, { makesApprover: false }), 0);
    assert.equal(needsApproval(policyOf({}), { kind: "control_policy" }, { approvals: 2 }), 2);
  });
});

const control: fc.Arbitrary<Control> = fc.record({
  approvals: fc.integer({ min: 1, max: 3 }),
  above: fc.option(
    fc.array(fc.tuple(fc.constantFrom(EUR, JPY), fc.integer({ min: 1, max: 5 }).map(minor))).map((limits) => new Map(limits)),
    { nil: null },
  ),
});
const policies = fc.dictionary(fc.constantFrom("a", "b"), control).map(policyOf);

void describe("SOX-01 loosening the policy", () => {
  void it("is told for exactly the kinds in which something that needed approval would need fewer", () => {
    fc.assert(
      fc.property(policies, policies, (before, after) => {
        const told = loosened(before, after);
        for (const kind of ["a", "b"]) {
          let looser = false;
          for (const currency of [EUR, JPY])
            for (let amount = 1; amount <= 6; amount++) {
              const facts = { amount: minor(amount), currency };
              looser ||= needsApproval(after, { kind }, facts) < needsApproval(before, { kind }, facts);
            }
          // Approvals that only hold above every amount looked at count as well: nothing is told less than what is loosened.
          if (looser) assert.ok(told.has(kind), kind);
          if (told.has(kind)) assert.equal(told.get(kind), before.controls.get(kind)?.approvals);
        }
        assert.equal(loosened(before, before).size, 0);
      }),
    );
  });

  void it("a stored policy reads as it was written", () => {
    fc.assert(
      fc.property(policies, (policy) => {
        const read = controlPolicies.fromItem(JSON.parse(JSON.stringify(controlPolicies.toItem(policy))));
        assert.deepEqual(controlPolicies.toItem(read), controlPolicies.toItem(policy));
        assert.deepEqual([...read.controls.keys()].sort(), [...policy.controls.keys()].sort());
      }),
    );
  });
});
