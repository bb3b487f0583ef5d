import { quantile, totalOf } from "./amounts.ts";
import { type Buckets, countIn, slotOf, sumIn } from "./buckets.ts";
import { type FeatureGroup, plain, risk } from "./feature.ts";
import { dayTier, pairTiers, payeeTiers, payerTiers } from "./tiers.ts";

/** Ratios above this count as this. */
const RATIO_MAX = 1e6;
/** Half an octave around the median is no news, however regular the payer. */
const SPREAD_MIN = 0.25;
/** Interquartile range of a normal distribution, in standard deviations. */
const IQR = 1.349;

const ratio = (part: number, whole: number): number => (whole > 0 ? Math.min(part / whole, RATIO_MAX) : 0);

/** The mean payment of a window; 0 when there is none. */
function meanIn(buckets: Buckets, slot: number, back: number): number {
  const count = countIn(buckets, slot, back);
  return count === 0 ? 0 : sumIn(buckets, slot, back) / count;
}

/** How round: 3 for whole hundreds of reference units, 2 for whole tens, 1 for whole ones. */
function roundness(amount: number): number {
  if (amount === 0 || amount % 100 !== 0) return 0;
  return amount % 10_000 === 0 ? 3 : amount % 1000 === 0 ? 2 : 1;
}

/** The amount, alone and against what is usual. Ratios are 0 where there is nothing to compare with. */
export const amountFeatures: FeatureGroup = {
  features: [
    plain("amount", "reference cents", "payment", 0, "The amount."),
    plain("amount_log2", "octaves", "payment", 0, "Binary logarithm of the amount; 0 below 1."),
    plain("amount_roundness", "0-3", "payment", 0, "Whole hundreds (3), tens (2) or ones (1) of reference units."),
    plain(
      "amount_of_available",
      "share",
      "account",
      1,
      "The amount as a share of what the account could spend, at most 1; 1 when not told.",
    ),
    plain("amount_to_payer_mean_24h", "ratio", "payer", 0, "Amount to the payer's mean payment of 24 hours."),
    plain("amount_to_payer_mean_7d", "ratio", "payer", 0, "Amount to the payer's mean payment of 7 days."),
    plain("amount_to_payer_mean_30d", "ratio", "payer", 0, "Amount to the payer's mean payment of 30 days."),
    plain("amount_to_typical", "ratio", "payer", 0, "Amount to the payer's median posted payment."),
    plain(
      "amount_z",
      "deviations",
      "payer",
      0,
      "Logarithm of the amount against the payer's median, in robust deviations (from the quartiles).",
    ),
    plain("amount_to_max", "ratio", "payer", 0, "Amount to the largest the payer has had posted."),
    plain("payer_amounts", "payments", "payer", 0, "How many posted amounts (weighted towards the newest) the comparison rests on."),
    plain("payer_mean_7d_to_typical", "ratio", "payer", 0, "The payer's mean payment of 7 days to the median."),
    risk("payer_outliers_7d", "payments", "payer", 0, "Earlier payments of over 2.5 times the median in 7 days."),
    risk("payer_outliers_30d", "payments", "payer", 0, "The same in 30 days."),
    plain("amount_to_pair_mean_30d", "ratio", "pair", 0, "Amount to the mean the payer pays this payee, in 30 days."),
    plain("amount_to_payee_mean_30d", "ratio", "payee", 0, "Amount to the mean the payee is paid, in 30 days."),
  ],
  write(out, start, { seen, payer, payee, pair, payerAt, payeeAt }) {
    const { amount, available } = seen;
    const log = amount < 1 ? 0 : Math.log2(amount);
    const total = totalOf(payer.amounts);
    const median = total === 0 ? 0 : quantile(payer.amounts, total, 0.5);
    const typical = total === 0 ? 0 : 2 ** median;
    const spread = total === 0 ? 1 : (quantile(payer.amounts, total, 0.75) - quantile(payer.amounts, total, 0.25)) / IQR;
    const day = slotOf(payerTiers.days, payerAt);
    const mean7d = meanIn(payer.days, day, 7);
    let i = start;
    out[i++] = amount;
    out[i++] = log;
    out[i++] = roundness(amount);
    out[i++] = available < 0 || amount >= available ? 1 : amount / available;
    out[i++] = ratio(amount, meanIn(payer.hours, slotOf(payerTiers.hours, payerAt), 12));
    out[i++] = ratio(amount, mean7d);
    out[i++] = ratio(amount, meanIn(payer.days, day, 30));
    out[i++] = ratio(amount, typical);
    out[i++] = total === 0 ? 0 : (log - median) / Math.max(spread, SPREAD_MIN);
    out[i++] = ratio(amount, payer.max);
    out[i++] = total;
    out[i++] = ratio(mean7d, typical);
    out[i++] = countIn(payer.outliers, slotOf(dayTier, payerAt), 7);
    out[i++] = countIn(payer.outliers, slotOf(dayTier, payerAt), 30);
    out[i++] = pair === undefined ? 0 : ratio(amount, meanIn(pair.weeks, slotOf(pairTiers.weeks, payerAt), pairTiers.weeks.back));
    out[i++] = ratio(amount, meanIn(payee.days, slotOf(payeeTiers.days, payeeAt), 30));
    return i;
  },
};
