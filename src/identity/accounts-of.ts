import type { AccountId } from "#kernel/ids.ts";
import { accounts } from "#ledger/index.ts";
import type { Store } from "#storage/index.ts";
import type { User } from "./user.ts";
import { MAX_ACCOUNTS } from "./user.ts";

export interface AccountsOf {
  /** Of the accounts the user is the first owner of, and of those shared with the user. */
  readonly ids: readonly AccountId[];
  /** The index has shown every account that the user counts; it may lag behind, and then nothing may be decided on it. */
  readonly complete: boolean;
}

/**
 * The accounts a user holds. Those of which the user is the first owner are found through an index, and counted against the
 * user's own number; those of others that the user shares are named in the user's record.
 */
export async function accountsOf(store: Store, user: User): Promise<AccountsOf> {
  const page = await store.query({
    table: "smartfinance-accounts",
    index: "UserAccountsIndex",
    hash: user.id,
    order: "ascending",
    limit: MAX_ACCOUNTS,
  });
  const own = page.items.map((item) => accounts.fromItem(item).id);
  return { ids: [...own, ...user.sharedAccounts], complete: own.length >= user.accountCount };
}

/** How many accounts a user holds, closed ones included: what `MAX_ACCOUNTS` bounds. */
export function countAccounts({ accountCount, sharedAccounts }: Pick<User, "accountCount" | "sharedAccounts">): number {
  return accountCount + sharedAccounts.length;
}
