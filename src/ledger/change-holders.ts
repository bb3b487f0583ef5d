import type { UserId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Account } from "./account.ts";
import { changedAccount } from "./account.ts";
import type { Holder, HolderRole, Restriction } from "./holder.ts";
import { holdersOf, isOwner, keptHolders, MAX_HOLDERS } from "./holder.ts";

type Changed = { readonly ok: true; readonly account: Account } | Refusal;

/** Adds a holder. A closed account is left as it is, and the organisation's own have none. */
export function addHolder(account: Account, holder: Holder, at: number): Changed {
  const refusal = checkChange(account);
  if (refusal !== undefined) return refusal;
  const holders = holdersOf(account);
  if (holders.some(({ userId }) => userId === holder.userId)) return refuse("already_holder", "user_id");
  if (holders.length >= MAX_HOLDERS) return refuse("too_many_holders");
  return { ok: true, account: withHolders(account, [...holders, holder], at) };
}

/** Gives a holder another role. The first owner stays one. */
export function changeHolderRole(account: Account, userId: UserId, role: HolderRole, at: number): Changed {
  const refusal = checkChange(account) ?? checkHolds(account, userId);
  if (refusal !== undefined) return refusal;
  if (userId === account.userId && !isOwner(role)) return refuse("first_owner_stays", "role");
  const holders = holdersOf(account).map((holder) => (holder.userId === userId ? { ...holder, role } : holder));
  return { ok: true, account: withHolders(account, holders, at) };
}

/** Takes a holder off an account. The first owner stays, so an account always has one. */
export function removeHolder(account: Account, userId: UserId, at: number): Changed {
  const refusal = checkChange(account) ?? checkHolds(account, userId);
  if (refusal !== undefined) return refusal;
  if (userId === account.userId) return refuse("first_owner_stays");
  const holders = holdersOf(account).filter((holder) => holder.userId !== userId);
  return { ok: true, account: withHolders(account, holders, at) };
}

/**
 * What a change of a holder's status does to the account, whatever the role, so that a change of the role finds it there.
 * @returns the same account where nothing changes; a closed one moves no money anyway
 */
export function restrictHolder(account: Account, userId: UserId, restriction: Restriction | null, at: number): Account {
  const before = holdersOf(account);
  const changes = before.some((holder) => holder.userId === userId && holder.restriction !== restriction);
  if (!changes || account.status === "closed") return account;
  const holders = before.map((holder) => (holder.userId === userId ? { ...holder, restriction } : holder));
  return withHolders(account, holders, at);
}

function withHolders(account: Account, holders: readonly Holder[], at: number): Account {
  return changedAccount(account, { holders: keptHolders(holders) }, at);
}

function checkChange(account: Account): Refusal | undefined {
  if (account.userId === null)
    return refuse("account_type_not_allowed", undefined, "An account of the organisation itself has no holders.");
  return account.status === "closed" ? refuse("account_closed") : undefined;
}

function checkHolds(account: Account, userId: UserId): Refusal | undefined {
  return holdersOf(account).some((holder) => holder.userId === userId) ? undefined : refuse("not_found");
}
