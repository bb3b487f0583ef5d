import { type FeatureGroup, plain } from "./feature.ts";
import { findKnown } from "./known.ts";
import { DAY_MS } from "./tiers.ts";

/** Times since, up to 30 days; longer ago, or never, counts as this. */
const IDLE_MAX_S = 30 * 24 * 3600;
const IDLE_MAX_MINUTES = 30 * 24 * 60;
/** The last hour of the night, UTC, as the handbook has it. */
const NIGHT_UNTIL = 6;

const daysSince = (from: number, at: number): number => (from === 0 ? 0 : Math.max(at - from, 0) / DAY_MS);

/** When: hour and day, how long since the last time, how long known. */
export const timeFeatures: FeatureGroup = {
  features: [
    plain("hour", "hours", "payment", 0, "Hour of the day, UTC."),
    plain("night", "0/1", "payment", 0, "Whether that hour is one of 0 to 6."),
    plain("weekend", "0/1", "payment", 0, "Whether it is Saturday or Sunday, UTC."),
    plain("payer_idle", "seconds", "payer", IDLE_MAX_S, "Since the payer's last payment, at most 30 days."),
    plain("payee_idle", "seconds", "payee", IDLE_MAX_S, "Since the last payment to the payee, at most 30 days."),
    plain("pair_idle", "minutes", "pair", IDLE_MAX_MINUTES, "Since the payer's last payment to the payee, at most 30 days."),
    plain("device_idle", "minutes", "payer", IDLE_MAX_MINUTES, "Since the payer's last posted payment from this device, at most 30 days."),
    plain("payer_age", "days", "payer", 0, "Since the payer's first posted payment."),
    plain("payee_age", "days", "payee", 0, "Since the first posted payment to the payee."),
    plain("account_age", "days", "account", 0, "Since the paying account was opened; 0 when not told."),
  ],
  write(out, start, { seen, payer, payee, pair, payerAt, payeeAt }) {
    const { at } = seen;
    const hour = Math.floor(at / 3_600_000) % 24;
    const minute = Math.floor(payerAt / 60_000);
    const device = findKnown(payer.devices, seen.device);
    // 1 January 1970 was a Thursday.
    const weekday = (Math.floor(at / DAY_MS) + 4) % 7;
    let i = start;
    out[i++] = hour;
    out[i++] = hour <= NIGHT_UNTIL ? 1 : 0;
    out[i++] = weekday === 0 || weekday === 6 ? 1 : 0;
    out[i++] = payer.paidAt === 0 ? IDLE_MAX_S : Math.min((payerAt - payer.paidAt) / 1000, IDLE_MAX_S);
    out[i++] = payee.paidAt === 0 ? IDLE_MAX_S : Math.min((payeeAt - payee.paidAt) / 1000, IDLE_MAX_S);
    out[i++] = pair === undefined ? IDLE_MAX_MINUTES : Math.min(minute - pair.last, IDLE_MAX_MINUTES);
    out[i++] = device < 0 ? IDLE_MAX_MINUTES : Math.min(minute - (payer.devices[device + 2] ?? 0), IDLE_MAX_MINUTES);
    out[i++] = daysSince(payer.firstAt, payerAt);
    out[i++] = daysSince(payee.firstAt, payeeAt);
    out[i++] = daysSince(seen.openedAt, at);
    return i;
  },
};
