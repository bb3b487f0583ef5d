import { type FeatureGroup, plain, risk } from "./feature.ts";
import { familiarity, familiarityOf, findKnown, type Known } from "./known.ts";
import { pairFamiliarity } from "./pair.ts";
import { DAY_MS } from "./tiers.ts";
import { IMPOSSIBLE_KMH, kmFrom, speedKmh } from "./travel.ts";

/** Known for longer than this counts as this: 90 days. */
const KNOWN_MAX_HOURS = 90 * 24;
const SCALE = "0 own for a day, 1 for less, 2 the payer has none yet, 3 another than the payer's own, or withheld";

/** Hours since a first use (a minute); 0 when there was none. */
const hoursKnown = (since: number, minute: number): number => Math.min((minute - since) / 60, KNOWN_MAX_HOURS);

/** Whether `key` is another than the most recently used. */
const changed = (list: Known, key: number): number => (key !== 0 && list.length > 0 && list[0] !== key ? 1 : 0);

/** Against the payer's habits: payee, device, network, country, place. */
export const habitFeatures: FeatureGroup = {
  features: [
    risk("payee_familiarity", "0-3", "pair", familiarity.first, `How foreign the payee is: ${SCALE}.`),
    plain("payee_known", "hours", "pair", 0, "Since the payer's first posted payment to the payee, at most 90 days."),
    risk("device_familiarity", "0-3", "payer", familiarity.first, `How foreign the device is: ${SCALE}.`),
    plain("device_known", "hours", "payer", 0, "Since the payer's first posted payment from the device, at most 90 days."),
    risk("device_users", "users", "device", 0, "Other users seen on the device, at most 8."),
    plain("device_age", "days", "device", 0, "Since anybody's first payment from the device."),
    risk("network_familiarity", "0-3", "payer", familiarity.first, `How foreign the network of the IP address is: ${SCALE}.`),
    plain("network_changed", "0/1", "payer", 0, "Whether it is another network than last time."),
    risk("country_familiarity", "0-3", "payer", familiarity.first, `How foreign the country is: ${SCALE}.`),
    plain("country_changed", "0/1", "payer", 0, "Whether it is another country than last time."),
    plain("location_withheld", "0/1", "payer", 0, "Coordinates are missing although the payer has given them before."),
    risk("travel_distance", "kilometres", "payer", 0, "From where the payer last was (haversine)."),
    risk("travel_speed", "km/h", "payer", 0, "Of that journey, if over 50 km; at most 40,000."),
    risk("travel_impossible", "0/1", "payer", 0, "Whether that is over 900 km/h."),
  ],
  write(out, start, { seen, payer, pair, device, payerAt, deviceAt }) {
    const minute = Math.floor(payerAt / 60_000);
    const ownDevice = findKnown(payer.devices, seen.device);
    const { place } = payer;
    const km = place === undefined || !seen.located ? 0 : kmFrom(place, seen.latitude, seen.longitude);
    const speed = place === undefined ? 0 : speedKmh(place, km, payerAt);
    let i = start;
    out[i++] = pairFamiliarity(payer.pairs, pair, minute);
    out[i++] = pair === undefined || pair.since === 0 ? 0 : hoursKnown(pair.since, minute);
    out[i++] = familiarityOf(payer.devices, ownDevice, minute);
    out[i++] = ownDevice < 0 ? 0 : hoursKnown(payer.devices[ownDevice + 1] ?? minute, minute);
    out[i++] = device.users.length - (device.users.includes(seen.payer) ? 1 : 0);
    out[i++] = device.firstAt === 0 ? 0 : (deviceAt - device.firstAt) / DAY_MS;
    out[i++] = familiarityOf(payer.networks, findKnown(payer.networks, seen.network), minute);
    out[i++] = changed(payer.networks, seen.network);
    out[i++] = familiarityOf(payer.countries, findKnown(payer.countries, seen.country), minute);
    out[i++] = changed(payer.countries, seen.country);
    out[i++] = !seen.located && place !== undefined ? 1 : 0;
    out[i++] = km;
    out[i++] = speed;
    out[i++] = speed > IMPOSSIBLE_KMH ? 1 : 0;
    return i;
  },
};
