import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { FeaturePayment, Outcome } from "./payment.ts";
import { createFeatureStream } from "./stream.ts";
import { bitOf, DAY, type Entry, histories, HOUR, MINUTE } from "./test-kit.ts";
import { FEATURES } from "./vector.ts";

/**
 * A second, dumber implementation: it keeps the whole history and counts it through for every single value. It shares the
 * bucket rule with the real one, written down once more, and the hash behind distinct payers, and nothing else.
 */

interface Paid {
  readonly payment: FeaturePayment;
  readonly outcome: Outcome;
  /** The time as the party sees it: never before what it has seen already. */
  readonly at: number;
}

/** What one party has lived through. */
interface Life {
  readonly paid: readonly Paid[];
  readonly labels: readonly number[];
  /** The party's time when `at` comes. */
  readonly now: number;
}

function lifeOf(history: readonly Entry[], is: (party: { payer: string; payee: string; device?: string }) => boolean, at: number): Life {
  const paid: Paid[] = [];
  const labels: number[] = [];
  let mark = 0;
  for (const entry of history) {
    const party = entry.kind === "payment" ? entry.payment : entry.label;
    if (!is(party)) continue;
    mark = Math.max(mark, party.at);
    if (entry.kind === "payment") paid.push({ payment: entry.payment, outcome: entry.outcome, at: mark });
    else labels.push(mark);
  }
  return { paid, labels, now: Math.max(mark, at) };
}

const within = (time: number, now: number, bucket: number, back: number): boolean =>
  Math.floor(time / bucket) >= Math.floor(now / bucket) - back;
const sum = (values: readonly number[]): number =>
  Math.min(
    values.reduce((a, b) => a + b, 0),
    Number.MAX_SAFE_INTEGER,
  );
const posted = (paid: readonly Paid[]): Paid[] => paid.filter(({ outcome }) => outcome === "posted");

/** The bucket rule: window, length of a bucket, buckets back. */
type Rule = readonly [window: string, bucket: number, back: number];
const payerRules: readonly Rule[] = [
  ["10m", MINUTE, 10],
  ["30m", 5 * MINUTE, 6],
  ["1h", 5 * MINUTE, 12],
  ["24h", 2 * HOUR, 12],
  ["7d", DAY, 7],
  ["30d", DAY, 30],
];
const payeeRules: readonly Rule[] = [
  ["10m", 5 * MINUTE, 2],
  ["30m", 5 * MINUTE, 6],
  ["1h", 5 * MINUTE, 12],
  ["24h", 3 * HOUR, 8],
  ["7d", DAY, 7],
  ["30d", DAY, 30],
];
const pairRules: readonly Rule[] = [
  ["10m", 10 * MINUTE, 1],
  ["30m", 10 * MINUTE, 3],
  ["1h", 10 * MINUTE, 6],
  ["24h", 8 * HOUR, 3],
  ["7d", 180 * HOUR, 1],
  ["30d", 180 * HOUR, 4],
];

interface Kept {
  readonly name: string;
  since: number;
  last: number;
  readonly paid: Paid[];
}

/** A bounded list of what the payer used: most recent first, unsettled entries are given up before settled ones. */
function keep(paid: readonly Paid[], nameOf: (payment: FeaturePayment) => string | undefined, capacity: number, withHeld: boolean): Kept[] {
  let kept: Kept[] = [];
  for (const one of paid) {
    const name = nameOf(one.payment);
    if (name === undefined || (one.outcome === "held" && !withHeld)) continue;
    const minute = Math.floor(one.at / MINUTE);
    const isSettled = (entry: Kept): boolean => entry.since > 0 && minute - entry.since >= 1440;
    let entry = kept.find((known) => known.name === name);
    if (entry === undefined) {
      if (kept.length === capacity) {
        const victim = kept.findLast((known) => !isSettled(known)) ?? (one.outcome === "posted" ? kept.at(-1) : undefined);
        if (victim === undefined) continue;
        kept = kept.filter((known) => known !== victim);
      }
      entry = { name, since: 0, last: 0, paid: [] };
    }
    const used = entry;
    if (used.since === 0 && one.outcome === "posted") used.since = minute;
    used.last = minute;
    used.paid.push(one);
    kept = [used, ...kept.filter((known) => known !== used)];
  }
  return kept;
}

/** A device's record hears of labels and of the first payment of each of its first eight users; of nothing else. */
function firstUses(history: readonly Entry[]): Entry[] {
  const users = new Set<string>();
  return history.filter((entry) => {
    if (entry.kind === "label") return true;
    const isNew = users.size < 8 && !users.has(entry.payment.payer);
    users.add(entry.payment.payer);
    return isNew;
  });
}

function foreignness(kept: readonly Kept[], entry: Kept | undefined, minute: number): number {
  if (entry !== undefined && entry.since > 0) return minute - entry.since >= 1440 ? 0 : 1;
  return kept.some(({ since }) => since > 0 && minute - since >= 1440) ? 3 : 2;
}

/** All amounts of the histogram as bins, ascending; halved whenever 256 are reached. */
function binsOf(paid: readonly Paid[]): number[] {
  const counts = new Map<number, number>();
  for (const { payment } of posted(paid)) {
    if (payment.amount < 1) continue;
    if ([...counts.values()].reduce((a, b) => a + b, 0) >= 256) {
      for (const [bin, count] of counts) counts.set(bin, Math.floor(count / 2));
    }
    // floor(4 log2 n) = floor(log2 n^4), exactly.
    const bin = (BigInt(payment.amount) ** 4n).toString(2).length - 1;
    counts.set(bin, (counts.get(bin) ?? 0) + 1);
  }
  return [...counts].sort(([a], [b]) => a - b).flatMap(([bin, count]) => Array.from({ length: count }, () => bin));
}

function quantileOf(bins: readonly number[], q: number): number {
  const position = q * bins.length;
  const bin = bins[Math.max(Math.ceil(position) - 1, 0)] ?? 0;
  const below = bins.filter((other) => other < bin).length;
  return (bin + (position - below) / bins.filter((other) => other === bin).length) / 4;
}

function distance(a: { latitude: number; longitude: number }, b: { latitude: number; longitude: number }): number {
  const rad = Math.PI / 180;
  const x = Math.sin(((b.latitude - a.latitude) / 2) * rad) ** 2;
  const y = Math.sin(((b.longitude - a.longitude) / 2) * rad) ** 2;
  return 12_742 * Math.asin(Math.min(Math.sqrt(x + Math.cos(a.latitude * rad) * Math.cos(b.latitude * rad) * y), 1));
}

const e4 = (degrees: number): number => Math.round(degrees * 10_000) / 10_000;
const speedOf = (km: number, ms: number): number => (km <= 50 ? 0 : Math.min(km / (Math.max(ms, 1) / HOUR), 40_000));

function lastPlace(paid: readonly Paid[]): { latitude: number; longitude: number; at: number } | undefined {
  let place: { latitude: number; longitude: number; at: number } | undefined;
  for (const { payment, at } of posted(paid)) {
    const { latitude, longitude } = payment;
    if (latitude === undefined || longitude === undefined) continue;
    if (place !== undefined && speedOf(distance(place, { latitude, longitude }), at - place.at) > 900) continue;
    place = { latitude: e4(latitude), longitude: e4(longitude), at };
  }
  return place;
}

function outlierTimes(paid: readonly Paid[]): number[] {
  return paid
    .filter(({ payment }, i) => {
      const bins = binsOf(paid.slice(0, i));
      return bins.length >= 5 && Math.log2(payment.amount) > quantileOf(bins, 0.5) + 1.32;
    })
    .map(({ at }) => at);
}

function frauds(name: string, { labels, now }: Life): [string, number][] {
  const day = Math.floor(now / DAY);
  const days = labels.map((at) => Math.floor(at / DAY)).filter((label) => label >= day - 30);
  return [
    ...[1, 7, 30].map((back): [string, number] => [`${name}_frauds_${back}d`, days.filter((label) => label >= day - back).length]),
    [`${name}_fraud_since`, days.length === 0 ? 0 : day - Math.min(...days) + 1],
    [`${name}_fraud_recency`, days.length === 0 ? 0 : 31 - (day - Math.max(...days))],
  ];
}

function windows(name: string, rules: readonly Rule[], paid: readonly Paid[], now: number): [string, number][] {
  return rules.flatMap(([window, bucket, back]): [string, number][] => {
    const inside = paid.filter(({ at }) => within(at, now, bucket, back));
    return [
      [`${name}_count_${window}`, inside.length],
      [`${name}_sum_${window}`, sum(inside.map(({ payment }) => payment.amount))],
    ];
  });
}

function distinct(life: Life, epoch: number): number {
  const recent = life.paid.filter(({ at }) => Math.floor(at / epoch) >= Math.floor(life.now / epoch) - 1);
  const ones = new Set(recent.map(({ payment }) => bitOf(payment.payer))).size;
  return Math.round(-64 * Math.log(1 - ones / 64));
}

function reference(history: readonly Entry[], payment: FeaturePayment): Map<string, number> {
  const payer = lifeOf(history, (party) => party.payer === payment.payer, payment.at);
  const payee = lifeOf(history, (party) => party.payee === payment.payee, payment.at);
  const onDevice = history.filter(
    (entry) => payment.device !== undefined && (entry.kind === "payment" ? entry.payment : entry.label).device === payment.device,
  );
  const device = lifeOf(firstUses(onDevice), () => true, payment.at);
  const { amount, latitude, longitude } = payment;
  const minute = Math.floor(payer.now / MINUTE);
  const pairs = keep(payer.paid, ({ payee: name }) => name, 8, true);
  const pair = pairs.find(({ name }) => name === payment.payee);
  const devices = keep(payer.paid, ({ device: name }) => name, 5, false);
  const ownDevice = devices.find(({ name }) => name === payment.device);
  const network = (p: FeaturePayment): string | undefined => p.ip?.slice(0, p.ip.lastIndexOf("."));
  const networks = keep(payer.paid, network, 4, false);
  const countries = keep(payer.paid, ({ country }) => country, 4, false);
  const place = lastPlace(payer.paid);
  const located = latitude !== undefined && longitude !== undefined;
  const km = place !== undefined && located ? distance(place, { latitude, longitude }) : 0;
  const speed = place === undefined ? 0 : speedOf(km, payer.now - place.at);
  const bins = binsOf(payer.paid);
  const median = bins.length === 0 ? 0 : quantileOf(bins, 0.5);
  const spread = bins.length === 0 ? 1 : (quantileOf(bins, 0.75) - quantileOf(bins, 0.25)) / 1.349;
  const mean = (paid: readonly Paid[], now: number, bucket: number, back: number): number => {
    const inside = paid.filter(({ at }) => within(at, now, bucket, back));
    return inside.length === 0 ? 0 : sum(inside.map((one) => one.payment.amount)) / inside.length;
  };
  const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : Math.min(part / whole, 1e6));
  const outliers = outlierTimes(payer.paid);
  const mean7d = mean(payer.paid, payer.now, DAY, 7);
  const idle = (life: Life): number => {
    const last = life.paid.at(-1)?.at;
    return last === undefined ? 2_592_000 : Math.min((life.now - last) / 1000, 2_592_000);
  };
  const age = (life: Life): number => {
    const first = posted(life.paid)[0]?.at;
    return first === undefined ? 0 : (life.now - first) / DAY;
  };
  const changed = (kept: readonly Kept[], name: string | undefined): number =>
    Number(name !== undefined && kept.length > 0 && kept[0]?.name !== name);
  const date = new Date(payment.at);
  const known = (entry: Kept | undefined): number =>
    entry === undefined || entry.since === 0 ? 0 : Math.min((minute - entry.since) / 60, 2160);
  const labelDay = Math.floor(payee.now / DAY);

  return new Map<string, number>([
    ["payer_count_1m", payer.paid.filter(({ at }) => within(at, payer.now, MINUTE, 1)).length],
    ...windows("payer", payerRules, payer.paid, payer.now),
    ...windows("payee", payeeRules, payee.paid, payee.now),
    ...windows("pair", pairRules, pair?.paid ?? [], payer.now),
    ["payee_payers_1d", distinct(payee, DAY)],
    ["payee_payers_30d", distinct(payee, 30 * DAY)],
    ["amount", amount],
    ["amount_log2", Math.log2(amount)],
    [
      "amount_roundness",
      [10_000, 1000, 100].findIndex((unit) => amount % unit === 0) < 0
        ? 0
        : 3 - [10_000, 1000, 100].findIndex((unit) => amount % unit === 0),
    ],
    ["amount_of_available", payment.available === undefined ? 1 : Math.min(amount / payment.available, 1)],
    ["amount_to_payer_mean_24h", ratio(amount, mean(payer.paid, payer.now, 2 * HOUR, 12))],
    ["amount_to_payer_mean_7d", ratio(amount, mean7d)],
    ["amount_to_payer_mean_30d", ratio(amount, mean(payer.paid, payer.now, DAY, 30))],
    ["amount_to_typical", bins.length === 0 ? 0 : ratio(amount, 2 ** median)],
    ["amount_z", bins.length === 0 ? 0 : (Math.log2(amount) - median) / Math.max(spread, 0.25)],
    ["amount_to_max", ratio(amount, Math.max(0, ...posted(payer.paid).map((one) => one.payment.amount)))],
    ["payer_amounts", bins.length],
    ["payer_mean_7d_to_typical", bins.length === 0 ? 0 : ratio(mean7d, 2 ** median)],
    ["payer_outliers_7d", outliers.filter((at) => within(at, payer.now, DAY, 7)).length],
    ["payer_outliers_30d", outliers.filter((at) => within(at, payer.now, DAY, 30)).length],
    ["amount_to_pair_mean_30d", ratio(amount, mean(pair?.paid ?? [], payer.now, 180 * HOUR, 4))],
    ["amount_to_payee_mean_30d", ratio(amount, mean(payee.paid, payee.now, DAY, 30))],
    ["hour", date.getUTCHours()],
    ["night", Number(date.getUTCHours() <= 6)],
    ["weekend", Number([0, 6].includes(date.getUTCDay()))],
    ["payer_idle", idle(payer)],
    ["payee_idle", idle(payee)],
    ["pair_idle", pair === undefined ? 43_200 : Math.min(minute - pair.last, 43_200)],
    ["device_idle", ownDevice === undefined ? 43_200 : Math.min(minute - ownDevice.last, 43_200)],
    ["payer_age", age(payer)],
    ["payee_age", age(payee)],
    ["account_age", payment.openedAt === undefined ? 0 : Math.max(payment.at - payment.openedAt, 0) / DAY],
    ["payee_familiarity", foreignness(pairs, pair, minute)],
    ["payee_known", known(pair)],
    ["device_familiarity", foreignness(devices, ownDevice, minute)],
    ["device_known", known(ownDevice)],
    ["device_users", device.paid.filter((past) => past.payment.payer !== payment.payer).length],
    ["device_age", device.paid[0] === undefined ? 0 : Math.max(device.now - device.paid[0].at, 0) / DAY],
    [
      "network_familiarity",
      foreignness(
        networks,
        networks.find(({ name }) => name === network(payment)),
        minute,
      ),
    ],
    ["network_changed", changed(networks, network(payment))],
    [
      "country_familiarity",
      foreignness(
        countries,
        countries.find(({ name }) => name === payment.country),
        minute,
      ),
    ],
    ["country_changed", changed(countries, payment.country)],
    ["location_withheld", Number(place !== undefined && !located)],
    ["travel_distance", km],
    ["travel_speed", speed],
    ["travel_impossible", Number(speed > 900)],
    ...frauds("payee", payee),
    ...[1, 7, 30].map((back): [string, number] => {
      const labels = payee.labels.filter((at) => within(at, payee.now, DAY, back)).length;
      const then = payee.paid.filter(
        ({ at }) => Math.floor(at / DAY) >= labelDay - 7 - back && Math.floor(at / DAY) <= labelDay - 7,
      ).length;
      return [`payee_risk_${back}d`, labels === 0 ? 0 : Math.min(labels / Math.max(then, 1), 1)];
    }),
    ...frauds("payer", payer),
    ...frauds("device", device),
  ]);
}

test("vectors of the stream are those of a recount of the whole history", () => {
  fc.assert(
    fc.property(histories(80), (history) => {
      const stream = createFeatureStream();
      history.forEach((entry, i) => {
        if (entry.kind === "label") {
          stream.label(entry.label);
          return;
        }
        const vector = stream.next(entry.payment, entry.outcome);
        const expected = reference(history.slice(0, i), entry.payment);
        assert.equal(expected.size, FEATURES.length);
        FEATURES.forEach(({ name }, k) => {
          const want = expected.get(name) ?? Number.NaN;
          const got = vector[k] ?? Number.NaN;
          // Only what takes logarithms and sines may differ, in the last digits.
          assert.ok(Math.abs(got - want) <= 1e-9 * Math.max(Math.abs(want), 1), `${name}: ${got}, recounted ${want}, at entry ${i}`);
        });
      });
    }),
    // Shrinking a long history to its cause is cut short, so that a failure is told in time.
    { numRuns: 250, interruptAfterTimeLimit: 20_000 },
  );
});
