import { isDeepStrictEqual } from "node:util";
import { personOf } from "#audit/index.ts";
import type { Asked, Executed } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import { invariant } from "#kernel/assert.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { RiskModelId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import type { LearningDeps } from "./deps.ts";
import { inState, isUsable, riskModels } from "./model-record.ts";
import { emptyRegistry, readRegistry, registries, registryKey } from "./registry.ts";

/**
 * POST /v1/risk/models/rollback: back to what decided before, at once and without being judged. Former models that the running code cannot
 * use are passed over; at the end of the line stand the factors. Whoever made the model gone back to is refused.
 */
export async function rollBackModel(deps: LearningDeps, asked: Asked): Promise<Executed> {
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
      if (championId !== seen.championId || !isDeepStrictEqual(formerIds, seen.formerIds)) return refused(refuse("contention"), requestId);
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
