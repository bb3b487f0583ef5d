import type { HoldId, OrganisationId, ReviewId, TransactionId } from "#kernel/ids.ts";
import type { Hold, Transaction } from "#ledger/index.ts";
import { holds, transactionKey, transactions } from "#ledger/index.ts";
import type { Store } from "#storage/index.ts";
import type { Review } from "./review.ts";
import { reviews } from "./review.ts";

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

/** A review of this organisation; another's reads like an unknown one. */
export async function readReview(store: Store, organisationId: OrganisationId, id: ReviewId): Promise<Review | undefined> {
  const item = await store.get("smartfinance-reviews", { hash: id });
  return item === undefined || item.organisation_id !== organisationId ? undefined : reviews.fromItem(item);
}
