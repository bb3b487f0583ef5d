import type { AccountId, OrganisationId, UserId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Collection, Store, Told } from "#storage/index.ts";

export const USERS_TABLE = "smartfinance-users";

export const userTypes = ["personal", "business"] as const;
export type UserType = (typeof userTypes)[number];

/** Not verified yet, verified, verified but not to pay, and over for good. What each does to accounts is told by `user-status.ts`. */
export const userStatuses = ["pending", "active", "restricted", "closed"] as const;
export type UserStatus = (typeof userStatuses)[number];

/** Why a user has the status it has: a closed list without anything about the person. */
export const statusReasons = [
  "verified",
  "verification_failed",
  "documents_expired",
  "information_outdated",
  "screening_hit",
  "suspicious_activity",
  "court_order",
  "customer_request",
  "cleared",
] as const;
export type StatusReason = (typeof statusReasons)[number];

/** A customer of an organisation, who holds accounts. */
export interface User {
  readonly id: UserId;
  readonly organisationId: OrganisationId;
  readonly type: UserType;
  readonly status: UserStatus;
  /** Why it is the status; `null` where it has never been changed. */
  readonly statusReason: StatusReason | null;
  /** All personal data (`Profile`) in one envelope, sealed under the user's own key. `null` once erased. */
  readonly profile: JsonObject | null;
  /** Keyed hashes of the normalised e-mail address and phone number, by which they are searched. */
  readonly emailIndex: string | null;
  readonly phoneIndex: string | null;
  /** How many accounts have been opened with the user as their first owner. */
  readonly accountCount: number;
  /** The accounts of other first owners that the user holds as well. Together with the former bounded by `MAX_ACCOUNTS`. */
  readonly sharedAccounts: readonly AccountId[];
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly closedAt: number | null;
  readonly erasedAt: number | null;
  readonly version: number;
}

/** The most accounts one user may have: what a list over all of them can merge. */
export const MAX_ACCOUNTS = 50;

/** What the audit log is told of users: whether they may pay. Nothing of the profile. */
const usersTold: Told<User> = {
  prefix: "usr_",
  keyOf: (_organisationId, id) => ({ hash: id }),
  facts: ({ organisationId, type, status }) => ({ organisation_id: organisationId, type, status }),
  isSame: (a, b) => a.status === b.status && a.type === b.type && a.organisationId === b.organisationId,
};

export const users: Collection<User> = {
  table: USERS_TABLE,
  told: usersTold,
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
    ...(user.statusReason === null ? {} : { status_reason: user.statusReason }),
    account_count: user.accountCount,
    ...(user.sharedAccounts.length === 0 ? {} : { shared_accounts: user.sharedAccounts }),
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
      statusReason: stored.status_reason ?? null,
      accountCount: stored.account_count,
      sharedAccounts: stored.shared_accounts ?? [],
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
  readonly status_reason?: StatusReason;
  readonly account_count: number;
  readonly shared_accounts?: readonly AccountId[];
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

/** A user as it begins: without a word about the status it is active. */
export function newUser(
  fields: Pick<User, "id" | "organisationId" | "type" | "profile" | "emailIndex" | "phoneIndex"> & Partial<Pick<User, "status">>,
  at: number,
): User {
  const beginning = { statusReason: null, accountCount: 0, sharedAccounts: [], closedAt: null, erasedAt: null };
  return { status: "active", ...fields, ...beginning, createdAt: at, updatedAt: at, version: 1 };
}

/** The user after a change at `at` (ms). Its times never go back, whatever the clocks of two nodes say. */
export function changedUser(user: User, fields: Partial<User>, at: number): User {
  return { ...user, ...fields, updatedAt: Math.max(at, user.updatedAt), version: user.version + 1 };
}
