import type { Asked, Executed } from "#commit/index.ts";
import { refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import type { RiskModelId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import type { LearningDeps } from "./deps.ts";
import { inState, isUsable, readModel, riskModels } from "./model-record.ts";
import { factsOf } from "./new-model.ts";
import { presentModel } from "./present-model.ts";
import { emptyRegistry, readRegistry, registries, registryKey } from "./registry.ts";

/** POST /v1/risk/models/{id}/shadow: scores live payments from now on, beside what decides. The one before becomes a candidate again. */
export async function startShadow(deps: LearningDeps, asked: Asked, id: RiskModelId): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const { shadowId } = await readRegistry(deps.store, organisationId);
  const eventId = deps.ids.next("event");
  const registry = registryKey(organisationId);
  const other = shadowId === null || shadowId === id ? undefined : shadowId;
  const executed = await deps.queue.execute({
    ...asked,
    needs: [
      { collection: registries, key: registry, mode: "write" },
      { collection: riskModels, key: { hash: id }, mode: "write" },
      ...(other === undefined ? [] : [{ collection: riskModels, key: { hash: other }, mode: "write" as const }]),
    ],
    decide(view, at) {
      const work = workOn(view);
      const model = work.get(riskModels, { hash: id });
      if (model === undefined || model.organisationId !== organisationId) return refused(refuse("not_found"), requestId);
      if (model.state === "champion") return refused(refuse("model_in_force"), requestId);
      if (model.state === "shadow") return refused(refuse("model_in_shadow"), requestId);
      if (!isUsable(model)) return refused(refuse("model_unusable"), requestId);
      const before = work.get(registries, registry) ?? emptyRegistry(organisationId);
      // Somebody else was quicker than the read above.
      if (before.shadowId !== shadowId) return refused(refuse("contention"), requestId);
      const former = other === undefined ? undefined : work.get(riskModels, { hash: other });
      if (former !== undefined) work.put(riskModels, inState(former, "candidate", at));
      const shadow = inState(model, "shadow", at);
      work.put(riskModels, shadow);
      work.put(registries, { ...before, shadowId: id, version: before.version + 1 });
      work.tell({ id: eventId, type: "risk_model.shadowed", objectId: id, details: { ...factsOf(model), before: shadowId } });
      return work.outcome(replied(200, presentModel(shadow)));
    },
  });
  deps.forget(organisationId);
  return executed;
}

/** POST /v1/risk/models/{id}/retire: puts a candidate or the one in the shadow aside. */
export async function retireModel(deps: LearningDeps, asked: Asked, id: RiskModelId): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  if ((await readModel(deps.store, organisationId, id)) === undefined) return refuseAtOnce(refuse("not_found"), requestId);
  const eventId = deps.ids.next("event");
  const registry = registryKey(organisationId);
  const executed = await deps.queue.execute({
    ...asked,
    needs: [
      { collection: registries, key: registry, mode: "write" },
      { collection: riskModels, key: { hash: id }, mode: "write" },
    ],
    decide(view, at) {
      const work = workOn(view);
      const model = work.get(riskModels, { hash: id });
      if (model === undefined) return refused(refuse("not_found"), requestId);
      if (model.state === "champion") return refused(refuse("model_in_force"), requestId);
      if (model.state === "retired") return refused(refuse("model_retired"), requestId);
      const retired = inState(model, "retired", at);
      work.put(riskModels, retired);
      const before = work.get(registries, registry);
      if (before?.shadowId === id) work.put(registries, { ...before, shadowId: null, version: before.version + 1 });
      work.tell({ id: eventId, type: "risk_model.retired", objectId: id, details: { ...factsOf(model), before: model.state } });
      return work.outcome(replied(200, presentModel(retired)));
    },
  });
  deps.forget(organisationId);
  return executed;
}
