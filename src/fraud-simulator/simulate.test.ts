import assert from "node:assert/strict";
import { test } from "node:test";
import { InvariantError } from "#kernel/assert.ts";
import { createFeatureStream, encodePayee, encodePayer, FEATURES, labelledVectors } from "#features/index.ts";
import { createDice } from "./dice.ts";
import { fraudPatterns } from "./patterns.ts";
import { type SimulatedPayment, simulateFraud } from "./simulate.ts";

const options = { seed: 7, customers: 120, payees: 150, days: 45, startAt: Date.UTC(2026, 0, 1), fraudRate: 4 };
const DAY_MS = 86_400_000;
const payments: readonly SimulatedPayment[] = [...simulateFraud(options)];

test("a seed gives the same payments again, another one others", () => {
  const first = (seed: number): SimulatedPayment[] => [...simulateFraud({ ...options, seed, days: 3 })];
  assert.deepEqual(first(7), first(7));
  assert.notDeepEqual(first(7), first(8));
});

test("payments come in time order, numbered, within the days asked for, of whole positive amounts that the account holds", () => {
  let before = options.startAt;
  payments.forEach(({ id, payment }, i) => {
    assert.equal(id, i);
    assert.ok(payment.at >= before && payment.at < options.startAt + options.days * DAY_MS);
    assert.ok(Number.isSafeInteger(payment.at) && Number.isSafeInteger(payment.amount) && payment.amount > 0);
    assert.ok(payment.available !== undefined && payment.available >= payment.amount);
    before = payment.at;
  });
  assert.ok(payments.length > 5000);
});

test("every pattern occurs, and fraud stays rare", () => {
  const frauds = payments.filter(({ fraud }) => fraud !== undefined);
  for (const pattern of fraudPatterns) assert.ok(frauds.filter(({ fraud }) => fraud === pattern).length >= 5, pattern);
  assert.ok(frauds.length < payments.length * 0.15, `${frauds.length} of ${payments.length}`);
});

test("labels tell of frauds only, late, and of nearly all of them", () => {
  const frauds = payments.filter(({ fraud }) => fraud !== undefined);
  const labelled = payments.filter(({ label }) => label !== undefined);
  assert.ok(
    labelled.every(({ fraud, label, payment }) => fraud !== undefined && label?.payer === payment.payer && label.payee === payment.payee),
  );
  assert.ok(
    labelled.every(
      ({ label, payment }) => label !== undefined && label.at >= payment.at + 2 * DAY_MS && label.at <= payment.at + 60 * DAY_MS,
    ),
  );
  assert.ok(labelled.length > 0.85 * frauds.length && labelled.length < frauds.length);
});

test("no fraud at a rate of 0", () => {
  assert.ok([...simulateFraud({ ...options, days: 5, fraudRate: 0 })].every(({ fraud }) => fraud === undefined));
});

test("impossible options are refused", () => {
  assert.throws(() => [...simulateFraud({ ...options, customers: 0 })], InvariantError);
  assert.throws(() => [...simulateFraud({ ...options, days: Number.NaN })], InvariantError);
});

test("the features tell the frauds from the rest, and profiles stay within their sizes", () => {
  const stream = createFeatureStream();
  const sums = new Map<string, { count: number; readonly total: Float64Array }>();
  for (const { entry, vector } of labelledVectors(stream, payments)) {
    const key = entry.fraud ?? "genuine";
    const sum = sums.get(key) ?? { count: 0, total: new Float64Array(FEATURES.length) };
    sums.set(key, sum);
    sum.count += 1;
    for (let i = 0; i < vector.length; i++) sum.total[i] = (sum.total[i] ?? 0) + (vector[i] ?? 0);
  }
  const mean = (key: string, name: string): number => {
    const sum = sums.get(key);
    assert.ok(sum !== undefined, key);
    return (sum.total[FEATURES.findIndex((feature) => feature.name === name)] ?? 0) / sum.count;
  };
  const telling = {
    takeover: ["payer_count_10m", "payee_familiarity", "device_familiarity", "travel_speed", "amount_roundness"],
    leaked_card: ["payer_outliers_7d", "device_familiarity", "network_changed", "location_withheld"],
    compromised_payee: ["payee_frauds_30d", "payee_risk_7d", "payee_fraud_since"],
    slow_mule: ["payee_frauds_30d", "payee_familiarity", "payee_payers_30d"],
    large_outlier: ["amount_to_typical", "amount_z", "amount_of_available", "amount_to_max"],
  } as const;
  for (const [pattern, names] of Object.entries(telling)) {
    for (const name of names) assert.ok(mean(pattern, name) > 1.25 * mean("genuine", name), `${pattern}: ${name}`);
  }
  const sizes = (ids: ReadonlySet<string>, text: (id: string) => string): number[] =>
    [...ids].map((id) => text(id).length).sort((a, b) => a - b);
  const payers = sizes(new Set(payments.map(({ payment }) => payment.payer)), (id) => {
    const { payer } = stream.state({ payer: id, payee: "" });
    return payer === undefined ? "" : encodePayer(payer);
  });
  const payees = sizes(new Set(payments.map(({ payment }) => payment.payee)), (id) => {
    const { payee } = stream.state({ payer: "", payee: id });
    return payee === undefined ? "" : encodePayee(payee);
  });
  const median = (list: readonly number[]): number => list[list.length >> 1] ?? 0;
  assert.ok(median(payers) > 100 && median(payers) < 500 && (payers.at(-1) ?? 0) < 800, `payers ${median(payers)}, ${payers.at(-1)}`);
  assert.ok(median(payees) > 50 && median(payees) < 250 && (payees.at(-1) ?? 0) < 400, `payees ${median(payees)}, ${payees.at(-1)}`);
});

test("dice are fair enough", () => {
  const dice = createDice(1);
  const draws = Array.from({ length: 20_000 }, () => ({
    unit: dice.unit(),
    normal: dice.normal(5, 2),
    poisson: dice.poisson(3),
    wait: dice.exponential(4),
  }));
  const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;
  assert.ok(Math.abs(mean(draws.map(({ unit }) => unit)) - 0.5) < 0.01);
  assert.ok(Math.abs(mean(draws.map(({ normal }) => normal)) - 5) < 0.06);
  assert.ok(Math.abs(mean(draws.map(({ poisson }) => poisson)) - 3) < 0.06);
  assert.ok(Math.abs(mean(draws.map(({ wait }) => wait)) - 4) < 0.15);
  assert.throws(() => dice.pick([]), RangeError);
});
