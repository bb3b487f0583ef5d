import { FEATURES_HASH } from "#features/index.ts";
import { invariant } from "#kernel/assert.ts";
import { isId } from "#kernel/ids.ts";
import type { ModelTrainingId, OrganisationId, RiskModelId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { ModelCard } from "#model/index.ts";
import type { Collection, Store, Versioned } from "#storage/index.ts";
import type { Evaluation } from "./evaluation.ts";

export const MODELS_TABLE = "smartfinance-risk-models";
/** Models of one organisation, retired ones included. */
export const MAX_MODELS = 1_000;

/** `shadow`: scored beside the one in force. `champion`: in force. `retired`: neither, and it has been put aside. */
export const modelStates = ["candidate", "shadow", "champion", "retired"] as const;
export type ModelState = (typeof modelStates)[number];
/** `trained` here, or brought along in XGBoost's format or our own. */
export const modelOrigins = ["trained", "xgboost", "smartfinance"] as const;
export type ModelOrigin = (typeof modelOrigins)[number];

/** One version of an organisation's fraud model. Only its state and what it was promoted on ever change. */
export interface RiskModel extends Versioned {
  readonly id: RiskModelId;
  readonly organisationId: OrganisationId;
  /** Counts the organisation's models, from 1. */
  readonly number: number;
  readonly state: ModelState;
  readonly origin: ModelOrigin;
  readonly description: string | null;
  /** SHA-256 of the content, by which it is checked each time it is read. */
  readonly hash: string;
  readonly featuresHash: string;
  /** How many pieces the content lies in. */
  readonly pieces: number;
  readonly card: ModelCard;
  /** Only payments created after this may judge it, ms: it has learnt nothing from them. */
  readonly judgedFrom: number;
  /** How long a fraud may take to be reported: younger payments judge nothing. */
  readonly labelDelayDays: number;
  readonly trainingId: ModelTrainingId | null;
  /** The API key that trained or imported it. */
  readonly createdBy: string;
  readonly createdAt: number;
  readonly stateSince: number;
  readonly promotedBy: string | null;
  /** What it was last promoted on. */
  readonly evaluation: Evaluation | null;
}

interface StoredModel {
  readonly id: RiskModelId;
  readonly organisation_id: OrganisationId;
  readonly number: number;
  readonly state: ModelState;
  readonly origin: ModelOrigin;
  readonly description: string | null;
  readonly hash: string;
  readonly features_hash: string;
  readonly pieces: number;
  readonly card: ModelCard;
  readonly judged_from: number;
  readonly label_delay_days: number;
  readonly training_id: ModelTrainingId | null;
  readonly created_by: string;
  readonly created_at: number;
  readonly state_since: number;
  readonly promoted_by: string | null;
  readonly evaluation: Evaluation | null;
  readonly version: number;
}

export const riskModels: Collection<RiskModel> = {
  table: MODELS_TABLE,
  keyOf: ({ id }) => ({ hash: id }),
  toItem: (model) => ({
    id: model.id,
    organisation_id: model.organisationId,
    number: model.number,
    state: model.state,
    origin: model.origin,
    description: model.description,
    hash: model.hash,
    features_hash: model.featuresHash,
    pieces: model.pieces,
    card: model.card as unknown as JsonObject,
    judged_from: model.judgedFrom,
    label_delay_days: model.labelDelayDays,
    training_id: model.trainingId,
    created_by: model.createdBy,
    created_at: model.createdAt,
    state_since: model.stateSince,
    promoted_by: model.promotedBy,
    evaluation: model.evaluation as unknown as JsonObject | null,
    version: model.version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredModel;
    invariant(isId("riskModel", stored.id) && typeof stored.card === "object", "a stored fraud model is malformed");
    return {
      id: stored.id,
      organisationId: stored.organisation_id,
      number: stored.number,
      state: stored.state,
      origin: stored.origin,
      description: stored.description,
      hash: stored.hash,
      featuresHash: stored.features_hash,
      pieces: stored.pieces,
      card: stored.card,
      judgedFrom: stored.judged_from,
      labelDelayDays: stored.label_delay_days,
      trainingId: stored.training_id,
      createdBy: stored.created_by,
      createdAt: stored.created_at,
      stateSince: stored.state_since,
      promotedBy: stored.promoted_by,
      evaluation: stored.evaluation,
      version: stored.version,
    };
  },
};

/** A model of this organisation; another's reads like an unknown one. */
export async function readModel(store: Store, organisationId: OrganisationId, id: string): Promise<RiskModel | undefined> {
  const item = await store.get(MODELS_TABLE, { hash: id });
  // Registries and pieces of contents lie in the same table and have no organisation under this name.
  return item === undefined || item.organisation_id !== organisationId ? undefined : riskModels.fromItem(item);
}

/** Whether the running code computes the features that the model was made for. */
export function isUsable({ featuresHash }: Pick<RiskModel, "featuresHash">): boolean {
  return featuresHash === FEATURES_HASH;
}

/** The same model in another state. */
export function inState(model: RiskModel, state: ModelState, at: number): RiskModel {
  return { ...model, state, stateSince: Math.max(at, model.stateSince), version: model.version + 1 };
}
