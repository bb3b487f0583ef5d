import { invariant } from "#kernel/assert.ts";
import type { JsonObject, JsonValue } from "#kernel/json.ts";
import { type FactorName, MODEL, ONE } from "./factors-config.ts";
import type { Verdict } from "./verdict.ts";
import { presentHit, verdictFromItem, verdictToItem } from "./verdict.ts";

/** Why a score is what it is, and why it led to what it did. Stable: clients may switch on these. */
export const reasonCodes = [
  "challenge_required",
  "rule_matched",
  "model_score_high",
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
  /** What gave the score: `factors-1`, or the id of a model. */
  readonly model: string;
  /** The score that decides. */
  readonly score: number;
  /** Before weighting. */
  readonly factors: Readonly<Record<FactorName, number>>;
  /** Why the payment does not simply post, then the factors that added notably by what they added, largest first. */
  readonly reasons: readonly ReasonCode[];
  /** The payer's payments in the last 30 minutes, this one included; what exceeds 17 is not counted. */
  readonly velocity_count: number;
  /** What the score, the rules and the models came to. Absent in assessments of the first version, which the factors alone decided. */
  readonly verdict?: Verdict;
}

/** The stored form. */
export function assessmentToItem(assessment: Assessment): JsonObject {
  const { model, score, factors, reasons, velocity_count, verdict } = assessment;
  const { velocity, amount, location, device, behaviour } = factors;
  const item = { model, score, factors: { velocity, amount, location, device, behaviour }, reasons, velocity_count };
  return verdict === undefined ? item : verdictToItem(item, verdict);
}

function score(value: JsonValue | undefined): number {
  invariant(typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= ONE, "assessment: a score is out of range");
  return value;
}

const knownReasons: ReadonlySet<unknown> = new Set(reasonCodes);
const isReason = (value: unknown): value is ReasonCode => knownReasons.has(value);

/** @throws InvariantError when the item is not one `assessmentToItem` made, of whatever version. */
export function assessmentFromItem(item: JsonObject): Assessment {
  const { model, factors, reasons, velocity_count: count } = item;
  const verdict = verdictFromItem(item);
  invariant(typeof model === "string" && (verdict !== undefined || model === MODEL), "assessment: the model is unknown");
  invariant(typeof factors === "object" && factors !== null && !Array.isArray(factors), "assessment: the factors are missing");
  invariant(Array.isArray(reasons) && reasons.every(isReason), "assessment: a reason is unknown");
  invariant(typeof count === "number" && Number.isSafeInteger(count) && count >= 1, "assessment: the count is malformed");
  const stored = factors as JsonObject;
  const assessment = {
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
  return verdict === undefined ? assessment : { ...assessment, verdict };
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
  /** Absent in assessments of the first version. */
  readonly action?: Verdict["action"];
  /** Absent where no rule hit. */
  readonly rules?: readonly JsonObject[];
}

/** Dividing an integer by 10,000 gives the double that prints with at most four decimals. */
export function presentAssessment(assessment: Assessment): AssessmentView {
  const { factors, verdict } = assessment;
  const view = {
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
  if (verdict === undefined) return view;
  const { action, rules } = verdict;
  return rules === undefined || rules.hits.length === 0 ? { ...view, action } : { ...view, action, rules: rules.hits.map(presentHit) };
}
