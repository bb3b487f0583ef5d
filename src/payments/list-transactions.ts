import type { User } from "#identity/index.ts";
import { accountsOf, readUser } from "#identity/index.ts";
import type { AccountId, OrganisationId, UserId } from "#kernel/ids.ts";
import { ID_SLACK_MS, listEnd, newestIdOf, oldestIdOf } from "#kernel/id-times.ts";
import { isId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Account, Transaction, TransactionStatus, TransactionType } from "#ledger/index.ts";
import {
  accounts,
  decodePositions,
  encodePositions,
  holdersOf,
  listByAccounts,
  readAccount,
  statusKey,
  transactions,
} from "#ledger/index.ts";
import type { Item, Store } from "#storage/index.ts";
import { mergePartitions } from "#storage/index.ts";
import { transactionAt } from "./present.ts";

export interface TransactionFilter {
  readonly accountId: AccountId | undefined;
  readonly userId: UserId | undefined;
  readonly status: TransactionStatus | undefined;
  readonly type: TransactionType | undefined;
  /** Inclusive bounds on the time of creation, ms. */
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly limit: number;
  readonly cursor: string | undefined;
  /** The time they are shown for, ms: what waits for its payer is asked for by the status it has then. As stored where absent. */
  readonly at?: number;
}

export type TransactionPage =
  | { readonly ok: true; readonly transactions: readonly Transaction[]; readonly cursor: string | undefined }
  | Refusal;

/** Lists transactions, newest first: of an account or a user by their histories, of the organisation by its partitions. */
export async function listTransactions(store: Store, organisationId: OrganisationId, filter: TransactionFilter): Promise<TransactionPage> {
  if (filter.accountId !== undefined && filter.userId !== undefined)
    return refuse("invalid_request", "user_id", "Give account_id or user_id, not both.");
  if (filter.accountId !== undefined) {
    const account = await readAccount(store, organisationId, filter.accountId);
    if (account === undefined) return refuse("account_not_found", "account_id");
    return byAccounts(store, organisationId, () => Promise.resolve([account]), filter);
  }
  if (filter.userId !== undefined) {
    const user = await readUser(store, organisationId, filter.userId);
    if (user === undefined) return refuse("user_not_found", "user_id");
    return byAccounts(store, organisationId, (named) => heldBy(store, user, named), filter);
  }
  if (filter.status !== undefined && filter.status !== "posted") return byStatus(store, organisationId, filter.status, filter);
  return byOrganisation(store, organisationId, filter);
}

/** @param named accounts of the page before, of which an index that lags may know no more what it knew then */
async function heldBy(store: Store, user: User, named: readonly AccountId[]): Promise<Account[]> {
  // The index tells which accounts there are; what they hold is read by key, where it is up to date.
  const ids = new Set((await accountsOf(store, user)).ids);
  const items = await store.getMany([...new Set([...ids, ...named])].map((id) => ({ table: "smartfinance-accounts", key: { hash: id } })));
  return items
    .filter((item): item is Item => item !== undefined)
    .map((item) => accounts.fromItem(item))
    .filter((account) => ids.has(account.id) || holdersOf(account).some(({ userId }) => userId === user.id));
}

async function byAccounts(
  store: Store,
  organisationId: OrganisationId,
  ownedOf: (named: readonly AccountId[]) => Promise<readonly Account[]>,
  filter: TransactionFilter,
): Promise<TransactionPage> {
  const positions = filter.cursor === undefined ? undefined : decodePositions(filter.cursor);
  if (filter.cursor !== undefined && positions === undefined) return refuse("invalid_cursor", "cursor");
  const owned = await ownedOf([...(positions?.keys() ?? [])]);
  const ids = new Set(owned.map(({ id }) => id));
  const newest = endOf(filter);
  const page = await listByAccounts(store, {
    organisationId,
    accounts: owned,
    // A link may be younger than the creation (an approval, another node's clock), never older: `from` bounds the walk,
    // `to` only where to begin it.
    from: filter.from,
    to: newest === undefined ? undefined : newest + ID_SLACK_MS,
    positions,
    limit: filter.limit,
    keep({ transaction, leg }) {
      // A transaction is listed once, at its creation, though an approval linked it again, and though several of its accounts may be of
      // the same user: two of a transfer, up to ten of a journal.
      const first = transaction.legs.find(({ accountId }) => ids.has(accountId));
      if (first?.accountId !== leg.accountId || first.link.number !== leg.link.number) return false;
      return matches(transaction, filter);
    },
  });
  if (!page.valid) return refuse("invalid_cursor", "cursor");
  const next = page.next === undefined ? undefined : encodePositions(page.next);
  return { ok: true, transactions: page.steps.map(({ transaction }) => transaction), cursor: next };
}

async function byStatus(
  store: Store,
  organisationId: OrganisationId,
  status: TransactionStatus,
  filter: TransactionFilter,
): Promise<TransactionPage> {
  const page = await store.query({
    table: "smartfinance-transactions",
    index: "StatusTransactionsIndex",
    hash: statusKey(organisationId, status),
    order: "descending",
    limit: filter.limit,
    ...idBounds(filter),
    ...(filter.cursor === undefined ? {} : { cursor: filter.cursor }),
  });
  const found = page.items.map((item) => transactions.fromItem(item)).filter((transaction) => matches(transaction, filter));
  return { ok: true, transactions: found, cursor: page.cursor };
}

async function byOrganisation(store: Store, organisationId: OrganisationId, filter: TransactionFilter): Promise<TransactionPage> {
  if (filter.cursor !== undefined && !isId("transaction", filter.cursor)) return refuse("invalid_cursor", "cursor");
  const page = await mergePartitions(store, {
    table: "smartfinance-transactions",
    organisationId,
    ...idBounds(filter),
    before: filter.cursor,
    limit: filter.limit,
    keep: (item) => matches(transactions.fromItem(item), filter),
  });
  return { ok: true, transactions: page.items.map((item) => transactions.fromItem(item)), cursor: page.next };
}

function idBounds(filter: TransactionFilter): { from?: string; to?: string } {
  const { from } = filter;
  const newest = endOf(filter);
  return {
    ...(from === undefined ? {} : { from: oldestIdOf("transaction", from) }),
    ...(newest === undefined ? {} : { to: newestIdOf("transaction", newest) }),
  };
}

/** The end that the list has, for ids and for links. */
function endOf({ to, at = Infinity, cursor }: TransactionFilter): number | undefined {
  return listEnd(to, cursor, at);
}

function matches(stored: Transaction, { status, type, from, to, at }: TransactionFilter): boolean {
  const transaction = at === undefined ? stored : transactionAt(stored, at);
  return (
    (status === undefined || transaction.status === status) &&
    (type === undefined || transaction.type === type) &&
    (from === undefined || transaction.createdAt >= from) &&
    (to === undefined || transaction.createdAt <= to)
  );
}
