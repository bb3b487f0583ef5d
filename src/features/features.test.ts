import assert from "node:assert/strict";
import { test } from "node:test";
import { readPayment } from "./payment.ts";
import { FEATURES, FEATURES_HASH, observe, observeFraud, vector } from "./vector.ts";
import { HOUR, START, paymentWith, streamOf, valueOf } from "./test-kit.ts";

const NOTHING = { payer: undefined, payee: undefined, device: undefined };

test("every feature is declared once, with a unit, a source and a finite default", () => {
  assert.ok(FEATURES.length > 80);
  assert.equal(new Set(FEATURES.map(({ name }) => name)).size, FEATURES.length);
  for (const { name, unit, description, absent } of FEATURES) {
    assert.match(name, /^[a-z]+(?:_[a-z0-9]+)*$/);
    assert.ok(unit.length > 0 && description.endsWith("."), name);
    assert.ok(Number.isFinite(absent), name);
  }
  assert.match(FEATURES_HASH, /^[0-9a-f]{64}$/);
});

test("where nothing is known, every feature has its declared default", () => {
  const values = vector(NOTHING, readPayment({ payer: "a", payee: "b", amount: Number.NaN, at: START }));
  for (const { name, absent } of FEATURES.filter(({ source }) => source !== "payment")) assert.equal(valueOf(values, name), absent, name);
});

test("a payment alone tells its amount, its hour and its day", () => {
  const tell = (at: number, amount: number): number[] => {
    const values = vector(NOTHING, readPayment({ payer: "a", payee: "b", amount, at }));
    return ["amount", "amount_log2", "amount_roundness", "hour", "night", "weekend"].map((name) => valueOf(values, name));
  };
  assert.deepEqual(tell(Date.UTC(2026, 0, 5, 6, 59), 1024), [1024, 10, 0, 6, 1, 0]);
  assert.deepEqual(tell(Date.UTC(2026, 0, 4, 7), 1700), [1700, Math.log2(1700), 1, 7, 0, 1]);
  assert.deepEqual(tell(Date.UTC(2026, 0, 3, 23), 30_000), [30_000, Math.log2(30_000), 3, 23, 0, 1]);
});

test("a takeover shows: new device, network and country, impossible journey, burst, empty account", () => {
  const usual = Array.from(
    { length: 20 },
    (_, i) => ({ kind: "payment", outcome: "posted", payment: paymentWith({ at: START + i * 12 * HOUR }) }) as const,
  );
  const stream = streamOf(usual);
  const at = START + 19 * 12 * HOUR + HOUR;
  const stranger = {
    device: "other",
    ip: "203.0.113.5",
    country: "BR",
    latitude: -23.5,
    longitude: -46.6,
    payee: "mule",
    amount: 90_000,
    at,
  };
  let values: Float64Array = new Float64Array();
  for (let i = 0; i < 4; i++) values = stream.next(paymentWith({ ...stranger, at: at + i * 1000 }), "held");
  const expected = {
    device_familiarity: 3,
    network_familiarity: 3,
    country_familiarity: 3,
    payee_familiarity: 3,
    travel_impossible: 1,
    network_changed: 1,
    country_changed: 1,
    payer_count_1m: 3,
    pair_sum_1h: 270_000,
    payer_outliers_7d: 3,
    amount_of_available: 0.9,
    amount_to_max: 18,
  };
  for (const [name, value] of Object.entries(expected)) assert.equal(valueOf(values, name), value, name);
  assert.ok(valueOf(values, "amount_z") > 10);
});

test("a clock that goes back does not take the profile with it", () => {
  const stream = streamOf([{ kind: "payment", outcome: "posted", payment: paymentWith({ at: START }) }]);
  const values = stream.next(paymentWith({ at: START - 5 * HOUR }));
  assert.equal(valueOf(values, "payer_idle"), 0);
  assert.equal(valueOf(values, "payer_count_1m"), 1, "what happened ahead of the clock still counts");
  assert.equal(stream.state(paymentWith()).payer?.mark, START);
});

test("a device is shared by the users it was seen with, up to eight", () => {
  const entries = Array.from(
    { length: 12 },
    (_, i) => ({ kind: "payment", outcome: "posted", payment: paymentWith({ payer: `user ${i}` }) }) as const,
  );
  const stream = streamOf(entries);
  assert.equal(valueOf(stream.next(paymentWith({ payer: "user 0" })), "device_users"), 7);
  const before = stream.state(paymentWith()).device;
  assert.equal(valueOf(stream.next(paymentWith({ payer: "user 99" })), "device_users"), 8);
  assert.equal(stream.state(paymentWith()).device, before, "nothing new is learnt, so nothing is to be written");
});

test("a payment without a device has no device's profile, and one without anything new leaves it as it is", () => {
  const { device: _, ...without } = paymentWith();
  const state = observe(NOTHING, readPayment(without), "posted");
  assert.equal(state.device, undefined);
  const labelled = observeFraud(state, { at: START });
  assert.equal(labelled.device, undefined);
  assert.equal(labelled.payer?.frauds.length, 3);
});
