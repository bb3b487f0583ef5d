import { type Buckets, countBetween, countIn, slotOf } from "./buckets.ts";
import { type Feature, type FeatureGroup, type FeatureSource, plain, risk } from "./feature.ts";
import { dayTier, LABEL_DELAY_DAYS } from "./tiers.ts";

const WINDOWS = [1, 7, 30] as const;
const WINDOW_MAX = dayTier.back;

function declare(source: FeatureSource): Feature[] {
  return [
    ...WINDOWS.map((days) =>
      risk(`${source}_frauds_${days}d`, "frauds", source, 0, `Frauds of this ${source} that became known in ${days} days.`),
    ),
    plain(`${source}_fraud_since`, "days", source, 0, `Since the first of the ${source}'s frauds known in 30 days, this day included.`),
    plain(
      `${source}_fraud_recency`,
      "days",
      source,
      0,
      `31 less the days since the newest of the ${source}'s known frauds; 0 without one.`,
    ),
  ];
}

function writeFrauds(out: Float64Array, start: number, frauds: Buckets, day: number): number {
  let i = start;
  for (const back of WINDOWS) out[i++] = countIn(frauds, day, back);
  let oldest = day + 1;
  for (let k = frauds.length - 3; k >= 0 && (frauds[k] ?? 0) >= day - WINDOW_MAX; k -= 3) oldest = frauds[k] ?? oldest;
  const newest = frauds[frauds.length - 3] ?? 0;
  out[i++] = day + 1 - oldest;
  out[i++] = Math.max(WINDOW_MAX + 1 - (day - newest), 0);
  return i;
}

/**
 * What is known by now of frauds at the payee, by the payer, from the device. A label counts from its arrival. The payee's risk
 * holds the frauds that became known in a window against the payments of the window `LABEL_DELAY_DAYS` earlier, when most of
 * them were made (the terminal risk of the Fraud Detection Handbook, chapter 3.4). It is no known risk in the sense of `risky`:
 * more payments do lower it, the counts beside it they do not.
 */
export const labelFeatures: FeatureGroup = {
  features: [
    ...declare("payee"),
    ...WINDOWS.map((days) =>
      plain(
        `payee_risk_${days}d`,
        "share",
        "payee",
        0,
        `The payee's frauds known in ${days} days to its payments of ${LABEL_DELAY_DAYS} days before.`,
      ),
    ),
    ...declare("payer"),
    ...declare("device"),
  ],
  write(out, start, { payer, payee, device, payerAt, payeeAt, deviceAt }) {
    const day = slotOf(dayTier, payeeAt);
    let i = writeFrauds(out, start, payee.frauds, day);
    for (const back of WINDOWS) {
      const frauds = countIn(payee.frauds, day, back);
      const payments = frauds === 0 ? 1 : countBetween(payee.days, day - LABEL_DELAY_DAYS - back, day - LABEL_DELAY_DAYS);
      out[i++] = Math.min(frauds / Math.max(payments, 1), 1);
    }
    i = writeFrauds(out, i, payer.frauds, slotOf(dayTier, payerAt));
    return writeFrauds(out, i, device.frauds, slotOf(dayTier, deviceAt));
  },
};
