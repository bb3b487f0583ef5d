import { accountsOf, readUser } from "#identity/index.ts";
import type { AccountId, OrganisationId, UserId } from "#kernel/ids.ts";
import { isId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Account } from "#ledger/index.ts";
import { accounts } from "#ledger/index.ts";
import type { Item, Store } from "#storage/index.ts";

export interface PageAsked {
  /** 1 to 100. */
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export type AccountPage = { readonly ok: true; readonly accounts: readonly Account[]; readonly cursor: string | undefined } | Refusal;

/** A page of all accounts of an organisation, newest first. */
export async function listAccounts(store: Store, organisationId: OrganisationId, { limit, cursor }: PageAsked): Promise<AccountPage> {
  const page = await store.query({
    table: "smartfinance-accounts",
    index: "OrganisationAccountsIndex",
    hash: organisationId,
    order: "descending",
    limit,
    ...(cursor === undefined ? {} : { cursor }),
  });
  return { ok: true, accounts: page.items.map((item) => accounts.fromItem(item)), cursor: page.cursor };
}

/**
 * A page of the accounts that a user holds, alone or with others, newest first. All of them are few (`MAX_ACCOUNTS`), so the page
 * is cut from the whole list; the cursor is the last account's id. Another organisation's user has none.
 */
export async function listAccountsOf(
  store: Store,
  organisationId: OrganisationId,
  userId: UserId,
  { limit, cursor }: PageAsked,
): Promise<AccountPage> {
  if (cursor !== undefined && !isId("account", cursor)) return refuse("invalid_cursor", "cursor");
  const user = await readUser(store, organisationId, userId);
  if (user === undefined) return { ok: true, accounts: [], cursor: undefined };
  const { ids } = await accountsOf(store, user);
  const after = ids.filter((id) => cursor === undefined || id < cursor).toSorted((a: AccountId, b: AccountId) => (a < b ? 1 : -1));
  const page = after.slice(0, limit);
  // The list tells which accounts there are; what they hold is read by key, where it is up to date.
  const items = await store.getMany(page.map((id) => ({ table: "smartfinance-accounts", key: { hash: id } })));
  return {
    ok: true,
    accounts: items.filter((item): item is Item => item !== undefined).map((item) => accounts.fromItem(item)),
    cursor: after.length > limit ? page.at(-1) : undefined,
  };
}
