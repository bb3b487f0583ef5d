import type { OrganisationId } from "#kernel/ids.ts";
import type { Collection, Key, Store, Versioned } from "#storage/index.ts";
import { OPERATORS_TABLE } from "./operator.ts";

/** How long sessions of an organisation's operators last, in minutes, with what may be chosen. */
export const IDLE_MINUTES = { min: 1, max: 60, initial: 15 } as const;
export const ABSOLUTE_MINUTES = { min: 15, max: 24 * 60, initial: 8 * 60 } as const;

export interface SessionPolicy extends Versioned {
  readonly organisationId: OrganisationId;
  /** Minutes without a request after which a session is over. */
  readonly idleMinutes: number;
  /** Minutes after which it is over in any case. */
  readonly absoluteMinutes: number;
  readonly updatedAt: number | null;
}

export const policyKey = (id: OrganisationId): Key => ({ hash: `${id}#sessions` });

export const sessionPolicies: Collection<SessionPolicy> = {
  table: OPERATORS_TABLE,
  keyOf: ({ organisationId }) => policyKey(organisationId),
  toItem: (policy) => ({
    id: policyKey(policy.organisationId).hash,
    of_organisation: policy.organisationId,
    idle_minutes: policy.idleMinutes,
    absolute_minutes: policy.absoluteMinutes,
    updated_at: policy.updatedAt,
    version: policy.version,
  }),
  fromItem: (item) => ({
    organisationId: item.of_organisation as OrganisationId,
    idleMinutes: Number(item.idle_minutes),
    absoluteMinutes: Number(item.absolute_minutes),
    updatedAt: item.updated_at === null ? null : Number(item.updated_at),
    version: Number(item.version),
  }),
};

/** What holds where nothing was set. */
export function defaultPolicy(organisationId: OrganisationId): SessionPolicy {
  return {
    organisationId,
    idleMinutes: IDLE_MINUTES.initial,
    absoluteMinutes: ABSOLUTE_MINUTES.initial,
    updatedAt: null,
    version: 0,
  };
}

/** What an entity tag names: one more than the stored version, so that a policy nobody has set yet has one, too. */
export const policyTag = ({ version }: SessionPolicy): number => version + 1;

export async function readPolicy(store: Store, id: OrganisationId): Promise<SessionPolicy> {
  const item = await store.get(OPERATORS_TABLE, policyKey(id));
  return item === undefined ? defaultPolicy(id) : sessionPolicies.fromItem(item);
}
