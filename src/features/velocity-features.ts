import { type Buckets, countIn, slotOf, sumIn, type Tier } from "./buckets.ts";
import { countDistinct } from "./distinct.ts";
import { type Feature, type FeatureGroup, type FeatureSource, plain, risk } from "./feature.ts";
import { distinctEpochs, pairTiers, payeeTiers, payerTiers } from "./tiers.ts";

/** A window: its name, and which tier it reads how many buckets back. */
interface Window<T extends string> {
  readonly name: string;
  readonly tier: T;
  readonly back: number;
}

const payerWindows: readonly Window<keyof typeof payerTiers>[] = [
  { name: "10m", tier: "minutes", back: 10 },
  { name: "30m", tier: "short", back: 6 },
  { name: "1h", tier: "short", back: 12 },
  { name: "24h", tier: "hours", back: 12 },
  { name: "7d", tier: "days", back: 7 },
  { name: "30d", tier: "days", back: 30 },
];

const payeeWindows: readonly Window<keyof typeof payeeTiers>[] = [
  { name: "10m", tier: "short", back: 2 },
  { name: "30m", tier: "short", back: 6 },
  { name: "1h", tier: "short", back: 12 },
  { name: "24h", tier: "hours", back: 8 },
  { name: "7d", tier: "days", back: 7 },
  { name: "30d", tier: "days", back: 30 },
];

const pairWindows: readonly Window<keyof typeof pairTiers>[] = [
  { name: "10m", tier: "short", back: 1 },
  { name: "30m", tier: "short", back: 3 },
  { name: "1h", tier: "short", back: 6 },
  { name: "24h", tier: "hours", back: 3 },
  { name: "7d", tier: "weeks", back: 1 },
  { name: "30d", tier: "weeks", back: 4 },
];

function declare(
  source: FeatureSource,
  whose: string,
  windows: readonly Window<string>[],
  tiers: Readonly<Record<string, Tier>>,
): Feature[] {
  return windows.flatMap(({ name, tier, back }) => {
    const minutes = (tiers[tier]?.ms ?? 0) / 60_000;
    const how = `(buckets of ${minutes} min, this one and ${back} before)`;
    return [
      risk(`${source}_count_${name}`, "payments", source, 0, `Earlier payments ${whose} in the last ${name} ${how}.`),
      risk(`${source}_sum_${name}`, "reference cents", source, 0, `What they add up to ${how}.`),
    ];
  });
}

function writeWindows<T extends string>(
  out: Float64Array,
  at: number,
  start: number,
  windows: readonly Window<T>[],
  tiers: Readonly<Record<T, Tier>>,
  profile: Readonly<Record<T, Buckets>> | undefined,
): number {
  let i = start;
  for (const { tier, back } of windows) {
    const buckets = profile?.[tier];
    const slot = slotOf(tiers[tier], at);
    out[i++] = buckets === undefined ? 0 : countIn(buckets, slot, back);
    out[i++] = buckets === undefined ? 0 : sumIn(buckets, slot, back);
  }
  return i;
}

/** How much, how often: counts and sums of earlier payments of the payer, to the payee, and between the two. */
export const velocityFeatures: FeatureGroup = {
  features: [
    risk(
      "payer_count_1m",
      "payments",
      "payer",
      0,
      "Earlier payments of the payer in the last minute (this clock minute and the one before): a burst.",
    ),
    ...declare("payer", "of the payer", payerWindows, payerTiers),
    ...declare("payee", "to the payee", payeeWindows, payeeTiers),
    ...declare("pair", "of the payer to the payee", pairWindows, pairTiers),
    plain("payee_payers_1d", "payers", "payee", 0, "About how many different payers paid the payee today and yesterday (UTC)."),
    plain(
      "payee_payers_30d",
      "payers",
      "payee",
      0,
      "About how many different payers paid the payee in this and the last epoch of 30 days.",
    ),
  ],
  write(out, start, { payer, payee, pair, payerAt, payeeAt }) {
    let i = start;
    out[i++] = countIn(payer.minutes, slotOf(payerTiers.minutes, payerAt), 1);
    i = writeWindows(out, payerAt, i, payerWindows, payerTiers, payer);
    i = writeWindows(out, payeeAt, i, payeeWindows, payeeTiers, payee);
    i = writeWindows(out, payerAt, i, pairWindows, pairTiers, pair);
    out[i++] = countDistinct(payee.payersDay, distinctEpochs.day, payeeAt);
    out[i++] = countDistinct(payee.payersMonth, distinctEpochs.month, payeeAt);
    return i;
  },
};
