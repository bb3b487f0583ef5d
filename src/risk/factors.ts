import { historyOf, scoreAmount } from "./amount-history.ts";
import type { ReasonCode } from "./assessment.ts";
import type { Evidence } from "./context.ts";
import {
  amount as amountConfig,
  behaviour as behaviourConfig,
  deviceScores,
  location as locationConfig,
  ONE,
  placeScores,
  velocity as velocityConfig,
} from "./factors-config.ts";
import { type Familiarity, familiarity } from "./familiar.ts";
import type { RiskProfile } from "./profile.ts";
import { isImpossibleTravel } from "./travel.ts";

/** One factor of a score, in ten-thousandths before weighting, and the reason to name if it adds notably. */
export interface Factor {
  readonly score: number;
  readonly reason: ReasonCode;
}

/** @param count the payer's payments in the window, this one included. */
export function velocityFactor(count: number): Factor {
  const { calmUpTo, perPayment, burst } = velocityConfig;
  if (count > calmUpTo) return { score: burst, reason: "velocity_burst" };
  return { score: count * perPayment, reason: "velocity_elevated" };
}

/** By the payer's own history in the currency; without one by absolute steps. */
export function amountFactor(profile: RiskProfile, currency: string, amount: bigint, minute: number): Factor {
  const history = historyOf(profile.amounts, currency);
  const score = scoreAmount(history, currency, amount, minute);
  return { score, reason: history === undefined || history.count < amountConfig.historyNeeded ? "amount_large" : "amount_unusual" };
}

const deviceReasons: Readonly<Record<Familiarity, ReasonCode>> = {
  known: "device_new",
  new: "device_new",
  first: "device_first",
  withheld: "device_absent",
  absent: "device_absent",
};

/** Withholding the device costs a customer who has one as much as a new one: leaving it out must not pay. */
export function deviceFactor(profile: RiskProfile, evidence: Evidence, minute: number): Factor {
  const found = familiarity(profile.devices, evidence.device, minute);
  return { score: deviceScores[found], reason: deviceReasons[found] };
}

const placeReasons: Readonly<Record<Familiarity, ReasonCode>> = {
  known: "location_absent",
  new: "location_new",
  first: "location_first",
  withheld: "location_absent",
  absent: "location_absent",
};

/** Where the payer is, against where the payer uses to be, and whether the way there can be travelled in the time. */
export function locationFactor(profile: RiskProfile, evidence: Evidence, at: number, minute: number): Factor {
  if (travelsImpossibly(profile, evidence, at)) return { score: locationConfig.impossibleTravel, reason: "location_impossible_travel" };
  const found = familiarity(profile.places, evidence.place, minute);
  const score = placeScores[found];
  const withheld = !evidence.located && profile.lastLocation !== undefined ? locationConfig.coordinatesWithheld : 0;
  return { score: Math.max(score, withheld), reason: placeReasons[found] };
}

/** Whether coordinates are given that cannot be reached from the last ones. */
export function travelsImpossibly(profile: RiskProfile, evidence: Evidence, at: number): boolean {
  const { lastLocation } = profile;
  return evidence.located && lastLocation !== undefined && isImpossibleTravel(lastLocation, evidence.latitude, evidence.longitude, at);
}

const MS_PER_HOUR = 3_600_000;

/** The hour of the day (UTC) of a time in ms. */
export function hourOf(at: number): number {
  return Math.floor(at / MS_PER_HOUR) % 24;
}

/** Whether the payer hardly ever pays around this hour. Neighbouring hours count: summer time moves everyone by one. */
function isUnusualHour(hours: readonly number[], hour: number): boolean {
  let total = 0;
  for (const count of hours) total += count;
  if (total < behaviourConfig.hoursNeeded) return false;
  const near = (hours[(hour + 23) % 24] ?? 0) + (hours[hour] ?? 0) + (hours[(hour + 1) % 24] ?? 0);
  return near * behaviourConfig.unusualShare < total;
}

/** @param payee the payee's number in the profile. */
export function behaviourFactor(profile: RiskProfile, evidence: Evidence, payee: number, at: number, minute: number): Factor {
  const hourPart = isUnusualHour(profile.hours, hourOf(at)) ? behaviourConfig.unusualHour : 0;
  const payeePart = behaviourConfig.payee[familiarity(profile.payees, payee, minute)];
  const agentPart = behaviourConfig.userAgent[familiarity(profile.userAgents, evidence.userAgent, minute)];
  const score = Math.min(hourPart + payeePart + agentPart, ONE);
  if (payeePart >= hourPart && payeePart >= agentPart) return { score, reason: "behaviour_new_payee" };
  return { score, reason: hourPart >= agentPart ? "behaviour_unusual_hour" : "behaviour_user_agent_changed" };
}
