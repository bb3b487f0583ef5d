import { toTimestamp } from "#kernel/clock.ts";
import type { DryRunId, OrganisationId, RuleListId, RuleSetId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Collection, Key, Store, Versioned } from "#storage/index.ts";
import type { Thresholds } from "./thresholds.ts";
import { DEFAULT_THRESHOLDS, ONE } from "./thresholds.ts";

export const POLICIES_TABLE = "smartfinance-risk-policies";

/** What an organisation has in force. `version` 0: nothing was ever set. */
export interface Policy extends Versioned {
  readonly organisationId: OrganisationId;
  readonly thresholds: Thresholds;
  readonly activeRuleSetId: RuleSetId | null;
  readonly updatedAt: number | null;
}

/** What holds of an organisation that never set anything. */
export function defaultPolicy(organisationId: OrganisationId): Policy {
  return { organisationId, thresholds: DEFAULT_THRESHOLDS, activeRuleSetId: null, updatedAt: null, version: 0 };
}

export function policyKey(organisationId: OrganisationId): Key {
  return { hash: organisationId };
}

export const policies: Collection<Policy> = {
  table: POLICIES_TABLE,
  keyOf: ({ organisationId }) => policyKey(organisationId),
  toItem: (policy) => ({
    id: policy.organisationId,
    challenge_above: policy.thresholds.challengeAbove,
    review_above: policy.thresholds.reviewAbove,
    block_above: policy.thresholds.blockAbove,
    active_rule_set_id: policy.activeRuleSetId,
    updated_at: policy.updatedAt,
    version: policy.version,
  }),
  fromItem: (item) => ({
    organisationId: item.id as OrganisationId,
    thresholds: {
      challengeAbove: item.challenge_above as number | null,
      reviewAbove: item.review_above as number,
      blockAbove: item.block_above as number | null,
    },
    activeRuleSetId: item.active_rule_set_id as RuleSetId | null,
    updatedAt: item.updated_at as number | null,
    version: Number(item.version),
  }),
};

/** What is counted and named once per organisation, apart from the policy, so that a draft does not change the policy's version. */
export interface RuleRegistry extends Versioned {
  readonly organisationId: OrganisationId;
  /** The number of the newest rule set. */
  readonly lastNumber: number;
  /** By name, in the order in which they were made. */
  readonly lists: readonly { readonly name: string; readonly id: RuleListId }[];
  /** The dry run under way: one at a time. */
  readonly dryRunId: DryRunId | null;
}

export function emptyRegistry(organisationId: OrganisationId): RuleRegistry {
  return { organisationId, lastNumber: 0, lists: [], dryRunId: null, version: 0 };
}

export function registryKey(organisationId: OrganisationId): Key {
  return { hash: `${organisationId}#registry` };
}

export const registries: Collection<RuleRegistry> = {
  table: POLICIES_TABLE,
  keyOf: ({ organisationId }) => registryKey(organisationId),
  toItem: (registry) => ({
    id: registryKey(registry.organisationId).hash,
    organisation_id: registry.organisationId,
    last_number: registry.lastNumber,
    lists: registry.lists.map(({ name, id }) => ({ name, id })),
    dry_run_id: registry.dryRunId,
    version: registry.version,
  }),
  fromItem: (item) => ({
    organisationId: item.organisation_id as OrganisationId,
    lastNumber: Number(item.last_number),
    lists: item.lists as unknown as RuleRegistry["lists"],
    dryRunId: item.dry_run_id as DryRunId | null,
    version: Number(item.version),
  }),
};

/** Both records of an organisation, in one strongly consistent round. */
export async function readPolicy(
  store: Store,
  organisationId: OrganisationId,
): Promise<{ readonly policy: Policy; readonly registry: RuleRegistry }> {
  const [policy, registry] = await store.getMany([
    { table: POLICIES_TABLE, key: policyKey(organisationId) },
    { table: POLICIES_TABLE, key: registryKey(organisationId) },
  ]);
  return {
    policy: policy === undefined ? defaultPolicy(organisationId) : policies.fromItem(policy),
    registry: registry === undefined ? emptyRegistry(organisationId) : registries.fromItem(registry),
  };
}

/** What an entity tag names: one more than the stored version, so that a policy nobody has set yet has one, too. */
export function policyTag({ version }: Policy): number {
  return version + 1;
}

/** The thresholds on the wire, from 0 to 1. Dividing an integer by 10,000 gives the double that prints with four decimals. */
export function presentThresholds({ challengeAbove, reviewAbove, blockAbove }: Thresholds): JsonObject {
  return {
    challenge_above: challengeAbove === null ? null : challengeAbove / ONE,
    review_above: reviewAbove / ONE,
    block_above: blockAbove === null ? null : blockAbove / ONE,
  };
}

/** The policy as the API shows it. */
export function presentPolicy(policy: Policy): JsonObject {
  return {
    id: policy.organisationId,
    object: "risk_policy",
    ...presentThresholds(policy.thresholds),
    active_rule_set_id: policy.activeRuleSetId,
    updated_at: policy.updatedAt === null ? null : toTimestamp(policy.updatedAt),
    version: policyTag(policy),
  };
}
