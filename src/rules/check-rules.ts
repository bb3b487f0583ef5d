import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { RuleFault } from "./evaluate.ts";
import { compileRules } from "./evaluate.ts";
import type { Language } from "./language.ts";
import type { Rule } from "./rule.ts";
import { MAX_COST, MAX_RULES_BYTES, ruleToItem } from "./rule.ts";

export type CheckedRules = { readonly ok: true; readonly rules: readonly Rule[]; readonly lists: readonly string[] } | Refusal;

/**
 * Checks rules that passed their schema: names, size, and every expression against the declared variables.
 * @returns the lists they ask about, which have to exist; or a refusal that names the rule and the place in its expression
 */
export function checkRules(language: Language, rules: readonly Rule[]): CheckedRules {
  const names = new Set<string>();
  for (const [index, { name }] of rules.entries()) {
    if (names.has(name)) return refuse("invalid_request", `rules.${index}.name`, `Another rule of the set is named ${name}.`);
    names.add(name);
  }
  const bytes = Buffer.byteLength(JSON.stringify(rules.map(ruleToItem)));
  if (bytes > MAX_RULES_BYTES)
    return refuse("invalid_request", "rules", `The rules have ${bytes} bytes of JSON together, at most ${MAX_RULES_BYTES}.`);
  const { faults, lists, cost } = compileRules(language, rules);
  const [fault] = faults;
  if (fault !== undefined) return refuse("invalid_request", `rules.${fault.index}.expression`, tellFault(fault));
  if (cost > MAX_COST) return refuse("invalid_request", "rules", `The rules cost ${cost} comparisons together, at most ${MAX_COST}.`);
  return { ok: true, rules, lists };
}

/** Which rule cannot be read, where, and why. */
export function tellFault({ rule, position, message }: RuleFault): string {
  return `Rule ${rule}, character ${position}: ${message}`;
}

/** Refuses rules that ask about a list there is none of. */
export function refuseUnknownLists(lists: readonly string[], known: readonly { readonly name: string }[]): Refusal | undefined {
  const missing = lists.find((name) => !known.some((list) => list.name === name));
  return missing === undefined ? undefined : refuse("invalid_request", "rules", `There is no list ${missing}; make it first.`);
}
