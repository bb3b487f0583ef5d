import type { OrganisationId, UserId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Collection, Store } from "#storage/index.ts";

export const USERS_TABLE = "smartfinance-users";

export const userTypes = ["personal", "business"] as const;
export type UserType = (typeof userTypes)[number];

/** A new user is `active`; `pending` and `restricted` are for the verification of customers, `closed` is for good. */
export const userStatuses = ["pending", "active", "restricted", "closed"] as const;
export type UserStatus = (typeof userStatuses)[number];

/** A customer of an organisation, who holds accounts. */
export interface User {
  readonly id: UserId;
  readonly organisationId: OrganisationId;
  readonly type: UserType;
  readonly status: UserStatus;
  /** All personal data (`Profile`) in one envelope, sealed under the user's own key. `null` once erased. */
  readonly profile: JsonObject | null;
  /** Keyed hashes of the normalised e-mail address and phone number, by which they are searched. */
  readonly emailIndex: string | null;
  readonly phoneIndex: string | null;
  /** How many accounts have been opened for the user; bounded by `MAX_ACCOUNTS`. */
  readonly accountCount: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly closedAt: number | null;
  readonly erasedAt: number | null;
  readonly version: number;
}

/** The most accounts one user may have: what a list over all of them can merge. */
export const MAX_ACCOUNTS = 50;

export const users: Collection<User> = {
  table: USERS_TABLE,
  keyOf: (user) => ({ hash: user.id }),
  toItem: (user) => ({
    id: user.id,
    organisation_id: user.organisationId,
    type: user.type,
    status: user.status,
    status_key: userStatusKey(user.organisationId, user.status),
    profile: user.profile,
    ...(user.emailIndex === null ? {} : { email_index: user.emailIndex }),
    ...(user.phoneIndex === null ? {} : { phone_index: user.phoneIndex }),
    account_count: user.accountCount,
    created_at: user.createdAt,
    updated_at: user.updatedAt,
    closed_at: user.closedAt,
    erased_at: user.erasedAt,
    version: user.version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredUser;
    return {
      id: stored.id,
      organisationId: stored.organisation_id,
      type: stored.type,
      status: stored.status,
      profile: stored.profile,
      emailIndex: stored.email_index ?? null,
      phoneIndex: stored.phone_index ?? null,
      accountCount: stored.account_count,
      createdAt: stored.created_at,
      updatedAt: stored.updated_at,
      closedAt: stored.closed_at,
      erasedAt: stored.erased_at,
      version: stored.version,
    };
  },
};

interface StoredUser {
  readonly id: UserId;
  readonly organisation_id: OrganisationId;
  readonly type: UserType;
  readonly status: UserStatus;
  readonly profile: JsonObject | null;
  readonly email_index?: string;
  readonly phone_index?: string;
  readonly account_count: number;
  readonly created_at: number;
  readonly updated_at: number;
  readonly closed_at: number | null;
  readonly erased_at: number | null;
  readonly version: number;
}

/** The hash of the index of users by status. */
export function userStatusKey(organisationId: OrganisationId, status: UserStatus): string {
  return `${organisationId}#${status}`;
}

/** A user of this organisation; another's reads like an unknown one. */
export async function readUser(store: Store, organisationId: OrganisationId, id: UserId): Promise<User | undefined> {
  const item = await store.get(USERS_TABLE, { hash: id });
  return item === undefined || item.organisation_id !== organisationId ? undefined : users.fromItem(item);
}

/** A user as it begins: active until a verification says otherwise. */
export function newUser(fields: Pick<User, "id" | "organisationId" | "type" | "profile" | "emailIndex" | "phoneIndex">, at: number): User {
  return { ...fields, status: "active", accountCount: 0, createdAt: at, updatedAt: at, closedAt: null, erasedAt: null, version: 1 };
}

/** The user after a change at `at` (ms). Its times never go back, whatever the clocks of two nodes say. */
export function changedUser(user: User, fields: Partial<User>, at: number): User {
  return { ...user, ...fields, updatedAt: Math.max(at, user.updatedAt), version: user.version + 1 };
}
