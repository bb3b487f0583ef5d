import type { AccountId, HoldId, OrganisationId, TransactionId } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import type { Account } from "./account.ts";
import { accounts } from "./account.ts";
import type { Hold } from "./hold.ts";
import { holds } from "./hold.ts";
import type { Transaction } from "./transaction.ts";
import { transactionKey, transactions } from "./transaction.ts";

/** An account of this organisation; another's reads like an unknown one. */
export async function readAccount(store: Store, organisationId: OrganisationId, id: AccountId): Promise<Account | undefined> {
  const item = await store.get("smartfinance-accounts", { hash: id });
  return item === undefined || item.organisation_id !== organisationId ? undefined : accounts.fromItem(item);
}

/** A transaction of this organisation; another's reads like an unknown one. */
export async function readTransaction(store: Store, organisationId: OrganisationId, id: TransactionId): Promise<Transaction | undefined> {
  const item = await store.get("smartfinance-transactions", transactionKey(organisationId, id));
  return item === undefined ? undefined : transactions.fromItem(item);
}

/** A hold of this organisation; another's reads like an unknown one. */
export async function readHold(store: Store, organisationId: OrganisationId, id: HoldId): Promise<Hold | undefined> {
  const item = await store.get("smartfinance-holds", { hash: id });
  return item === undefined || item.organisation_id !== organisationId ? undefined : holds.fromItem(item);
}
