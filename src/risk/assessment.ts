import { invariant } from "#kernel/assert.ts";
import type { JsonObject, JsonValue } from "#kernel/json.ts";
import { type FactorName, MODEL, ONE } from "./factors-config.ts";

/** Why a score is what it is. Stable: clients may switch on these. */
export const reasonCodes = [
  "velocity_elevated",
  "velocity_burst",
  "amount_large",
  "amount_unusual",
  "location_absent",
  "location_first",
  "location_new",
  "location_impossible_travel",
  "device_absent",
  "device_first",
  "device_new",
  "behaviour_unusual_hour",
  "behaviour_new_payee",
  "behaviour_user_agent_changed",
] as const;
export type ReasonCode = (typeof reasonCodes)[number];

/** The outcome of scoring one payment. All scores are integers in ten-thousandths. */
export interface Assessment {
  readonly model: typeof MODEL;
  readonly score: number;
  /** Before weighting. */
  readonly factors: Readonly<Record<FactorName, number>>;
  /** Of the factors that added notably, by what they added, largest first. */
  readonly reasons: readonly ReasonCode[];
  /** The payer's payments in the last 30 minutes, this one included; what exceeds 17 is not counted. */
  readonly velocity_count: number;
}

/** The stored form. */
export function assessmentToItem(assessment: Assessment): JsonObject {
  const { model, score, factors, reasons, velocity_count } = assessment;
  const { velocity, amount, location, device, behaviour } = factors;
  return { model, score, factors: { velocity, amount, location, device, behaviour }, reasons, velocity_count };
}

function score(value: JsonValue | undefined): number {
  invariant(typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= ONE, "assessment: a score is out of range");
  return value;
}

const knownReasons: ReadonlySet<unknown> = new Set(reasonCodes);
const isReason = (value: unknown): value is ReasonCode => knownReasons.has(value);

/** @throws InvariantError when the item is not one `assessmentToItem` made. */
export function assessmentFromItem(item: JsonObject): Assessment {
  const { model, factors, reasons, velocity_count: count } = item;
  invariant(model === MODEL, "assessment: the model is unknown");
  invariant(typeof factors === "object" && factors !== null && !Array.isArray(factors), "assessment: the factors are missing");
  invariant(Array.isArray(reasons) && reasons.every(isReason), "assessment: a reason is unknown");
  invariant(typeof count === "number" && Number.isSafeInteger(count) && count >= 1, "assessment: the count is malformed");
  const stored = factors as JsonObject;
  return {
    model,
    score: score(item["score"]),
    factors: {
      velocity: score(stored["velocity"]),
      amount: score(stored["amount"]),
      location: score(stored["location"]),
      device: score(stored["device"]),
      behaviour: score(stored["behaviour"]),
    },
    reasons,
    velocity_count: count,
  };
}

/** The score of a stored assessment from 0 to 1, without reading the rest. */
export function riskScoreOf(item: JsonObject): number {
  return score(item["score"]) / ONE;
}

/** An assessment as clients see it: scores from 0 to 1 with at most four decimals. */
export interface AssessmentView {
  readonly risk_score: number;
  readonly model: string;
  readonly factors: Readonly<Record<FactorName, number>>;
  readonly reasons: readonly ReasonCode[];
  readonly velocity_count: number;
}

/** Dividing an integer by 10,000 gives the double that prints with at most four decimals. */
export function presentAssessment(assessment: Assessment): AssessmentView {
  const { factors } = assessment;
  return {
    risk_score: assessment.score / ONE,
    model: assessment.model,
    factors: {
      velocity: factors.velocity / ONE,
      amount: factors.amount / ONE,
      location: factors.location / ONE,
      device: factors.device / ONE,
      behaviour: factors.behaviour / ONE,
    },
    reasons: assessment.reasons,
    velocity_count: assessment.velocity_count,
  };
}
