import type { JsonObject } from "#kernel/json.ts";

/** What a rule asks for, from the weakest to the strongest. */
export const ruleActions = ["allow", "challenge", "review", "block"] as const;
export type RuleAction = (typeof ruleActions)[number];

/** A rule as it is written, stored and shown. */
export interface Rule {
  /** Unique in its rule set. */
  readonly name: string;
  readonly description: string | null;
  /** CEL over the declared variables; its type is bool. */
  readonly expression: string;
  readonly action: RuleAction;
  /** What the customer may be told. */
  readonly reason_code: string;
  /** What only the organisation sees. */
  readonly internal_text: string | null;
  /** A rule that is not enabled is checked like the others, and not evaluated. */
  readonly enabled: boolean;
}

export const MAX_RULES = 100;
export const MAX_EXPRESSION_LENGTH = 2_000;
/** All rules of a set as JSON: far below what one item of a store may have, a kept reply included. */
export const MAX_RULES_BYTES = 131_072;

/**
 * What all expressions of a set may cost together, in comparisons of some 20 ns: half a millisecond of the decision at worst, and as
 * much again when each of a hundred rules fails.
 */
export const MAX_COST = 20_000;

const STRENGTH: Readonly<Record<RuleAction, number>> = { allow: 0, challenge: 1, review: 2, block: 3 };

/** The stronger of two actions: block before review before challenge before allow. */
export function stronger(a: RuleAction, b: RuleAction): RuleAction {
  return STRENGTH[b] > STRENGTH[a] ? b : a;
}

/** Whether `a` protects at least as much as `b`. */
export function atLeast(a: RuleAction, b: RuleAction): boolean {
  return STRENGTH[a] >= STRENGTH[b];
}

/** A copy with exactly the members a rule has, as it is stored. */
export function ruleToItem(rule: Rule): JsonObject {
  const { name, description, expression, action, reason_code, internal_text, enabled } = rule;
  return { name, description, expression, action, reason_code, internal_text, enabled };
}
