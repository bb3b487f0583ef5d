import type { JsonObject } from "#kernel/json.ts";
import type { Minor } from "#kernel/money.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Account } from "./account.ts";
import { changedAccount, reservedAt } from "./account.ts";

type Changed = { readonly ok: true; readonly account: Account } | Refusal;

/** The terms a client may change after opening. */
export interface AccountTerms {
  readonly overdraftLimit?: Minor | undefined;
  readonly interestRateBps?: number | undefined;
  /** `null` removes the metadata. */
  readonly metadata?: JsonObject | null | undefined;
}

/** Changes terms. An overdraft limit cannot go below what is in use, else the account would start beyond its limit. */
export function changeTerms(account: Account, terms: AccountTerms, at: number): Changed {
  if (account.status === "closed") return refuse("account_closed");
  if (account.type === "settlement" && terms.overdraftLimit !== undefined)
    return refuse("account_type_not_allowed", "overdraft_limit", "A settlement account has no overdraft limit.");
  const overdraftLimit = terms.overdraftLimit ?? account.overdraftLimit;
  if (terms.overdraftLimit !== undefined && account.balance - reservedAt(account, at) + overdraftLimit < 0n)
    return refuse("overdraft_in_use", "overdraft_limit");
  return changed(account, at, {
    overdraftLimit,
    interestRateBps: terms.interestRateBps ?? account.interestRateBps,
    metadata: terms.metadata === undefined ? account.metadata : terms.metadata,
  });
}

/** Freezes an active account: nothing posts to or from it until it is unfrozen. Holds stay. */
export function freezeAccount(account: Account, at: number): Changed {
  if (account.type === "settlement") return refuse("account_type_not_allowed");
  if (account.status !== "active") return refuse("account_status_conflict", undefined, `The account is ${account.status}.`);
  return changed(account, at, { status: "frozen" });
}

export function unfreezeAccount(account: Account, at: number): Changed {
  if (account.status !== "frozen") return refuse("account_status_conflict", undefined, `The account is ${account.status}.`);
  return changed(account, at, { status: "active" });
}

/** Closes an account for good. It must be empty, with nothing reserved. */
export function closeAccount(account: Account, at: number): Changed {
  if (account.type === "settlement") return refuse("account_type_not_allowed");
  if (account.status === "closed") return refuse("account_status_conflict", undefined, "The account is closed.");
  if (account.balance !== 0n || reservedAt(account, at) !== 0n) return refuse("account_not_empty");
  return changed(account, at, { status: "closed", reserved: [] });
}

function changed(account: Account, at: number, fields: Partial<Account>): Changed {
  return { ok: true, account: changedAccount(account, fields, at) };
}
