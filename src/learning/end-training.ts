import type { CommitQueue } from "#commit/index.ts";
import { workOn } from "#commit/index.ts";
import { FEATURES_HASH } from "#features/index.ts";
import type { Ids } from "#kernel/ids.ts";
import type { ModelCard } from "#model/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { addModel, factsOf } from "./new-model.ts";
import { emptyRegistry, registries, registryKey } from "./registry.ts";
import type { Training } from "./training.ts";
import { trainings } from "./training.ts";

/** What a training came to: a model ready to be kept, or why there is none. */
export type TrainingEnd =
  | { readonly ok: true; readonly hash: string; readonly card: ModelCard; readonly packed: readonly string[] }
  | { readonly ok: false; readonly reason: string };

/** Items besides the pieces of the content: model, registry, training, event. */
const OTHER_ITEMS = 4;
const NOTHING = { reply: { status: 204, body: "" }, changes: [], events: [] };

/**
 * Writes the end of a training, and its model with all its content, in one commit. Nothing where the training was canceled or somebody
 * else has taken it up.
 * @param worker who worked on it. @throws StoreUnavailableError
 */
export async function endTraining(
  { queue, ids }: { readonly queue: CommitQueue; readonly ids: Ids },
  training: Training,
  worker: string,
  end: TrainingEnd,
): Promise<void> {
  const { id, organisationId } = training;
  const modelId = ids.next("riskModel");
  const eventId = ids.next("event");
  const registry = registryKey(organisationId);
  const executed = await queue.execute({
    actor: { organisationId, apiKeyId: null, ip: null, userAgent: null, requestId: null },
    needs: [
      { collection: trainings, key: { hash: id }, mode: "write" },
      { collection: registries, key: registry, mode: "write" },
    ],
    appends: (end.ok ? end.packed.length : 0) + OTHER_ITEMS,
    decide(view, at) {
      const work = workOn(view);
      const stored = work.get(trainings, { hash: id });
      if (stored?.status !== "running" || (stored.version !== training.version && stored.worker !== worker)) return NOTHING;
      const before = work.get(registries, registry) ?? emptyRegistry(organisationId);
      const after = { ...before, trainingId: before.trainingId === id ? null : before.trainingId };
      const ended = {
        ...training,
        updatedAt: Math.max(at, stored.updatedAt),
        endedAt: Math.max(at, stored.createdAt),
        version: stored.version + 1,
      };
      const facts = { rows: training.rows, frauds: training.frauds };
      const added = end.ok
        ? addModel(
            work,
            after,
            {
              id: modelId,
              organisationId,
              origin: "trained",
              description: training.description,
              hash: end.hash,
              featuresHash: FEATURES_HASH,
              card: end.card,
              judgedFrom: training.to,
              labelDelayDays: training.labelDelayDays,
              trainingId: id,
              createdBy: training.createdBy,
              createdAt: at,
            },
            end.packed,
          )
        : undefined;
      if (added?.ok === true) {
        work.put(trainings, { ...ended, status: "completed", phase: "done", stepsDone: 0, stepsTotal: 0, modelId });
        const details = { model_id: modelId, ...factsOf(added.model), ...facts };
        work.tell({ id: eventId, type: "model_training.completed", objectId: id, details });
        return work.outcome(NOTHING.reply);
      }
      const reason = end.ok ? "There are as many models as there may be." : end.reason;
      work.put(trainings, { ...ended, status: "failed", reason });
      work.put(registries, { ...after, version: before.version + 1 });
      work.tell({ id: eventId, type: "model_training.failed", objectId: id, details: { reason, ...facts } });
      return work.outcome(NOTHING.reply);
    },
  });
  if (!executed.ok) throw new StoreUnavailableError(`the end of ${id} was not written: ${executed.code}`);
}
