import { invariant } from "#kernel/assert.ts";
import { toTimestamp } from "#kernel/clock.ts";
import { isId } from "#kernel/ids.ts";
import type { ModelTrainingId, OrganisationId, RiskModelId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { TrainOptions } from "#model/index.ts";
import type { Collection, Store, Versioned } from "#storage/index.ts";

export const TRAININGS_TABLE = "smartfinance-model-trainings";
/** The hash value under which trainings under way are found after a restart. */
export const RUNNING = "running";
/** Payments one training learns from. */
export const MAX_ROWS = 100_000;

export const trainingStatuses = ["running", "completed", "failed", "canceled"] as const;
export type TrainingStatus = (typeof trainingStatuses)[number];
export const trainingPhases = ["waiting", "reading", "training", "done"] as const;
export type TrainingPhase = (typeof trainingPhases)[number];

/** A model being trained in the background. */
export interface Training extends Versioned {
  readonly id: ModelTrainingId;
  readonly organisationId: OrganisationId;
  readonly description: string | null;
  /** Payments created from here (inclusive) to here (exclusive), ms. */
  readonly from: number;
  readonly to: number;
  readonly labelDelayDays: number;
  readonly options: TrainOptions;
  readonly status: TrainingStatus;
  /** Why it failed. */
  readonly reason: string | null;
  readonly phase: TrainingPhase;
  /** Of the phase under way. */
  readonly stepsDone: number;
  readonly stepsTotal: number;
  readonly rows: number;
  readonly frauds: number;
  /** How often it was begun: what a crash ended is begun anew. */
  readonly attempts: number;
  readonly modelId: RiskModelId | null;
  /** Who works on it, and until when nobody else should: spares work; correctness rests on conditional writes. */
  readonly worker: string | null;
  readonly leasedUntil: number;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly endedAt: number | null;
}

interface StoredTraining {
  readonly id: ModelTrainingId;
  readonly organisation_id: OrganisationId;
  readonly description: string | null;
  readonly from: number;
  readonly to: number;
  readonly label_delay_days: number;
  readonly options: TrainOptions;
  readonly status: TrainingStatus;
  readonly reason: string | null;
  readonly phase: TrainingPhase;
  readonly steps_done: number;
  readonly steps_total: number;
  readonly rows: number;
  readonly frauds: number;
  readonly attempts: number;
  readonly model_id: RiskModelId | null;
  readonly worker: string | null;
  readonly leased_until: number;
  readonly created_by: string;
  readonly created_at: number;
  readonly updated_at: number;
  readonly ended_at: number | null;
  readonly version: number;
}

export const trainings: Collection<Training> = {
  table: TRAININGS_TABLE,
  keyOf: ({ id }) => ({ hash: id }),
  toItem: (training) => ({
    id: training.id,
    organisation_id: training.organisationId,
    ...(training.status === "running" ? { running: RUNNING } : {}),
    description: training.description,
    from: training.from,
    to: training.to,
    label_delay_days: training.labelDelayDays,
    options: { ...training.options },
    status: training.status,
    reason: training.reason,
    phase: training.phase,
    steps_done: training.stepsDone,
    steps_total: training.stepsTotal,
    rows: training.rows,
    frauds: training.frauds,
    attempts: training.attempts,
    model_id: training.modelId,
    worker: training.worker,
    leased_until: training.leasedUntil,
    created_by: training.createdBy,
    created_at: training.createdAt,
    updated_at: training.updatedAt,
    ended_at: training.endedAt,
    version: training.version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredTraining;
    invariant(isId("modelTraining", stored.id) && typeof stored.options === "object", "a stored training is malformed");
    return {
      id: stored.id,
      organisationId: stored.organisation_id,
      description: stored.description,
      from: stored.from,
      to: stored.to,
      labelDelayDays: stored.label_delay_days,
      options: stored.options,
      status: stored.status,
      reason: stored.reason,
      phase: stored.phase,
      stepsDone: stored.steps_done,
      stepsTotal: stored.steps_total,
      rows: stored.rows,
      frauds: stored.frauds,
      attempts: stored.attempts,
      modelId: stored.model_id,
      worker: stored.worker,
      leasedUntil: stored.leased_until,
      createdBy: stored.created_by,
      createdAt: stored.created_at,
      updatedAt: stored.updated_at,
      endedAt: stored.ended_at,
      version: stored.version,
    };
  },
};

/** A training of this organisation; another's reads like an unknown one. */
export async function readTraining(store: Store, organisationId: OrganisationId, id: string): Promise<Training | undefined> {
  const item = await store.get(TRAININGS_TABLE, { hash: id });
  return item === undefined || item.organisation_id !== organisationId ? undefined : trainings.fromItem(item);
}

/** The training as the API shows it. */
export function presentTraining(training: Training): JsonObject {
  const { rounds, learningRate, maxDepth, positiveWeight, seed } = training.options;
  return {
    id: training.id,
    object: "model_training",
    description: training.description,
    from: toTimestamp(training.from),
    to: toTimestamp(training.to),
    label_delay_days: training.labelDelayDays,
    options: { rounds, learning_rate: learningRate, max_depth: maxDepth, positive_weight: positiveWeight, seed },
    status: training.status,
    reason: training.reason,
    progress: { phase: training.phase, steps_done: training.stepsDone, steps_total: training.stepsTotal },
    rows: training.rows,
    frauds: training.frauds,
    attempts: training.attempts,
    model_id: training.modelId,
    created_by: training.createdBy,
    created_at: toTimestamp(training.createdAt),
    updated_at: toTimestamp(training.updatedAt),
    ended_at: training.endedAt === null ? null : toTimestamp(training.endedAt),
    version: training.version,
  };
}
