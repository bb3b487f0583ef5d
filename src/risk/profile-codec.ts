import { decodePayer, encodePayer } from "#features/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { JsonValue } from "#kernel/json.ts";
import { minorToWire } from "#kernel/money.ts";
import type { Item } from "#storage/index.ts";
import type { AmountHistory } from "./amount-history.ts";
import { clockHourOf } from "./learn.ts";
import type { RiskProfile } from "./profile.ts";
import type { LastLocation } from "./travel.ts";

/** The stored form: lists of numbers without names, because it is written with every payment. */
export function riskProfileToItem(profile: RiskProfile): Item {
  const { lastLocation, lastSeen, hourSeen } = profile;
  return {
    id: profile.id,
    version: profile.version,
    first_seen: profile.firstSeen,
    last_seen: lastSeen,
    /** Milliseconds before `last_seen`. */
    recent: profile.recent.map((at) => lastSeen - at),
    amounts: profile.amounts.map((h) => [
      h.currency,
      h.count,
      minorToWire(h.sum),
      minorToWire(h.max),
      minorToWire(h.pending),
      h.pendingSince,
      h.since,
    ]),
    devices: profile.devices,
    user_agents: profile.userAgents,
    places: profile.places,
    payees: profile.payees,
    location: lastLocation === undefined ? null : [lastLocation.latitudeE4, lastLocation.longitudeE4, lastLocation.at],
    hours: profile.hours,
    // As a rule it is that of the last payment, and then it is not written.
    ...(hourSeen === undefined || hourSeen === clockHourOf(lastSeen) ? {} : { hour_seen: hourSeen }),
    ...(profile.features === undefined ? {} : { features: encodePayer(profile.features) }),
  };
}

function integer(value: JsonValue | undefined): number {
  invariant(typeof value === "number" && Number.isSafeInteger(value), "risk profile: a stored number is no safe integer");
  return value;
}

function list(value: JsonValue | undefined): readonly JsonValue[] {
  invariant(Array.isArray(value), "risk profile: a stored list is missing");
  return value as readonly JsonValue[];
}

// By position and with the assertion behind the test: some fifty numbers are looked at for every payment.
function integers(value: JsonValue | undefined): readonly number[] {
  const values = list(value);
  for (let i = 0; i < values.length; i++) if (!Number.isSafeInteger(values[i])) integer(values[i]);
  return values as readonly number[];
}

function pairs(value: JsonValue | undefined): readonly number[] {
  const values = integers(value);
  invariant(values.length % 2 === 0, "risk profile: a stored list of pairs is uneven");
  return values;
}

function amountHistory(value: JsonValue): AmountHistory {
  const stored = list(value);
  const currency = stored[0];
  const count = integer(stored[1]);
  invariant(typeof currency === "string" && count > 0, "risk profile: a stored amount history is malformed");
  return {
    currency,
    count,
    sum: BigInt(integer(stored[2])),
    max: BigInt(integer(stored[3])),
    pending: BigInt(integer(stored[4])),
    pendingSince: integer(stored[5]),
    since: integer(stored[6]),
  };
}

function lastLocation(value: JsonValue | undefined): LastLocation | undefined {
  if (value === null) return undefined;
  const [latitudeE4, longitudeE4, at] = list(value);
  return { latitudeE4: integer(latitudeE4), longitudeE4: integer(longitudeE4), at: integer(at) };
}

/** @throws InvariantError when the item is not one `riskProfileToItem` made. */
export function riskProfileFromItem(item: Item): RiskProfile {
  invariant(typeof item["id"] === "string", "risk profile: the stored id is missing");
  const lastSeen = integer(item["last_seen"]);
  const hours = integers(item["hours"]);
  invariant(hours.length === 24, "risk profile: a day has 24 hours");
  const features = item["features"];
  invariant(features === undefined || typeof features === "string", "risk profile: the stored features are malformed");
  return {
    id: item["id"],
    version: integer(item["version"]),
    firstSeen: integer(item["first_seen"]),
    lastSeen,
    recent: integers(item["recent"]).map((before) => lastSeen - before),
    amounts: list(item["amounts"]).map(amountHistory),
    devices: pairs(item["devices"]),
    userAgents: pairs(item["user_agents"]),
    places: pairs(item["places"]),
    payees: pairs(item["payees"]),
    lastLocation: lastLocation(item["location"]),
    hours,
    hourSeen: item["hour_seen"] === undefined ? clockHourOf(lastSeen) : integer(item["hour_seen"]),
    features: features === undefined ? undefined : decodePayer(features),
  };
}

/** The risk profiles as a collection of the table `smartfinance-risk-profiles`. */
export const riskProfiles = {
  table: "smartfinance-risk-profiles",
  keyOf: (profile: RiskProfile) => ({ hash: profile.id }),
  toItem: riskProfileToItem,
  fromItem: riskProfileFromItem,
} as const;
