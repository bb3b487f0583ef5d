import type { PayerProfile } from "#features/index.ts";
import { historyOf, learnAmount, withHistory } from "./amount-history.ts";
import type { Evidence } from "./context.ts";
import { HOUR_COUNT_MAX, remembered, SETTLE_MINUTES } from "./factors-config.ts";
import { hourOf, travelsImpossibly } from "./factors.ts";
import { remember } from "./familiar.ts";
import type { RiskProfile } from "./profile.ts";
import type { LastLocation } from "./travel.ts";

const MS_PER_MINUTE = 60_000;
const NO_HOURS: readonly number[] = Array.from({ length: 24 }, () => 0);

/** What is known of a payer before the first payment. Its version 0 is never stored. */
export function emptyProfile(id: string, at: number): RiskProfile {
  return {
    id,
    version: 0,
    firstSeen: at,
    lastSeen: at,
    recent: [],
    amounts: [],
    devices: [],
    userAgents: [],
    places: [],
    payees: [],
    lastLocation: undefined,
    hours: NO_HOURS,
    hourSeen: -1,
    features: undefined,
  };
}

/** The profile after a payment that goes to review: it counts for velocity, and vouches for nothing. */
export function learnVelocity(
  profile: RiskProfile,
  recent: readonly number[],
  at: number,
  features: PayerProfile | undefined,
): RiskProfile {
  // The literal is written out because spreading costs several times as much on the decision's path.
  return {
    id: profile.id,
    version: profile.version + 1,
    firstSeen: profile.firstSeen,
    lastSeen: Math.max(profile.lastSeen, at),
    recent,
    amounts: profile.amounts,
    devices: profile.devices,
    userAgents: profile.userAgents,
    places: profile.places,
    payees: profile.payees,
    lastLocation: profile.lastLocation,
    hours: profile.hours,
    hourSeen: hourSeenOf(profile),
    features,
  };
}

export interface Payment {
  readonly amount: bigint;
  readonly currency: string;
  /** The payee's number. */
  readonly payee: number;
  readonly evidence: Evidence;
  /** Milliseconds, and the same in whole minutes. */
  readonly at: number;
  readonly minute: number;
}

/** The profile after a payment that may vouch for later ones. */
export function learnPayment(
  profile: RiskProfile,
  recent: readonly number[],
  payment: Payment,
  features: PayerProfile | undefined,
): RiskProfile {
  const { amount, currency, evidence, at, minute, payee } = payment;
  const founding = at - profile.firstSeen < SETTLE_MINUTES * MS_PER_MINUTE;
  const history = learnAmount(historyOf(profile.amounts, currency), currency, amount, minute, founding);
  return {
    id: profile.id,
    version: profile.version + 1,
    firstSeen: profile.firstSeen,
    lastSeen: Math.max(profile.lastSeen, at),
    recent,
    amounts: withHistory(profile.amounts, history),
    devices: remember(profile.devices, evidence.device, minute, founding, remembered.devices),
    userAgents: remember(profile.userAgents, evidence.userAgent, minute, founding, remembered.userAgents),
    places: remember(profile.places, evidence.place, minute, founding, remembered.places),
    payees: remember(profile.payees, payee, minute, founding, remembered.payees),
    lastLocation: learnLocation(profile, evidence, at),
    hours: learnHour(profile, at),
    hourSeen: Math.max(hourSeenOf(profile), clockHourOf(at)),
    features,
  };
}

/** An impossible journey does not move the payer: the next payment from there is to be as impossible. */
function learnLocation(profile: RiskProfile, evidence: Evidence, at: number): LastLocation | undefined {
  if (!evidence.located || travelsImpossibly(profile, evidence, at)) return profile.lastLocation;
  return {
    // Adding 0 turns a negative zero, which JSON does not carry, into zero.
    latitudeE4: Math.round(evidence.latitude * 10_000) + 0,
    longitudeE4: Math.round(evidence.longitude * 10_000) + 0,
    at: Math.max(at, profile.lastLocation?.at ?? at),
  };
}

/** The clock hour of a time in ms, since 1970. */
export const clockHourOf = (at: number): number => Math.floor(at / 3_600_000);

/** The clock hour that was counted last. Not that of the last payment: one that is held, or waits, has counted none. */
function hourSeenOf({ hourSeen, lastSeen }: RiskProfile): number {
  return hourSeen ?? clockHourOf(lastSeen);
}

/** A clock hour counts once, so that a burst at night does not make the night usual; one that comes again by a clock that went back is over. */
function learnHour(profile: RiskProfile, at: number): readonly number[] {
  if (clockHourOf(at) <= hourSeenOf(profile)) return profile.hours;
  const hour = hourOf(at);
  const full = (profile.hours[hour] ?? 0) >= HOUR_COUNT_MAX;
  return profile.hours.map((count, i) => (full ? count >> 1 : count) + (i === hour ? 1 : 0));
}
