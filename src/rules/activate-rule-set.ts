import { personOf } from "#audit/index.ts";
import type { Asked, Executed } from "#commit/index.ts";
import { refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { RuleSetId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import { factsOf } from "./change-rule-set.ts";
import { tellFault } from "./check-rules.ts";
import type { RulesDeps } from "./deps.ts";
import { compileRules } from "./evaluate.ts";
import { defaultPolicy, policies, policyKey } from "./policy.ts";
import { presentRuleSet, readRuleSet, ruleSets } from "./rule-set.ts";

/**
 * POST /v1/risk/rule-sets/{id}/activate: puts a rule set in force, a draft or one that was in force before (which is how one
 * goes back). Whoever drafted or edited it is refused either time: going back can weaken the protection as well as going on.
 */
export async function activateRuleSet(deps: RulesDeps, asked: Asked, id: RuleSetId, ifVersion: number | undefined): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const person = personOf(asked.actor);
  invariant(person !== null, "a rule set is activated by somebody");
  const seen = await readRuleSet(deps.store, organisationId, id);
  if (seen === undefined) return refuseAtOnce(refuse("not_found"), requestId);
  // An older version of the product may have taken what this one does not: that must not show when a payment waits.
  const compiled = compileRules(deps.language, seen.rules);
  const eventId = deps.ids.next("event");
  const key = { hash: id };
  const executed = await deps.queue.execute({
    ...asked,
    needs: [
      { collection: ruleSets, key, mode: "write" },
      { collection: policies, key: policyKey(organisationId), mode: "write" },
    ],
    decide(view, at) {
      const work = workOn(view);
      const set = work.get(ruleSets, key);
      if (set === undefined) return refused(refuse("not_found"), requestId);
      if (ifVersion !== undefined && ifVersion !== set.version)
        return refused(refuse("version_conflict", undefined, `The current version is ${set.version}.`), requestId);
      const policy = work.get(policies, policyKey(organisationId)) ?? defaultPolicy(organisationId);
      if (policy.activeRuleSetId === id) return refused(refuse("rule_set_active"), requestId);
      if (set.createdBy === person || set.editors.includes(person)) return refused(refuse("second_person_required"), requestId);
      // It may have been edited between the check above and now. A refusal would be kept under the Idempotency-Key, and never pass.
      const [fault] = (set.version === seen.version ? compiled : compileRules(deps.language, set.rules)).faults;
      if (fault !== undefined) return refused(refuse("rule_set_invalid", undefined, tellFault(fault)), requestId);
      const activated = { ...set, activatedAt: at, activatedBy: person, version: set.version + 1 };
      work.put(ruleSets, activated);
      work.put(policies, { ...policy, activeRuleSetId: id, updatedAt: at, version: policy.version + 1 });
      work.tell({
        id: eventId,
        type: "rule_set.activated",
        objectId: id,
        details: { ...factsOf(set), before: policy.activeRuleSetId, rollback: set.activatedAt !== null },
      });
      return work.outcome(replied(200, presentRuleSet(activated, id)));
    },
  });
  deps.forget(organisationId);
  return executed;
}
