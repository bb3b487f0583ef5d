import type { Asked, Executed, Need, Outcome, Working } from "#commit/index.ts";
import { refuseAtOnce, refused, workOn } from "#commit/index.ts";
import type { Refusal } from "#kernel/problems.ts";
import type { FactorDeps } from "./deps.ts";
import type { Subject } from "./factor.ts";
import type { FactorSet } from "./factor-set.ts";
import { emptySet, factorSets, isOf, setKey } from "./factor-set.ts";
import { FACTOR_APPENDS } from "./use-factor.ts";

/** What one command adds beside the events of a proof: a factor's own records and its event. */
const OWN_APPENDS = 3;

/**
 * Runs one decision on the factors of a subject. A refusal that it returns is answered with what `work` holds by then, so
 * that failures are counted: whatever else might be refused has to be so before anything is put.
 */
export function decideOnSet(
  deps: Pick<FactorDeps, "queue">,
  asked: Asked,
  subject: Subject,
  needs: readonly Need[],
  decide: (work: Working, set: FactorSet, at: number) => Outcome | Refusal,
): Promise<Executed> {
  return deps.queue.execute({
    actor: asked.actor,
    needs: [{ collection: factorSets, key: setKey(subject), mode: "write" }, ...needs],
    appends: FACTOR_APPENDS + OWN_APPENDS,
    decide(view, at) {
      const work = workOn(view);
      const found = work.get(factorSets, setKey(subject));
      const set = found !== undefined && isOf(found, subject) ? found : emptySet(subject, at);
      const outcome = decide(work, set, at);
      return "ok" in outcome ? work.outcome(refused(outcome, asked.actor.requestId).reply) : outcome;
    },
  });
}

/** The set as `work` has it by now. */
export function currentSet(work: Working, set: FactorSet): FactorSet {
  return work.get(factorSets, { hash: set.subjectId }) ?? set;
}

/** A refusal as an answer, where nothing is to be decided any more. */
export function answered(refusal: Refusal, { actor }: Asked): Executed {
  return refuseAtOnce(refusal, actor.requestId);
}
