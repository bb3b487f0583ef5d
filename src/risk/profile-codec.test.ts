import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MAX_MINOR } from "#kernel/money.ts";
import type { Item } from "#storage/index.ts";
import { assess } from "./assess.ts";
import { remembered, velocity } from "./factors-config.ts";
import type { RiskProfile } from "./profile.ts";
import { riskProfileFromItem, riskProfiles, riskProfileToItem } from "./profile-codec.ts";
import { anyHistory, anyPayment, customer, OWNER, replay, START } from "./test-kit.ts";

const through = (profile: RiskProfile): RiskProfile => riskProfileFromItem(JSON.parse(JSON.stringify(riskProfileToItem(profile))) as Item);

test("any profile survives JSON", () => {
  fc.assert(
    fc.property(anyHistory, ({ profile }) => {
      if (profile !== undefined) assert.deepEqual(through(profile), profile);
    }),
  );
});

test("a stored and reloaded profile decides as the one in memory", () => {
  fc.assert(
    fc.property(anyHistory, anyPayment, ({ profile, at }, { wait, ...payment }) => {
      const input = { ...payment, ownerId: OWNER, at: at + wait };
      const reloaded = profile === undefined ? undefined : through(profile);
      assert.deepEqual(assess({ ...input, profile: reloaded }), assess({ ...input, profile }));
    }),
  );
});

test("every part of a profile is bounded, whatever the history", () => {
  fc.assert(
    fc.property(fc.array(anyPayment, { minLength: 30, maxLength: 120, size: "max" }), (payments) => {
      for (const { profile } of replay(payments)) {
        assert.ok(profile.recent.length <= velocity.remembered);
        assert.ok(profile.amounts.length <= remembered.currencies);
        assert.ok(profile.devices.length <= 2 * remembered.devices);
        assert.ok(profile.places.length <= 2 * remembered.places);
        assert.ok(profile.payees.length <= 2 * remembered.payees);
        assert.ok(profile.userAgents.length <= 2 * remembered.userAgents);
        assert.ok(profile.hours.length === 24 && profile.hours.every((count) => count <= 99));
      }
    }),
    { numRuns: 50 },
  );
});

test("a profile that is full in every part takes less than 1.5 KB of JSON", () => {
  const pairs = (count: number, key: number) => Array.from({ length: count }, (_, i) => [key - i, 99_999_999]).flat();
  const full: RiskProfile = {
    id: OWNER,
    version: 999_999_999,
    firstSeen: START,
    lastSeen: START,
    recent: Array.from({ length: velocity.remembered }, () => START - velocity.windowMs),
    amounts: Array.from({ length: remembered.currencies }, () => ({
      currency: "EUR",
      count: 64,
      sum: MAX_MINOR,
      max: MAX_MINOR,
      pending: MAX_MINOR,
      pendingSince: 99_999_999,
      since: 99_999_999,
    })),
    devices: pairs(remembered.devices, 2 ** 48 - 1),
    userAgents: pairs(remembered.userAgents, 2 ** 48 - 1),
    places: pairs(remembered.places, 0x10000 + 9999),
    payees: pairs(remembered.payees, 2 ** 48 - 1),
    lastLocation: { latitudeE4: -900_000, longitudeE4: -1_800_000, at: START },
    hours: Array.from({ length: 24 }, () => 99),
  };
  const bytes = Buffer.byteLength(JSON.stringify(riskProfileToItem(full)));
  assert.ok(bytes > 1000 && bytes < 1500, `${bytes} bytes`);
});

test("an hour's count is halved with the others before it outgrows two digits", () => {
  let profile = customer(99);
  assert.equal(profile.hours[12], 99);
  profile = replayOnce(profile);
  assert.equal(profile.hours[12], 50);
});

function replayOnce(profile: RiskProfile): RiskProfile {
  const input = { ownerId: OWNER, payeeAccountId: "acc_1", context: {}, at: START + 86_400_000 };
  return assess({ ...input, profile, amount: 1n as never, currency: "EUR" as never }).profile;
}

test("the collection's key is the owner", () => {
  const profile = customer(2);
  assert.equal(riskProfiles.table, "smartfinance-risk-profiles");
  assert.deepEqual(riskProfiles.keyOf(profile), { hash: OWNER });
  assert.equal(riskProfiles.toItem(profile)["id"], OWNER);
  assert.equal(riskProfiles.toItem(profile)["version"], 2);
});

test("a damaged item is refused, not misread", () => {
  const item = riskProfileToItem(customer(3));
  const damages: Item[] = [
    { ...item, id: undefined },
    { ...item, version: "1" },
    { ...item, last_seen: 1.5 },
    { ...item, recent: undefined },
    { ...item, recent: [null] },
    { ...item, hours: [1, 2] },
    { ...item, devices: [1] },
    { ...item, payees: ["1", 2] },
    { ...item, amounts: [["EUR", 0, 0, 0, 0, 0, 0]] },
    { ...item, amounts: [["EUR", 1, 1]] },
    { ...item, amounts: [[1, 1, 1, 1, 1, 1, 1]] },
    { ...item, location: [1, 2] },
  ];
  for (const damaged of damages) assert.throws(() => riskProfileFromItem(damaged), { name: "InvariantError" }, JSON.stringify(damaged));
});
