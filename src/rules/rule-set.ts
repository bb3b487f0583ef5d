import { hash } from "node:crypto";
import { invariant } from "#kernel/assert.ts";
import { canonicalJson } from "#kernel/canonical-json.ts";
import { toTimestamp } from "#kernel/clock.ts";
import { isId } from "#kernel/ids.ts";
import type { OrganisationId, RuleSetId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Collection, Store, Versioned } from "#storage/index.ts";
import type { Rule } from "./rule.ts";
import { ruleToItem } from "./rule.ts";

export const RULE_SETS_TABLE = "smartfinance-risk-rule-sets";
export const MAX_RULE_SETS = 10_000;
/** Nobody is ever left out of the editors, since whoever edited may not activate: when there are as many, another cannot edit. */
export const MAX_EDITORS = 20;

/** One version of an organisation's rules. A draft until it is activated for the first time, from then on it never changes. */
export interface RuleSet extends Versioned {
  readonly id: RuleSetId;
  readonly organisationId: OrganisationId;
  /** Counts the organisation's rule sets, from 1. */
  readonly number: number;
  readonly description: string | null;
  readonly rules: readonly Rule[];
  /** The API keys that drafted and edited it, the latest first. */
  readonly editors: readonly string[];
  readonly createdBy: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** When and by which API key it was last activated. */
  readonly activatedAt: number | null;
  readonly activatedBy: string | null;
}

interface StoredRuleSet {
  readonly id: RuleSetId;
  readonly organisation_id: OrganisationId;
  readonly number: number;
  readonly description: string | null;
  readonly rules: readonly Rule[];
  readonly editors: readonly string[];
  readonly created_by: string;
  readonly created_at: number;
  readonly updated_at: number;
  readonly activated_at: number | null;
  readonly activated_by: string | null;
  readonly version: number;
}

export const ruleSets: Collection<RuleSet> = {
  table: RULE_SETS_TABLE,
  keyOf: ({ id }) => ({ hash: id }),
  toItem: (set) => ({
    id: set.id,
    organisation_id: set.organisationId,
    number: set.number,
    description: set.description,
    rules: set.rules.map(ruleToItem),
    editors: set.editors,
    created_by: set.createdBy,
    created_at: set.createdAt,
    updated_at: set.updatedAt,
    activated_at: set.activatedAt,
    activated_by: set.activatedBy,
    version: set.version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredRuleSet;
    invariant(isId("ruleSet", stored.id) && Array.isArray(stored.rules), "a stored rule set is malformed");
    return {
      id: stored.id,
      organisationId: stored.organisation_id,
      number: stored.number,
      description: stored.description,
      rules: stored.rules,
      editors: stored.editors,
      createdBy: stored.created_by,
      createdAt: stored.created_at,
      updatedAt: stored.updated_at,
      activatedAt: stored.activated_at,
      activatedBy: stored.activated_by,
      version: stored.version,
    };
  },
};

/** A rule set of this organisation; another's reads like an unknown one. */
export async function readRuleSet(store: Store, organisationId: OrganisationId, id: string): Promise<RuleSet | undefined> {
  const item = await store.get(RULE_SETS_TABLE, { hash: id });
  return item === undefined || item.organisation_id !== organisationId ? undefined : ruleSets.fromItem(item);
}

/** SHA-256 (hex) of the rules' canonical JSON (RFC 8785): what an audit event says of them. */
export function rulesHash(rules: readonly Rule[]): string {
  return hash("sha256", canonicalJson(rules.map(ruleToItem)));
}

/** The rule set as lists show it, where it is not the one in force. */
export function summariseRuleSet(set: RuleSet): JsonObject {
  const { rules: _rules, ...summary } = presentRuleSet(set, null);
  return { ...summary, rule_count: set.rules.length };
}

/** The rule set as the API shows it. @param activeId the one in force */
export function presentRuleSet(set: RuleSet, activeId: RuleSetId | null): JsonObject {
  return {
    id: set.id,
    object: "rule_set",
    number: set.number,
    status: set.id === activeId ? "active" : set.activatedAt === null ? "draft" : "superseded",
    description: set.description,
    rules: set.rules.map(ruleToItem),
    rules_sha256: rulesHash(set.rules),
    created_by: set.createdBy,
    edited_by: set.editors[0] ?? set.createdBy,
    created_at: toTimestamp(set.createdAt),
    updated_at: toTimestamp(set.updatedAt),
    activated_at: set.activatedAt === null ? null : toTimestamp(set.activatedAt),
    activated_by: set.activatedBy,
    version: set.version,
  };
}
