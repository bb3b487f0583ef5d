import { invariant } from "#kernel/assert.ts";
import type { JsonObject, JsonValue } from "#kernel/json.ts";

/** What happens to a payment, from the weakest to the strongest. A `challenge` is answered by the payer, or where that cannot be by a review (docs/risk-engine.md). */
export const riskActions = ["allow", "challenge", "review", "block"] as const;
export type RiskAction = (typeof riskActions)[number];

/** Scores above which something happens, in ten-thousandths; `null`: never. */
export interface ThresholdsUsed {
  readonly challengeAbove: number | null;
  readonly reviewAbove: number;
  readonly blockAbove: number | null;
}

/** A rule that took part. */
export interface RuleHit {
  readonly rule: string;
  readonly action: RiskAction;
  readonly reasonCode: string;
  /** Its expression could not be evaluated, so `action` is the cautious one. */
  readonly failed: boolean;
}

/** The rule set in force, and which of its rules hit. */
export interface RulesUsed {
  readonly ruleSetId: string;
  readonly number: number;
  readonly hits: readonly RuleHit[];
}

/** A model's score in ten-thousandths. */
export interface ModelScore {
  readonly id: string;
  readonly score: number;
}

/** What score, rules and models came to: everything that a replay of the decision needs. */
export interface Verdict {
  readonly action: RiskAction;
  /** The number of the device, as its record is found by; 0 where none was named. */
  readonly device: number;
  readonly featuresVersion: number;
  /** The vector as text, see `decodeFeatures`. */
  readonly features: string;
  /** The model in force, where its score decided. */
  readonly champion: ModelScore | undefined;
  readonly shadow: ModelScore | undefined;
  readonly rules: RulesUsed | undefined;
  readonly thresholds: ThresholdsUsed;
}

/** The version of stored assessments. The first one had no number and no verdict. */
const VERSION = 2;

/** What stored assessments of this version leave out. A constant of the stored form: it stays when what organisations begin with changes. */
const USUAL: ThresholdsUsed = { challengeAbove: null, reviewAbove: 8_000, blockAbove: null };

const isUsual = ({ challengeAbove, reviewAbove, blockAbove }: ThresholdsUsed): boolean =>
  challengeAbove === USUAL.challengeAbove && reviewAbove === USUAL.reviewAbove && blockAbove === USUAL.blockAbove;

/** Adds a verdict to the stored form of an assessment. Only what is there is written: it is kept with every payment. */
export function verdictToItem(base: JsonObject, verdict: Verdict): JsonObject {
  const { action, device, featuresVersion, features, champion, shadow, rules, thresholds } = verdict;
  const item: Record<string, JsonValue> = { ...base, v: VERSION, action, features_version: featuresVersion, features };
  if (device !== 0) item["device"] = device;
  if (champion !== undefined) item["model_score"] = champion.score;
  if (shadow !== undefined) item["shadow"] = [shadow.id, shadow.score];
  if (rules !== undefined) {
    item["rule_set"] = [rules.ruleSetId, rules.number];
    if (rules.hits.length > 0)
      item["hits"] = rules.hits.map(({ rule, action: asks, reasonCode, failed }) =>
        failed ? [rule, asks, reasonCode, true] : [rule, asks, reasonCode],
      );
  }
  if (!isUsual(thresholds)) item["thresholds"] = [thresholds.challengeAbove, thresholds.reviewAbove, thresholds.blockAbove];
  return item;
}

function list(value: JsonValue | undefined): readonly JsonValue[] {
  invariant(Array.isArray(value), "assessment: a stored list is missing");
  return value as readonly JsonValue[];
}

const isAction = (value: unknown): value is RiskAction => riskActions.some((action) => action === value);
const isScore = (value: unknown): value is number => typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 10_000;
const isThreshold = (value: unknown): value is number | null => value === null || isScore(value);

function hitFrom(stored: JsonValue): RuleHit {
  const [rule, action, reasonCode, failed] = list(stored);
  invariant(typeof rule === "string" && isAction(action) && typeof reasonCode === "string", "assessment: a stored hit is malformed");
  return { rule, action, reasonCode, failed: failed === true };
}

function rulesFrom({ rule_set, hits }: JsonObject): RulesUsed | undefined {
  if (rule_set === undefined) return undefined;
  const [ruleSetId, number] = list(rule_set);
  invariant(typeof ruleSetId === "string" && typeof number === "number", "assessment: the stored rule set is malformed");
  return { ruleSetId, number, hits: hits === undefined ? [] : list(hits).map(hitFrom) };
}

function shadowFrom(stored: JsonValue | undefined): ModelScore | undefined {
  if (stored === undefined) return undefined;
  const [id, score] = list(stored);
  invariant(typeof id === "string" && isScore(score), "assessment: the stored shadow score is malformed");
  return { id, score };
}

function thresholdsFrom(stored: JsonValue | undefined): ThresholdsUsed {
  if (stored === undefined) return USUAL;
  const [challengeAbove, reviewAbove, blockAbove] = list(stored);
  invariant(
    isThreshold(challengeAbove) && isScore(reviewAbove) && isThreshold(blockAbove),
    "assessment: the stored thresholds are malformed",
  );
  return { challengeAbove, reviewAbove, blockAbove };
}

/** The verdict of a stored assessment; `undefined` in those of the first version. @throws InvariantError when it is malformed */
export function verdictFromItem(item: JsonObject): Verdict | undefined {
  if (item["v"] === undefined) return undefined;
  const { v, model, action, device = 0, features_version: featuresVersion, features, model_score: modelScore } = item;
  invariant(v === VERSION && isAction(action) && typeof model === "string", "assessment: the version or the action is unknown");
  invariant(typeof featuresVersion === "number" && typeof features === "string", "assessment: the features are missing");
  invariant(typeof device === "number" && Number.isSafeInteger(device), "assessment: the device is malformed");
  invariant(modelScore === undefined || isScore(modelScore), "assessment: the model's score is out of range");
  return {
    action,
    device,
    featuresVersion,
    features,
    champion: modelScore === undefined ? undefined : { id: model, score: modelScore },
    shadow: shadowFrom(item["shadow"]),
    rules: rulesFrom(item),
    thresholds: thresholdsFrom(item["thresholds"]),
  };
}

/** The device of a stored assessment without reading the rest; 0 where none was named or kept. */
export function deviceIn(item: JsonObject): number {
  return typeof item["device"] === "number" ? item["device"] : 0;
}

/** A hit as clients see it. */
export function presentHit({ rule, action, reasonCode, failed }: RuleHit): JsonObject {
  return failed ? { rule, action, reason_code: reasonCode, failed } : { rule, action, reason_code: reasonCode };
}
