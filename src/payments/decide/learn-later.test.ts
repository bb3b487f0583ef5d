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

function approved(profile: RiskProfile, at: number, context: RiskContext = berlin, createdAt = at - MINUTE_MS): RiskProfile {
  const later = learntLater({ amount: minor(2_500), currency: EUR, createdAt }, context, { payer, payee, profile, device: undefined }, at);
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

  it("is no payment anew when it posts: the payer has been idle since it was made", () => {
    const before = approved(made(undefined, T0).profile, T0 + MINUTE_MS);
    const profile = approved(made(before, T0 + DAY_MS).profile, T0 + DAY_MS + 14 * MINUTE_MS);
    const [pair] = profile.features?.pairs ?? [];
    assert.deepEqual([profile.features?.paidAt, (pair?.last ?? 0) * MINUTE_MS], [T0 + DAY_MS, T0 + DAY_MS]);
    assert.equal(profile.features?.firstAt, T0 + MINUTE_MS);
  });

  it("teaches the place where it was made, of the time when it was made", () => {
    const profile = approved(made(undefined, T0).profile, T0 + 14 * MINUTE_MS, berlin, T0);
    assert.deepEqual([profile.lastLocation?.at, profile.features?.place?.at], [T0, T0]);
    // By train, at 300 km/h since it was made; approved on the way, at the fourteenth minute.
    const { judged } = made(profile, T0 + 16 * MINUTE_MS, { ...berlin, latitude: Number(berlin.latitude) - 0.72 });
    assert.ok(!(judged.assessment["reasons"] as string[]).includes("location_impossible_travel"));
  });

  it("teaches no place that the payer has left since", () => {
    const first = made(undefined, T0);
    const away = { ...berlin, latitude: Number(berlin.latitude) - 0.72 };
    const second = approved(made(first.profile, T0 + 10 * MINUTE_MS, away).profile, T0 + 10 * MINUTE_MS, away, T0 + 10 * MINUTE_MS);
    const profile = approved(second, T0 + 14 * MINUTE_MS, berlin, T0);
    assert.deepEqual([profile.lastLocation, profile.features?.place], [second.lastLocation, second.features?.place]);
    // What was impossible when it was made has not become possible by waiting.
    const far = { ...berlin, latitude: Number(berlin.latitude) - 2 };
    const held = approved(made(second, T0 + 12 * MINUTE_MS, far).profile, T0 + 26 * MINUTE_MS, far, T0 + 12 * MINUTE_MS);
    assert.deepEqual([held.lastLocation, held.features?.place], [second.lastLocation, second.features?.place]);
  });
});
