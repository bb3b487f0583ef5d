import type { Facts, ListSnapshot } from "./facts.ts";
import type { Language, Program } from "./language.ts";
import type { Rule, RuleAction } from "./rule.ts";
import { stronger } from "./rule.ts";

/** A rule with what its expression came to; `undefined` for one that does not compile any more. */
interface Prepared {
  readonly rule: Rule;
  readonly program: Program | undefined;
}

/** The enabled rules of one set, compiled once and evaluated for every payment. */
export interface CompiledRules {
  readonly language: Language;
  readonly prepared: readonly Prepared[];
  /** What the rules read, by full names. */
  readonly variables: readonly string[];
  /** The lists they ask about. */
  readonly lists: readonly string[];
  /** Rules (enabled or not) that do not compile. Empty for a set that was just checked. */
  readonly faults: readonly RuleFault[];
  /** What all rules cost together at most, in comparisons; those that are not enabled included. */
  readonly cost: number;
}

export interface RuleFault {
  /** Place in the set, from 0. */
  readonly index: number;
  readonly rule: string;
  /** Character of the expression, from 1. */
  readonly position: number;
  readonly message: string;
}

/** A rule that took part in the outcome. */
export interface Hit {
  readonly rule: string;
  readonly action: RuleAction;
  readonly reasonCode: string;
  /** Its expression could not be evaluated, so `action` is the cautious one. */
  readonly failed: boolean;
}

/** A rule whose expression could not be evaluated. */
export interface Failure {
  readonly rule: string;
  readonly message: string;
}

export interface Evaluation {
  /** In the order of the set. */
  readonly hits: readonly Hit[];
  /** The strongest action among the hits; absent when no rule hit. */
  readonly action: RuleAction | undefined;
  readonly failures: readonly Failure[];
}

/**
 * What a rule counts as whose expression cannot be evaluated: an `allow` as not hit; a `challenge` as hit; a `review` and a
 * `block` as a review, since a fault must not lower the protection and need not stop the payment for good.
 */
const WHEN_FAILED: Readonly<Record<RuleAction, RuleAction | undefined>> = {
  allow: undefined,
  challenge: "challenge",
  review: "review",
  block: "review",
};

const MAX_MESSAGE = 200;
const NONE: Evaluation = { hits: [], action: undefined, failures: [] };

/** Compiles a rule set. Rules that do not compile are in `faults`, and count as failed whenever the set is evaluated. */
export function compileRules(language: Language, rules: readonly Rule[]): CompiledRules {
  const prepared: Prepared[] = [];
  const faults: RuleFault[] = [];
  const variables = new Set<string>();
  const lists = new Set<string>();
  let cost = 0;
  for (const [index, rule] of rules.entries()) {
    const compiled = language.compile(rule.expression);
    if (!compiled.ok) faults.push({ index, rule: rule.name, position: compiled.position, message: compiled.message });
    if (compiled.ok) cost += compiled.program.cost;
    if (!rule.enabled) {
      // The lists of a rule that is not enabled have to exist all the same, so that enabling it is no risk.
      if (compiled.ok) for (const name of compiled.program.lists) lists.add(name);
      continue;
    }
    prepared.push({ rule, program: compiled.ok ? compiled.program : undefined });
    if (!compiled.ok) continue;
    for (const name of compiled.program.variables) variables.add(name);
    for (const name of compiled.program.lists) lists.add(name);
  }
  return { language, prepared, variables: [...variables], lists: [...lists], faults, cost };
}

/**
 * Evaluates every rule. Pure and synchronous: same rules, lists and facts, same outcome. A fact that is absent makes only
 * those rules fail whose outcome depends on it (`known || unknown` is true when the first is).
 */
export function evaluate(compiled: CompiledRules, facts: Facts, lists: ListSnapshot): Evaluation {
  if (compiled.prepared.length === 0) return NONE;
  const bound = compiled.language.bind(facts, compiled.variables);
  const hits: Hit[] = [];
  const failures: Failure[] = [];
  let action: RuleAction | undefined;
  const hit = (rule: Rule, what: RuleAction, failed: boolean): void => {
    hits.push({ rule: rule.name, action: what, reasonCode: rule.reason_code, failed });
    action = action === undefined ? what : stronger(action, what);
  };
  // Failing rules cost a third without the stack, which nobody reads.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    for (const { rule, program } of compiled.prepared) {
      let failure = "The expression does not compile any more.";
      try {
        if (program !== undefined) {
          if (program.meets(bound, lists)) hit(rule, rule.action, false);
          continue;
        }
      } catch (error) {
        failure = messageOf(error);
      }
      failures.push({ rule: rule.name, message: failure });
      const cautious = WHEN_FAILED[rule.action];
      if (cautious !== undefined) hit(rule, cautious, true);
    }
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  return { hits, action, failures };
}

function messageOf(error: unknown): string {
  const { summary, message } = error as { readonly summary?: unknown; readonly message?: unknown };
  const said = typeof summary === "string" ? summary : message;
  return typeof said === "string" ? said.slice(0, MAX_MESSAGE) : "unknown";
}
