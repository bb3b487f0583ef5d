import { personOf } from "#audit/index.ts";
import type { Asked, Executed } from "#commit/index.ts";
import { refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { RuleSetId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import { checkRules, refuseUnknownLists } from "./check-rules.ts";
import type { RulesDeps } from "./deps.ts";
import { emptyRegistry, registries, registryKey } from "./policy.ts";
import type { Rule } from "./rule.ts";
import type { RuleSet } from "./rule-set.ts";
import { MAX_EDITORS, MAX_RULE_SETS, presentRuleSet, rulesHash, ruleSets } from "./rule-set.ts";

/** A rule as a request has it: what may be left out is. */
export type RuleBody = Pick<Rule, "name" | "expression" | "action" | "reason_code"> & {
  readonly description?: string | null;
  readonly internal_text?: string | null;
  readonly enabled?: boolean;
};

export interface RuleSetBody {
  readonly description?: string | null;
  readonly rules: readonly RuleBody[];
}

/** POST /v1/risk/rule-sets: a draft. */
export async function createRuleSet(deps: RulesDeps, asked: Asked, body: RuleSetBody): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const person = personOf(asked.actor);
  invariant(person !== null, "a rule set is drafted by somebody");
  const checked = checkRules(deps.language, body.rules.map(completed));
  if (!checked.ok) return refuseAtOnce(checked, requestId);
  const id = deps.ids.next("ruleSet");
  const eventId = deps.ids.next("event");
  const registry = registryKey(organisationId);
  return deps.queue.execute({
    ...asked,
    needs: [{ collection: registries, key: registry, mode: "write" }],
    decide(view, at) {
      const work = workOn(view);
      const before = work.get(registries, registry) ?? emptyRegistry(organisationId);
      if (before.lastNumber >= MAX_RULE_SETS)
        return refused(refuse("limit_reached", undefined, `At most ${MAX_RULE_SETS} rule sets.`), requestId);
      const refusal = refuseUnknownLists(checked.lists, before.lists);
      if (refusal !== undefined) return refused(refusal, requestId);
      const set: RuleSet = {
        id,
        organisationId,
        number: before.lastNumber + 1,
        description: body.description ?? null,
        rules: checked.rules,
        editors: [person],
        createdBy: person,
        createdAt: at,
        updatedAt: at,
        activatedAt: null,
        activatedBy: null,
        version: 1,
      };
      work.put(registries, { ...before, lastNumber: set.number, version: before.version + 1 });
      work.put(ruleSets, set);
      work.tell({ id: eventId, type: "rule_set.created", objectId: id, details: factsOf(set) });
      return work.outcome(replied(201, presentRuleSet(set, null)));
    },
  });
}

/** PATCH /v1/risk/rule-sets/{id}. Only drafts change; what is left out stays. */
export async function updateRuleSet(
  deps: RulesDeps,
  asked: Asked,
  id: RuleSetId,
  body: Partial<RuleSetBody>,
  ifVersion: number | undefined,
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const person = personOf(asked.actor);
  invariant(person !== null, "a rule set is edited by somebody");
  const checked = body.rules === undefined ? undefined : checkRules(deps.language, body.rules.map(completed));
  if (checked?.ok === false) return refuseAtOnce(checked, requestId);
  const eventId = deps.ids.next("event");
  const key = { hash: id };
  const registry = registryKey(organisationId);
  return deps.queue.execute({
    ...asked,
    needs: [
      { collection: ruleSets, key, mode: "write" },
      { collection: registries, key: registry, mode: "read" },
    ],
    decide(view, at) {
      const work = workOn(view);
      const set = work.get(ruleSets, key);
      if (set === undefined || set.organisationId !== organisationId) return refused(refuse("not_found"), requestId);
      if (ifVersion !== undefined && ifVersion !== set.version)
        return refused(refuse("version_conflict", undefined, `The current version is ${set.version}.`), requestId);
      if (set.activatedAt !== null) return refused(refuse("rule_set_not_draft"), requestId);
      const editors = [person, ...set.editors.filter((editor) => editor !== person)];
      if (editors.length > MAX_EDITORS)
        return refused(refuse("limit_reached", undefined, `At most ${MAX_EDITORS} keys edit a rule set; draft another.`), requestId);
      const refusal = refuseUnknownLists(checked?.lists ?? [], work.get(registries, registry)?.lists ?? []);
      if (refusal !== undefined) return refused(refusal, requestId);
      const changed: RuleSet = {
        ...set,
        description: body.description === undefined ? set.description : body.description,
        rules: checked?.rules ?? set.rules,
        editors,
        updatedAt: Math.max(at, set.updatedAt),
        version: set.version + 1,
      };
      work.put(ruleSets, changed);
      work.tell({ id: eventId, type: "rule_set.updated", objectId: id, details: { before: factsOf(set), after: factsOf(changed) } });
      return work.outcome(replied(200, presentRuleSet(changed, null)));
    },
  });
}

/** What an audit event tells of a rule set: enough to prove later which rules they were. */
export function factsOf({ number, rules, version }: RuleSet) {
  return { number, version, rules: rules.length, rules_sha256: rulesHash(rules) };
}

function completed(rule: RuleBody): Rule {
  return { ...rule, description: rule.description ?? null, internal_text: rule.internal_text ?? null, enabled: rule.enabled ?? true };
}
