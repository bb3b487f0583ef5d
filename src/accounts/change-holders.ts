import type { Asked, Executed, Need, Working } from "#commit/index.ts";
import type { User } from "#identity/index.ts";
import { canHold, countAccounts, MAX_ACCOUNTS, restrictionBy, users } from "#identity/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { AccountId, OrganisationId, UserId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Account, Holder, HolderRole } from "#ledger/index.ts";
import { addHolder, changeHolderRole, holdersOf, isFreed, removeHolder } from "#ledger/index.ts";
import { changeAccount } from "./change-account.ts";
import type { AccountDeps } from "./deps.ts";

/** A holder as the API is given one. */
export interface HolderBody {
  readonly user_id: UserId;
  readonly role: HolderRole;
}

/** The need of a user who is given an account, or loses one. */
export const userNeed = (id: UserId): Need => ({ collection: users, key: { hash: id }, mode: "write" });

/**
 * The user who is to hold an account, with the holder to be. Pending users can be given accounts, on which no money moves yet.
 * @param params names of the request's fields, so that a refusal points at the one at fault
 */
export function holderToBe(
  work: Working,
  organisationId: OrganisationId,
  { user_id: userId, role }: HolderBody,
  params: { readonly user: string; readonly role: string },
): { readonly ok: true; readonly user: User; readonly holder: Holder } | Refusal {
  const user = work.get(users, { hash: userId });
  if (user === undefined || user.organisationId !== organisationId) return refuse("user_not_found", params.user);
  if (!canHold(user)) return refuse("user_not_active", params.user, `The user is ${user.status}.`);
  if (countAccounts(user) >= MAX_ACCOUNTS) return refuse("too_many_accounts", params.user);
  const refusal = checkRole(user, role, params.role);
  if (refusal !== undefined) return refusal;
  return { ok: true, user, holder: { userId, role, restriction: restrictionBy(user.status) } };
}

/** Behind every business there are people: a business is no beneficial owner (Directive 2015/849, article 3(6)). */
function checkRole(user: User, role: HolderRole, param: string): Refusal | undefined {
  if (role !== "beneficial_owner" || user.type === "personal") return undefined;
  return refuse("invalid_request", param, "A beneficial owner is a person, not a business.");
}

/** The user with an account of another first owner. That is no change of the user's own data, so `updated_at` stays. */
export function sharing(user: User, account: AccountId): User {
  return { ...user, sharedAccounts: [...user.sharedAccounts, account], version: user.version + 1 };
}

/** What a request to change a holder says beside who and what. */
export interface OnHolders {
  /** The account's version the client has seen, from If-Match. */
  readonly ifVersion: number | undefined;
  /** Whether whoever asks may set the statuses of users as well (`users:verify`). */
  readonly mayVerify: boolean;
}

/**
 * Otherwise whoever may open accounts could lift what only those who verify people may: by taking the restricted owner off. That counts as
 * well where another holder binds the account meanwhile: once that one is verified, nobody looks for the one who was taken off before.
 */
function checkFreed(before: Account, after: Account, userId: UserId, mayVerify: boolean): Refusal | undefined {
  if (mayVerify || !isFreed(alone(before, userId), alone(after, userId))) return undefined;
  return refuse("insufficient_scope", undefined, "It would free the account of a restriction, so users:verify is needed as well.");
}

/** The account as if nobody else held it. */
function alone(account: Account, userId: UserId): Account {
  return { ...account, holders: holdersOf(account).filter((holder) => holder.userId === userId) };
}

/** POST /v1/accounts/{id}/holders. */
export function addAccountHolder(
  deps: AccountDeps,
  asked: Asked,
  id: AccountId,
  body: HolderBody,
  { ifVersion }: Pick<OnHolders, "ifVersion">,
): Promise<Executed> {
  const { organisationId } = asked.actor;
  return changeAccount(deps, asked, {
    id,
    ifVersion,
    status: 201,
    type: "account.holder_added",
    userId: body.user_id,
    details: { role: body.role },
    needs: [userNeed(body.user_id)],
    decide(account, at, work) {
      const found = holderToBe(work, organisationId, body, { user: "user_id", role: "role" });
      if (!found.ok) return found;
      const changed = addHolder(account, found.holder, at);
      if (changed.ok) work.put(users, sharing(found.user, id));
      return changed;
    },
  });
}

/** PATCH /v1/accounts/{id}/holders/{user_id}. */
export function changeAccountHolder(
  deps: AccountDeps,
  asked: Asked,
  id: AccountId,
  userId: UserId,
  role: HolderRole,
  { ifVersion, mayVerify }: OnHolders,
): Promise<Executed> {
  return changeAccount(deps, asked, {
    id,
    ifVersion,
    type: "account.holder_changed",
    userId,
    details: (account) => ({ before: holdersOf(account).find((holder) => holder.userId === userId)?.role ?? null, after: role }),
    needs: [{ ...userNeed(userId), mode: "read" }],
    decide(account, at, work) {
      const changed = changeHolderRole(account, userId, role, at);
      if (!changed.ok) return changed;
      const user = work.get(users, { hash: userId });
      invariant(user, "a holder is a user");
      return checkRole(user, role, "role") ?? checkFreed(account, changed.account, userId, mayVerify) ?? changed;
    },
  });
}

/** DELETE /v1/accounts/{id}/holders/{user_id}. */
export function removeAccountHolder(
  deps: AccountDeps,
  asked: Asked,
  id: AccountId,
  userId: UserId,
  { ifVersion, mayVerify }: OnHolders,
): Promise<Executed> {
  return changeAccount(deps, asked, {
    id,
    ifVersion,
    type: "account.holder_removed",
    userId,
    details: (account) => ({ role: holdersOf(account).find((holder) => holder.userId === userId)?.role ?? null }),
    needs: [userNeed(userId)],
    decide(account, at, work) {
      const changed = removeHolder(account, userId, at);
      if (!changed.ok) return changed;
      const refusal = checkFreed(account, changed.account, userId, mayVerify);
      if (refusal !== undefined) return refusal;
      const user = work.get(users, { hash: userId });
      invariant(user, "a holder is a user");
      const sharedAccounts = user.sharedAccounts.filter((shared) => shared !== id);
      work.put(users, { ...user, sharedAccounts, version: user.version + 1 });
      return changed;
    },
  });
}
