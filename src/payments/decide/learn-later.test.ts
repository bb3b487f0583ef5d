import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anAccount, berlin, EUR, minor, newId, noRules, ORG, T0 } from "#test/support/builders.ts";
import type { RiskContext, RiskProfile } from "#risk/index.ts";
import { deviceIdIn, riskProfiles } from "#risk/index.ts";
import type { Item } from "#storage/index.ts";
import { judge, learnt } from "./judge.ts";
import { learntLater } from "./learn-later.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const payer = anAccount({ balance: minor(1_000_000), userId: newId("user") });
const payee = anAccount();

const stored = (profile: RiskProfile): RiskProfile =>
  riskProfiles.fromItem(JSON.parse(JSON.stringify(riskProfiles.toItem(profile))) as Item);

/** A payment that is made at `at`, judged over a profile, and held. */
function made(profile: RiskProfile | undefined, at: number, context: RiskContext = berlin) {
  const asked = {
    organisationId: ORG,
    type: "transfer" as const,
    amount: minor(2_500),
    currency: EUR,
    context,
    deviceId: deviceIdIn(ORG, context),
  };
  const over = { payer, payee, profile, device: undefined };
  const judged = judge(asked, over, { policy: noRules, models: { champion: undefined, shadow: undefined } }, at);
  return { judged, profile: stored(learnt(judged, asked, over, "held").profile), count: judged.assessment["velocity_count"] };
}

function approved(profile: RiskProfile, at: number, context: RiskContext = berlin): RiskProfile {
  const later = learntLater({ amount: minor(2_500), currency: EUR }, context, { payer, payee, profile, device: undefined }, at);
  assert.ok(later);
  return stored(later.profile);
}

describe("a payment that waited for its payer", () => {
  it("teaches the hour, though it was made in the same one", () => {
    let profile: RiskProfile | undefined;
    for (let day = 0; day < 30; day++) {
      const at = T0 + day * DAY_MS;
      profile = approved(made(profile, at).profile, at + MINUTE_MS);
    }
    const hours = Array.from({ length: 24 }, (_, hour) => (hour === new Date(T0).getUTCHours() ? 30 : 0));
    assert.deepEqual(profile?.hours, hours);
    // What is learnt of the hours is of use: twelve hours later is unusual.
    const { judged } = made(profile, T0 + 30 * DAY_MS + DAY_MS / 2);
    assert.equal(judged.scored.assessment.factors.behaviour, 3_000);
  });

  it("counts when it was made, and not once more when it posts", () => {
    const first = made(undefined, T0);
    const profile = approved(first.profile, T0 + 14 * MINUTE_MS);
    assert.deepEqual([first.count, made(profile, T0 + 30 * MINUTE_MS).count], [1, 2]);
    assert.equal(made(profile, T0 + 30 * MINUTE_MS + 1).count, 1);
  });
});
