import type { OrganisationId, UserId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Collection, Store } from "#storage/index.ts";

/** A customer of an organisation, who holds accounts. */
export interface User {
  readonly id: UserId;
  readonly organisationId: OrganisationId;
  /** Sealed by the vault. */
  readonly name: JsonObject;
  /** How many accounts have been opened for the user; bounded by `MAX_ACCOUNTS`. */
  readonly accountCount: number;
  readonly createdAt: number;
  readonly version: number;
}

/** The most accounts one user may have: what a list over all of them can merge. */
export const MAX_ACCOUNTS = 50;

export const users: Collection<User> = {
  table: "smartfinance-users",
  keyOf: (user) => ({ hash: user.id }),
  toItem: (user) => ({
    id: user.id,
    organisation_id: user.organisationId,
    name: user.name,
    account_count: user.accountCount,
    created_at: user.createdAt,
    version: user.version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredUser;
    return {
      id: stored.id,
      organisationId: stored.organisation_id,
      name: stored.name,
      accountCount: stored.account_count,
      createdAt: stored.created_at,
      version: stored.version,
    };
  },
};

interface StoredUser {
  readonly id: UserId;
  readonly organisation_id: OrganisationId;
  readonly name: JsonObject;
  readonly account_count: number;
  readonly created_at: number;
  readonly version: number;
}

/** A user of this organisation; another's reads like an unknown one. */
export async function readUser(store: Store, organisationId: OrganisationId, id: UserId): Promise<User | undefined> {
  const item = await store.get("smartfinance-users", { hash: id });
  return item === undefined || item.organisation_id !== organisationId ? undefined : users.fromItem(item);
}
