import { isDeepStrictEqual } from "node:util";
import { personOf } from "#audit/index.ts";
import type { Asked, Executed } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import { invariant } from "#kernel/assert.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { OrganisationId, RiskModelId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import type { LearningDeps } from "./deps.ts";
import { inState, isUsable, riskModels } from "./model-record.ts";
import type { ModelRegistry } from "./registry.ts";
import { emptyRegistry, readRegistry, registries, registryKey } from "./registry.ts";

/** What decides, and what decided before, the latest first. */
export type ModelLine = Pick<ModelRegistry, "championId" | "formerIds">;

/** The line as it stands, to be pinned by what waits for approval. */
export async function readModelLine(deps: Pick<LearningDeps, "store">, organisationId: OrganisationId): Promise<ModelLine> {
  const { championId, formerIds } = await readRegistry(deps.store, organisationId);
  return { championId, formerIds };
}

const isSameLine = (a: ModelLine, b: ModelLine): boolean => a.championId === b.championId && isDeepStrictEqual(a.formerIds, b.formerIds);

/**
 * POST /v1/risk/models/rollback: back to what decided before, at once and without being judged. Former models that the running code cannot
 * use are passed over; at the end of the line stand the factors. Whoever made the model gone back to is refused.
 * @param meant the line that it was asked for over, where that was some time ago
 */
export async function rollBackModel(deps: LearningDeps, asked: Asked, meant?: ModelLine): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const person = personOf(asked.actor);
  invariant(person !== null, "a model is gone back from by somebody");
  const seen = await readRegistry(deps.store, organisationId);
  const eventId = deps.ids.next("event");
  const registry = registryKey(organisationId);
  const named = [...new Set([seen.championId, seen.shadowId, ...seen.formerIds])].filter((id): id is RiskModelId => id !== null);
  const executed = await deps.queue.execute({
    ...asked,
    needs: [
      { collection: registries, key: registry, mode: "write" },
      ...named.map((hash) => ({ collection: riskModels, key: { hash }, mode: "write" as const })),
    ],
    decide(view, at) {
      const work = workOn(view);
      const before = work.get(registries, registry) ?? emptyRegistry(organisationId);
      const { championId, formerIds, shadowId } = before;
      // Trainings, imports and shadows change the registry as well, and must not hold up whoever wants to be rid of a model.
      if (!isSameLine(before, seen)) return refused(refuse("contention"), requestId);
      if (meant !== undefined && !isSameLine(before, meant))
        return refused(
          refuse("version_conflict", undefined, "Other models decide, or decided before, than when this was asked for."),
          requestId,
        );
      if (championId === null || formerIds.length === 0) return refused(refuse("no_former_model"), requestId);
      const isGood = (id: RiskModelId | null): boolean => {
        const model = id === null ? undefined : work.get(riskModels, { hash: id });
        return id === null || (model !== undefined && isUsable(model) && id !== championId);
      };
      const place = formerIds.findIndex(isGood);
      // Where the line was too long to be kept whole, its end is the factors as well.
      const targetId = place === -1 ? null : (formerIds[place] ?? null);
      const target = targetId === null ? undefined : work.get(riskModels, { hash: targetId });
      if (target?.createdBy === person) return refused(refuse("second_person_required"), requestId);
      const left = work.get(riskModels, { hash: championId });
      if (left !== undefined) work.put(riskModels, inState(left, "retired", at));
      if (target !== undefined) work.put(riskModels, { ...inState(target, "champion", at), promotedBy: person });
      const after = {
        ...before,
        championId: targetId,
        shadowId: shadowId === targetId ? null : shadowId,
        formerIds: place === -1 ? [] : formerIds.slice(place + 1),
        version: before.version + 1,
      };
      work.put(registries, after);
      const details = { before: championId, after: targetId, passed_over: place === -1 ? formerIds.length : place };
      work.tell({ id: eventId, type: "risk_model.rolled_back", objectId: championId, details });
      return work.outcome(
        replied(200, {
          object: "risk_model_rollback",
          former_champion_id: championId,
          champion_id: targetId,
          former_left: after.formerIds.length,
          rolled_back_at: toTimestamp(at),
        }),
      );
    },
  });
  deps.forget(organisationId);
  return executed;
}
