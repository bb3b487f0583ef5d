import assert from "node:assert/strict";
import { test } from "node:test";
import type { RiskContext } from "./context.ts";
import type { FactorName } from "./factors-config.ts";
import type { RiskProfile } from "./profile.ts";
import { berlin, customer, DAY, HOUR, MINUTE, pay, saoPaulo, START } from "./test-kit.ts";

const known = customer(30);
/** Thirty payments that never carried a context. */
const contextless = customer(30, { context: {} });
const without = (...names: (keyof RiskContext)[]): RiskContext =>
  Object.fromEntries(Object.entries(berlin).filter(([name]) => !names.includes(name as keyof RiskContext)));

function cases(
  factor: FactorName,
  rows: readonly (readonly [name: string, profile: RiskProfile | undefined, context: RiskContext, expected: number])[],
) {
  for (const [name, profile, context, expected] of rows) {
    test(`${factor}: ${name}`, () => assert.equal(pay(profile, START + DAY, { context }).assessment.factors[factor], expected));
  }
}

cases("device", [
  ["known", known, berlin, 0],
  ["new", known, { ...berlin, device_id: "device-9" }, 10_000],
  ["withheld", known, without("device_id"), 10_000],
  ["blank is withheld", known, { ...berlin, device_id: " \t" }, 10_000],
  ["empty is withheld", known, { ...berlin, device_id: "" }, 10_000],
  ["the first of a new customer", undefined, berlin, 3000],
  ["absent, new customer", undefined, {}, 4000],
  ["the first of an old customer", contextless, berlin, 3000],
  ["absent as ever", contextless, {}, 4000],
]);

const farAway = { latitude: -23.55, longitude: -46.633 };
cases("location", [
  ["known country, plausible", known, berlin, 0],
  ["known country, another city", known, { ...berlin, latitude: 48.137, longitude: 11.575 }, 0],
  ["new country, plausible", known, { ...berlin, country: "PL", latitude: 52.23, longitude: 21.01 }, 8000],
  ["new country, no coordinates", known, { country: "BR" }, 8000],
  ["withheld", known, without("country", "latitude", "longitude"), 8000],
  ["country withheld, coordinates as ever", known, without("country"), 8000],
  ["coordinates withheld", known, without("latitude", "longitude"), 2000],
  ["half a coordinate is withheld", known, without("longitude"), 2000],
  ["NaN is withheld", known, { ...berlin, latitude: Number.NaN }, 2000],
  ["infinity is withheld", known, { ...berlin, longitude: Number.POSITIVE_INFINITY }, 2000],
  ["out of range is withheld", known, { ...berlin, latitude: 90.001 }, 2000],
  ["a country that is none is withheld", known, { ...without("latitude", "longitude"), country: "de" }, 8000],
  ["a blank country is withheld", known, { ...without("latitude", "longitude"), country: "  " }, 8000],
  ["first of a new customer", undefined, berlin, 2000],
  ["absent, new customer", undefined, {}, 3000],
  ["absent as ever", contextless, {}, 3000],
  ["first of an old customer", contextless, berlin, 2000],
]);

test("location: impossible travel, also within a known country and when time stands still or runs back", () => {
  const far = { context: { ...berlin, ...farAway } };
  for (const after of [-HOUR, 0, 1, HOUR, 10 * HOUR]) {
    assert.equal(pay(known, START + after, far).assessment.factors.location, 10_000, `${after} ms after`);
  }
  assert.equal(pay(known, START + 12 * HOUR, far).assessment.factors.location, 0, "10,200 km in twelve hours can be flown");
});

test("location: an impossible journey stays impossible for the payments after it", () => {
  let profile = known;
  for (let n = 0; n < 5; n++) {
    const { assessment, profile: next } = pay(profile, START + HOUR + n * MINUTE, { context: { ...berlin, ...farAway } });
    assert.equal(assessment.factors.location, 10_000);
    profile = next;
  }
  assert.equal(pay(profile, START + 2 * HOUR).assessment.factors.location, 0, "the customer at home is not suspected");
});

test("location: a payment decided late does not give more time to travel", () => {
  const { profile } = pay(known, START - 10 * HOUR);
  assert.equal(pay(profile, START + 3 * HOUR, { context: { ...berlin, ...farAway } }).assessment.factors.location, 10_000);
});

test("an old customer's first device and country are not trusted at once", () => {
  const { profile } = pay(contextless, START + DAY);
  const soon = pay(profile, START + DAY + HOUR).assessment.factors;
  assert.deepEqual([soon.device, soon.location], [3000, 2000]);
  const later = pay(profile, START + 2 * DAY).assessment.factors;
  assert.deepEqual([later.device, later.location], [0, 0]);
});

test("location: coordinates alone make a place as well", () => {
  const { country: _, ...alone } = berlin;
  const profile = customer(30, { context: alone });
  assert.equal(pay(profile, START + DAY, { context: alone }).assessment.factors.location, 0);
  assert.equal(pay(profile, START + 3 * DAY, { context: { ...alone, ...farAway } }).assessment.factors.location, 8000);
});

test("a new device, country, payee and user agent are the customer's own after a day, not before", () => {
  const changes = { context: { ...saoPaulo }, payeeAccountId: "acc_new" };
  const { profile } = pay(known, START + DAY, changes);
  const soon = pay(profile, START + DAY + 23 * HOUR, changes).assessment.factors;
  assert.deepEqual([soon.device, soon.location, soon.behaviour], [10_000, 8000, 7000]);
  const later = pay(profile, START + 2 * DAY, changes).assessment.factors;
  assert.deepEqual([later.device, later.location, later.behaviour], [0, 0, 0]);
});

cases("behaviour", [
  ["usual", known, berlin, 0],
  ["another version of the same user agent", known, { ...berlin, user_agent: "Mozilla/5.0 Firefox/141.2" }, 0],
  ["another user agent", known, { ...berlin, user_agent: "curl/8.0" }, 3000],
  ["user agent withheld", known, without("user_agent"), 3000],
  ["user agent absent as ever", contextless, {}, 1000],
  ["first payee and user agent", undefined, berlin, 2500],
]);

test("behaviour: a new payee", () => {
  assert.equal(pay(known, START + DAY, { payeeAccountId: "acc_new" }).assessment.factors.behaviour, 4000);
});

test("behaviour: an unusual hour, of which the neighbours are none", () => {
  const at = (hour: number) => pay(known, START + DAY + (hour - 12) * HOUR).assessment.factors.behaviour;
  assert.deepEqual([at(10), at(11), at(12), at(13), at(14)], [3000, 0, 0, 0, 3000]);
  assert.equal(pay(customer(10), START + DAY + 12 * HOUR).assessment.factors.behaviour, 0, "ten payments say nothing of hours");
});

test("behaviour: a burst at night does not make the night usual, and midnight has neighbours", () => {
  let profile = known;
  for (let n = 0; n < 30; n++) ({ profile } = pay(profile, START + 15 * HOUR + n * 1000));
  assert.equal(profile.hours[3], 1);
  assert.equal(
    profile.hours.reduce((a, b) => a + b),
    31,
  );
  const owl = customer(30, { context: berlin });
  const shifted = { ...owl, hours: owl.hours.map((_, hour) => (hour === 23 ? 30 : 0)) };
  assert.equal(pay(shifted, START + 12 * HOUR).assessment.factors.behaviour, 0);
});
