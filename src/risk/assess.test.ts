import assert from "node:assert/strict";
import { test } from "node:test";
import type { Currency } from "#kernel/money.ts";
import { learn, scoreFactors, weigh } from "./assess.ts";
import { REVIEW_ABOVE } from "./factors-config.ts";
import type { RiskProfile } from "./profile.ts";
import { berlin, customer, DAY, eur, HOUR, MINUTE, pay, saoPaulo, START } from "./test-kit.ts";

test("eleven payments in a row: 0.05 each up to ten, then 0.9", () => {
  let profile: RiskProfile | undefined;
  const seen: number[] = [];
  for (let n = 0; n < 13; n++) {
    const { assessment, profile: next } = pay(profile, START + n * 1000);
    assert.equal(assessment.velocity_count, n + 1);
    seen.push(assessment.factors.velocity);
    profile = next;
  }
  assert.deepEqual(seen, [500, 1000, 1500, 2000, 2500, 3000, 3500, 4000, 4500, 5000, 9000, 9000, 9000]);
});

test("eleven payments in one millisecond count as eleven", () => {
  let profile: RiskProfile | undefined;
  for (let n = 0; n < 10; n++) ({ profile } = pay(profile, START));
  assert.equal(pay(profile, START).assessment.factors.velocity, 9000);
});

test("a payment leaves the window after 30 minutes", () => {
  const { profile } = pay(undefined, START);
  assert.equal(pay(profile, START + 30 * MINUTE).assessment.velocity_count, 2);
  assert.equal(pay(profile, START + 30 * MINUTE + 1).assessment.velocity_count, 1);
});

test("the reported count saturates at 17 and stays a burst", () => {
  let profile: RiskProfile | undefined;
  for (let n = 0; n < 100; n++) ({ profile } = pay(profile, START + n));
  const { assessment } = pay(profile, START + 100);
  assert.equal(assessment.velocity_count, 17);
  assert.equal(assessment.factors.velocity, 9000);
});

test("the weights are the stated ones, and the sum is capped at one", () => {
  const none = { velocity: 0, amount: 0, location: 0, device: 0, behaviour: 0 };
  assert.equal(weigh({ ...none, velocity: 10_000 }), 3000);
  assert.equal(weigh({ ...none, amount: 10_000 }), 2500);
  assert.equal(weigh({ ...none, location: 10_000 }), 2000);
  assert.equal(weigh({ ...none, device: 10_000 }), 1500);
  assert.equal(weigh({ ...none, behaviour: 10_000 }), 1000);
  assert.equal(weigh({ velocity: 9000, amount: 10_000, location: 10_000, device: 10_000, behaviour: 0 }), 8700);
  assert.equal(weigh({ velocity: 20_000, amount: 10_000, location: 10_000, device: 10_000, behaviour: 10_000 }), 10_000);
  assert.equal(weigh({ ...none, velocity: 1 }), 1, "a fraction is rounded up");
});

test("everyday payments of a known customer score below 0.2", () => {
  const profile = customer(30);
  const everyday = [
    pay(profile, START + DAY),
    pay(profile, START + 20 * MINUTE),
    pay(profile, START + DAY + HOUR, { amount: eur(4000) }),
    pay(profile, START + DAY, { payeeAccountId: "acc_the_new_shop" }),
    pay(profile, START + DAY, { context: { ...berlin, latitude: 48.137, longitude: 11.575 } }),
    pay(profile, START + DAY, { context: { ...berlin, user_agent: "Mozilla/5.0 Firefox/141.0" } }),
    pay(profile, START + DAY, { currency: "USD" as Currency }),
  ];
  for (const { assessment } of everyday) assert.ok(assessment.score < 2000, JSON.stringify(assessment));
});

test("a brand-new customer's first ordinary payment stays below 0.5, with and without context", () => {
  const contexts = [berlin, {}, { country: "DE" }, { device_id: "d" }, { latitude: 1, longitude: 2 }];
  for (const context of contexts) {
    const { assessment } = pay(undefined, START, { context });
    assert.ok(assessment.score <= 5000, JSON.stringify(assessment));
    assert.equal(assessment.score, weigh(assessment.factors));
  }
});

/** The assessments of `count` payments, a second apart. */
function burst(profile: RiskProfile | undefined, count: number, changes: Parameters<typeof pay>[2]) {
  const assessments = [];
  let current = profile;
  for (let n = 0; n < count; n++) {
    const { assessment, profile: next } = pay(current, START + HOUR + n * 1000, changes);
    assessments.push(assessment);
    current = next;
  }
  return assessments;
}

const takeovers: readonly (readonly [string, Parameters<typeof pay>[2]])[] = [
  ["new device, new country, impossible travel", { context: saoPaulo }],
  ["new device and country, no coordinates", { context: { device_id: "x", country: "BR", user_agent: "curl/8" } }],
  ["known user agent and payee, all else new", { context: { ...saoPaulo, user_agent: "Mozilla/5.0 Firefox/140.0" } }],
  ["coordinates without a country", { context: { device_id: "x", latitude: -23.55, longitude: -46.633 } }],
  ["everything withheld", { context: {} }],
  ["everything poisoned", { context: { device_id: " ", latitude: Number.NaN, longitude: Number.POSITIVE_INFINITY, country: "" } }],
];
for (const [name, changes] of takeovers) {
  test(`a takeover is reviewed at the eleventh payment at the latest, though the first ten were learnt: ${name}`, () => {
    const assessments = burst(customer(30), 14, { amount: eur(500_000), ...changes });
    const first = assessments.findIndex(({ score }) => score > REVIEW_ABOVE);
    assert.ok(first >= 0 && first <= 10, assessments.map(({ score }) => score).join(" "));
    for (const { score } of assessments.slice(first)) assert.ok(score > REVIEW_ABOVE);
  });
}

test("a takeover on the day the customer joined is reviewed as well", () => {
  let profile: RiskProfile | undefined;
  for (let n = 0; n < 5; n++) ({ profile } = pay(profile, START - HOUR + n));
  const last = burst(profile, 11, { amount: eur(1_000_000), context: saoPaulo, payeeAccountId: "acc_mule" }).at(-1);
  assert.ok(last !== undefined && last.score > REVIEW_ABOVE, JSON.stringify(last));
});

test("reasons are named by what they add, largest first", () => {
  const [last] = burst(customer(30), 11, { amount: eur(500_000), context: saoPaulo, payeeAccountId: "acc_mule" }).slice(-1);
  assert.deepEqual(last?.reasons, ["velocity_burst", "amount_unusual", "location_impossible_travel", "device_new", "behaviour_new_payee"]);
  assert.deepEqual(pay(customer(30), START + DAY).assessment.reasons, []);
  assert.deepEqual(pay(undefined, START, { context: {}, amount: eur(400_000) }).assessment.reasons, [
    "amount_large",
    "location_absent",
    "device_absent",
  ]);
});

test("a payment that goes to review counts for velocity and vouches for nothing", () => {
  let profile = customer(30);
  for (let n = 0; n < 10; n++) ({ profile } = pay(profile, START + DAY + n));
  const { assessment, profile: after } = pay(profile, START + DAY + 10, {
    amount: eur(500_000),
    context: saoPaulo,
    payeeAccountId: "acc_mule",
  });
  assert.ok(assessment.score > REVIEW_ABOVE);
  assert.deepEqual(after, {
    ...profile,
    version: profile.version + 1,
    lastSeen: START + DAY + 10,
    recent: [...profile.recent, START + DAY + 10],
  });
});

test("the profile counts its versions from 1 and keeps the first and the latest sight", () => {
  const { profile: one } = pay(undefined, START);
  assert.equal(one.version, 1);
  const { profile: two } = pay(one, START - HOUR);
  assert.equal(two.version, 2);
  assert.equal(two.firstSeen, START);
  assert.equal(two.lastSeen, START);
});

test("time that goes back is safe: the payments ahead still count", () => {
  let profile: RiskProfile | undefined;
  for (let n = 0; n < 10; n++) ({ profile } = pay(profile, START + n));
  const { assessment, profile: after } = pay(profile, START - 2 * DAY);
  assert.equal(assessment.velocity_count, 11);
  assert.equal(after.lastSeen, START + 9);
});

test("what cannot be is a broken invariant, not a score", () => {
  const profile = customer(2);
  const broken = { name: "InvariantError" };
  assert.throws(() => pay(profile, START, { amount: eur(0) }), broken);
  assert.throws(() => pay(profile, START, { amount: eur(-1) }), broken);
  assert.throws(() => pay(profile, Number.NaN), broken);
  assert.throws(() => pay(profile, START + 0.5), broken);
  assert.throws(() => pay(profile, -1), broken);
  assert.throws(() => pay(profile, START, { ownerId: "usr_other" }), broken);
});

test("an hour is learnt once by what posts, though something was held in it before, and not again when a clock goes back", () => {
  const context = { ...berlin, device_id: "stranger", country: "BR", latitude: -23.55, longitude: -46.633 };
  const known = customer(30);
  const night = START + 12 * HOUR;
  const input = {
    profile: known,
    ownerId: known.id,
    amount: eur(2_500),
    currency: "EUR" as Currency,
    payeeAccountId: "acc_1",
    context,
    at: night,
  };
  const held = learn(scoreFactors(input), input, "held", undefined);
  assert.deepEqual(held.hours, known.hours);
  let profile = pay(held, night + MINUTE).profile;
  assert.equal(profile.hours[0], 1);
  profile = pay(profile, night + HOUR).profile;
  for (let n = 0; n < 5; n++) ({ profile } = pay(profile, night + 2 * MINUTE + n));
  assert.deepEqual([profile.hours[0], profile.hours[1]], [1, 1]);
});
