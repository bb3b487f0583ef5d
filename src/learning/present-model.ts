import { toTimestamp } from "#kernel/clock.ts";
import type { JsonObject } from "#kernel/json.ts";
import { presentEvaluation } from "./evaluation.ts";
import type { RiskModel } from "./model-record.ts";
import { isUsable } from "./model-record.ts";

/** The model as lists show it. */
export function summariseModel(model: RiskModel): JsonObject {
  return {
    id: model.id,
    object: "risk_model",
    number: model.number,
    state: model.state,
    unusable: !isUsable(model),
    origin: model.origin,
    description: model.description,
    sha256: model.hash,
    features_sha256: model.featuresHash,
    training_id: model.trainingId,
    judged_from: toTimestamp(model.judgedFrom),
    label_delay_days: model.labelDelayDays,
    created_by: model.createdBy,
    created_at: toTimestamp(model.createdAt),
    state_since: toTimestamp(model.stateSince),
    promoted_by: model.promotedBy,
    version: model.version,
  };
}

/** The model as the API shows it, with its card. */
export function presentModel(model: RiskModel): JsonObject {
  const { card } = model;
  return {
    ...summariseModel(model),
    card: {
      bytes: card.bytes,
      from: card.from,
      to: card.to,
      rows: card.rows,
      frauds: card.positives,
      trees: card.trees,
      nodes: card.nodes,
      depth: card.depth,
      calibration: card.calibration,
      review_margin: card.review_margin,
      options: Object.entries(card.options).map(([name, value]) => ({ name, value: String(value) })),
      metrics: Object.entries(card.metrics).map(([name, value]) => ({ name, value })),
      features: card.features.map(({ name, unit, share }) => ({ name, unit, share: Math.round(share * 1e6) / 1e6 })),
    },
    evaluation: model.evaluation === null ? null : presentEvaluation(model.evaluation),
  };
}
