import { personOf } from "#audit/index.ts";
import type { Asked, Executed, JobKind } from "#commit/index.ts";
import { cancelJob, refused, replied, workOn } from "#commit/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { ModelTrainingId } from "#kernel/ids.ts";
import { type Refusal, refuse } from "#kernel/problems.ts";
import { defaultTrainOptions, type TrainOptions } from "#model/index.ts";
import type { ModelRegistry } from "./registry.ts";
import type { LearningDeps } from "./deps.ts";
import { DEFAULT_LABEL_DELAY_DAYS } from "./import-model.ts";
import { MAX_MODELS } from "./model-record.ts";
import { emptyRegistry, registries, registryKey } from "./registry.ts";
import type { Training } from "./training.ts";
import { presentTraining, trainings } from "./training.ts";

export interface TrainBody {
  readonly label_delay_days?: number;
  readonly description?: string | null;
  readonly options?: {
    readonly rounds?: number;
    readonly learning_rate?: number;
    readonly max_depth?: number;
    readonly positive_weight?: number;
    readonly seed?: number;
  };
}

/** The times of a body, ms; they have been read. */
export interface TrainTimes {
  readonly from: number | undefined;
  readonly to: number | undefined;
}

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 90;
export const MAX_TRAINING_DAYS = 730;

/** POST /v1/risk/models/train. Reading and training is the worker's part. */
export async function startTraining(deps: LearningDeps, asked: Asked, body: TrainBody, times: TrainTimes): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const person = personOf(asked.actor);
  invariant(person !== null, "a training is started by somebody");
  const id = deps.ids.next("modelTraining");
  const eventId = deps.ids.next("event");
  const registry = registryKey(organisationId);
  const labelDelayDays = body.label_delay_days ?? DEFAULT_LABEL_DELAY_DAYS;
  return deps.queue.execute({
    ...asked,
    needs: [{ collection: registries, key: registry, mode: "write" }],
    decide(view, at) {
      const work = workOn(view);
      const window = windowOf(times, labelDelayDays, at);
      if (!window.ok) return refused(window, requestId);
      const { from, to } = window;
      const before = work.get(registries, registry) ?? emptyRegistry(organisationId);
      if (before.trainingId !== null) return refused(refuse("training_running", undefined, `It is ${before.trainingId}.`), requestId);
      if (before.lastNumber >= MAX_MODELS) return refused(refuse("limit_reached", undefined, `At most ${MAX_MODELS} models.`), requestId);
      const training: Training = {
        id,
        organisationId,
        description: body.description ?? null,
        from,
        to,
        labelDelayDays,
        options: optionsOf(body.options),
        status: "running",
        reason: null,
        phase: "waiting",
        stepsDone: 0,
        stepsTotal: 0,
        rows: 0,
        frauds: 0,
        attempts: 0,
        modelId: null,
        worker: null,
        leasedUntil: 0,
        createdBy: person,
        createdAt: at,
        updatedAt: at,
        endedAt: null,
        version: 1,
      };
      work.put(trainings, training);
      work.put(registries, { ...before, trainingId: id, version: before.version + 1 });
      const details = { from: training.from, to: training.to, label_delay_days: labelDelayDays };
      work.tell({ id: eventId, type: "model_training.started", objectId: id, details });
      return work.outcome(replied(202, presentTraining(training)));
    },
  });
}

/** The window to learn from: its end is older than a fraud takes to be reported, so that what has no label by now was honest. */
function windowOf(
  times: TrainTimes,
  labelDelayDays: number,
  at: number,
): { readonly ok: true; readonly from: number; readonly to: number } | Refusal {
  const latest = at - labelDelayDays * DAY_MS;
  const to = times.to ?? latest;
  if (to > latest) return refuse("invalid_request", "to", `It must be ${labelDelayDays} days ago at least, as label_delay_days says.`);
  const from = times.from ?? Math.max(0, to - DEFAULT_DAYS * DAY_MS);
  if (from >= to) return refuse("invalid_request", "from", "It must come before `to`.");
  if (to - from > MAX_TRAINING_DAYS * DAY_MS)
    return refuse("invalid_request", "from", `At most ${MAX_TRAINING_DAYS} days are learnt from.`);
  return { ok: true, from, to };
}

function optionsOf(asked: TrainBody["options"] = {}): TrainOptions {
  return {
    ...defaultTrainOptions,
    rounds: asked.rounds ?? defaultTrainOptions.rounds,
    learningRate: asked.learning_rate ?? defaultTrainOptions.learningRate,
    maxDepth: asked.max_depth ?? defaultTrainOptions.maxDepth,
    positiveWeight: asked.positive_weight ?? defaultTrainOptions.positiveWeight,
    seed: asked.seed ?? defaultTrainOptions.seed,
  };
}

const trainingJobs: JobKind<Training, ModelRegistry> = {
  jobs: trainings,
  registries,
  registryKey,
  without: (registry, id) => (registry.trainingId === id ? { ...registry, trainingId: null, version: registry.version + 1 } : undefined),
  finished: "training_finished",
  canceled: "model_training.canceled",
  details: ({ phase }) => ({ phase }),
  present: presentTraining,
};

/** POST /v1/risk/model-trainings/{id}/cancel. */
export function cancelTraining(deps: LearningDeps, asked: Asked, id: ModelTrainingId): Promise<Executed> {
  return cancelJob(deps.queue, asked, { id, eventId: deps.ids.next("event") }, trainingJobs);
}
