import { personOf } from "#audit/index.ts";
import type { Asked, Executed } from "#commit/index.ts";
import { refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { OrganisationId, RiskModelId } from "#kernel/ids.ts";
import { type Refusal, refuse } from "#kernel/problems.ts";
import { BrokenContentError } from "./content.ts";
import type { LearningDeps } from "./deps.ts";
import { createContest, type Evaluation, presentEvaluation, refuseUnlessBetter } from "./evaluation.ts";
import type { RiskModel } from "./model-record.ts";
import { inState, isUsable, readModel, riskModels } from "./model-record.ts";
import { factsOf } from "./new-model.ts";
import { visitPast } from "./past-payments.ts";
import { presentModel } from "./present-model.ts";
import { emptyRegistry, MAX_FORMER, readRegistry, registries, registryKey } from "./registry.ts";

export interface PromoteBody {
  readonly review_capacity_per_day?: number;
}

/** As the Fraud Detection Handbook reckons. */
export const DEFAULT_CAPACITY = 100;
/** Payments that one promotion is judged on, the newest first. */
const MAX_JUDGED = 50_000;
const PAGE_SIZE = 200;
const DAY_MS = 86_400_000;

/**
 * POST /v1/risk/models/{id}/promote: puts a model in force that is better than what decides now, on later payments than either has learnt
 * from. Whoever made it is refused.
 */
export async function promoteModel(deps: LearningDeps, asked: Asked, id: RiskModelId, body: PromoteBody): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const person = personOf(asked.actor);
  invariant(person !== null, "a model is promoted by somebody");
  const seen = await readModel(deps.store, organisationId, id);
  if (seen === undefined) return refuseAtOnce(refuse("not_found"), requestId);
  const { championId, shadowId } = await readRegistry(deps.store, organisationId);
  const hindered = hindrance(seen, championId, person);
  const turn =
    hindered ??
    (await deps.turns.take(() => judge(deps, organisationId, seen, championId, body.review_capacity_per_day ?? DEFAULT_CAPACITY)));
  const judged = turn.ok ? turn.value : turn;
  const eventId = deps.ids.next("event");
  const registry = registryKey(organisationId);
  const others = [...new Set([championId, shadowId])].filter((other): other is RiskModelId => other !== null && other !== id);
  const executed = await deps.queue.execute({
    ...asked,
    needs: [
      { collection: registries, key: registry, mode: "write" },
      ...[id, ...others].map((hash) => ({ collection: riskModels, key: { hash }, mode: "write" as const })),
    ],
    decide(view, at) {
      const work = workOn(view);
      const before = work.get(registries, registry) ?? emptyRegistry(organisationId);
      // It was judged against something that decides no more.
      if (before.championId !== championId || before.shadowId !== shadowId) return refused(refuse("contention"), requestId);
      if (!judged.ok) {
        // That others have their turn says nothing of the model, and must not be the answer to every repetition.
        const outcome = refused(judged, requestId);
        return judged.code === "overloaded" ? { ...outcome, passing: true } : outcome;
      }
      const model = work.get(riskModels, { hash: id });
      if (model === undefined) return refused(refuse("not_found"), requestId);
      const { evaluation } = judged;
      const champion: RiskModel = { ...inState(model, "champion", at), promotedBy: person, evaluation };
      work.put(riskModels, champion);
      const former = championId === null ? undefined : work.get(riskModels, { hash: championId });
      if (former !== undefined) work.put(riskModels, inState(former, "retired", at));
      work.put(registries, {
        ...before,
        championId: id,
        shadowId: shadowId === id ? null : shadowId,
        formerIds: [championId, ...before.formerIds].slice(0, MAX_FORMER),
        version: before.version + 1,
      });
      work.tell({
        id: eventId,
        type: "risk_model.promoted",
        objectId: id,
        details: { ...factsOf(model), before: championId, evaluation: presentEvaluation(evaluation) },
      });
      return work.outcome(replied(200, presentModel(champion)));
    },
  });
  deps.forget(organisationId);
  return executed;
}

/** What speaks against promoting a model before it is judged. */
function hindrance(model: RiskModel, championId: RiskModelId | null, person: string): Refusal | undefined {
  if (model.id === championId) return refuse("model_in_force");
  if (model.createdBy === person) return refuse("second_person_required");
  return isUsable(model) ? undefined : refuse("model_unusable");
}

/** Holds a model against what decides now. */
async function judge(
  { store, clock, cache }: LearningDeps,
  organisationId: OrganisationId,
  model: RiskModel,
  championId: RiskModelId | null,
  reviewCapacity: number,
): Promise<{ readonly ok: true; readonly evaluation: Evaluation } | Refusal> {
  const champion = championId === null ? undefined : await readModel(store, organisationId, championId);
  // A champion that cannot be used decides nothing: the factors do.
  const rival = champion !== undefined && isUsable(champion) ? champion : undefined;
  const own = await scorerOf(cache, model);
  if (own === undefined) return refuse("model_unusable", undefined, "Its content is not what was written.");
  const other = rival === undefined ? undefined : await scorerOf(cache, rival);
  const at = clock.now();
  const from = Math.max(model.judgedFrom, other === undefined ? 0 : (rival?.judgedFrom ?? 0));
  const to = at - Math.max(model.labelDelayDays, other === undefined ? 0 : (rival?.labelDelayDays ?? 0)) * DAY_MS;
  const contest = createContest({
    own: ({ vector }) => own.probability(vector),
    other: other === undefined ? ({ factors }) => factors : ({ vector }) => other.probability(vector),
  });
  const window = { organisationId, from, to: Math.max(from, to), maxRows: MAX_JUDGED };
  const reader = { store, sleep: (ms: number) => clock.sleep(ms), pageSize: PAGE_SIZE };
  const counts = await visitPast(reader, window, contest.visit, () => true);
  invariant(counts !== undefined, "nobody ends the reading");
  const result = contest.result({ against: other === undefined ? null : championId, from, to, reviewCapacity, at }, counts);
  if (!result.ok) return result;
  return refuseUnlessBetter(result.evaluation) ?? result;
}

async function scorerOf(cache: LearningDeps["cache"], model: RiskModel) {
  try {
    return await cache.load(model);
  } catch (error) {
    if (error instanceof BrokenContentError) return undefined;
    throw error;
  }
}
