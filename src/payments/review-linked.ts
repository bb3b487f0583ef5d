import { newestIdOf, oldestIdOf } from "#kernel/id-times.ts";
import { isId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import { toTimestamp } from "#kernel/clock.ts";
import { minorToWire } from "#kernel/money.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { RiskLabel } from "#labels/index.ts";
import { labelsOf } from "#labels/index.ts";
import type { Transaction } from "#ledger/index.ts";
import { decodePositions, encodePositions, listByAccounts, readAccount, transactions } from "#ledger/index.ts";
import { riskScoreOf } from "#risk/index.ts";
import type { Store } from "#storage/index.ts";
import { mergePartitions } from "#storage/index.ts";
import { transactionAt } from "./present.ts";
import type { Review } from "./review.ts";

export type LinkKind = "payee" | "device";

export interface LinkedQuery {
  readonly by: LinkKind;
  /** How far before and after the review's own transaction to look. */
  readonly days: number;
  readonly limit: number;
  readonly cursor: string | undefined;
  /** The time they are shown for, ms. */
  readonly at: number;
}

export type LinkedPage = { readonly ok: true; readonly data: readonly JsonObject[]; readonly cursor: string | undefined } | Refusal;

const DAY_MS = 86_400_000;

/**
 * Other transactions that have something in common with a reviewed one, newest first, with what they turned out to be.
 * - `payee`: from the history of the account that was to be paid; a page reads at most 1,000 of its links.
 * - `device`: there is no index of devices, so the organisation's transactions of those days are looked through; a page reads at
 *   most 2,000 of them. Pages may be short, or empty, while there are more.
 */
export async function listLinked(store: Store, review: Review, query: LinkedQuery): Promise<LinkedPage> {
  const page = await (query.by === "payee" ? byPayee(store, review, query) : byDevice(store, review, query));
  if (!page.ok) return page;
  const labels = await labelsOf(
    store,
    review.organisationId,
    page.found.map(({ id }) => id),
  );
  return {
    ok: true,
    data: page.found.map((one) => present(transactionAt(one, query.at), query.by, labels.get(one.id))),
    cursor: page.cursor,
  };
}

type Found = { readonly ok: true; readonly found: readonly Transaction[]; readonly cursor: string | undefined } | Refusal;

async function byPayee(store: Store, review: Review, { days, limit, cursor }: LinkedQuery): Promise<Found> {
  const { organisationId, toAccountId, transactionId, createdAt } = review;
  const positions = cursor === undefined ? undefined : decodePositions(cursor);
  if (cursor !== undefined && positions === undefined) return refuse("invalid_cursor", "cursor");
  const payee = await readAccount(store, organisationId, toAccountId);
  // Every withdrawal goes to the settlement account: that they have in common says nothing.
  if (payee === undefined || payee.type === "settlement") return { ok: true, found: [], cursor: undefined };
  const page = await listByAccounts(store, {
    organisationId,
    accounts: [payee],
    from: createdAt - days * DAY_MS,
    to: createdAt + days * DAY_MS,
    positions,
    limit,
    keep({ transaction, leg }) {
      // Listed once, at its creation, though an approval linked it again.
      const first = transaction.legs.find(({ accountId }) => accountId === leg.accountId);
      return first?.link.number === leg.link.number && transaction.toAccountId === toAccountId && transaction.id !== transactionId;
    },
  });
  if (!page.valid) return refuse("invalid_cursor", "cursor");
  const next = page.next === undefined ? undefined : encodePositions(page.next);
  return { ok: true, found: page.steps.map(({ transaction }) => transaction), cursor: next };
}

async function byDevice(store: Store, review: Review, { days, limit, cursor }: LinkedQuery): Promise<Found> {
  if (cursor !== undefined && !isId("transaction", cursor)) return refuse("invalid_cursor", "cursor");
  const device = deviceOf(review.assessment);
  if (device === undefined) return { ok: true, found: [], cursor: undefined };
  const [from, to] = [review.createdAt - days * DAY_MS, review.createdAt + days * DAY_MS];
  const page = await mergePartitions(store, {
    table: "smartfinance-transactions",
    organisationId: review.organisationId,
    from: oldestIdOf("transaction", from),
    to: newestIdOf("transaction", to),
    before: cursor,
    limit,
    keep(item) {
      const { id, assessment, createdAt } = transactions.fromItem(item);
      return id !== review.transactionId && createdAt >= from && createdAt <= to && deviceOf(assessment) === device;
    },
  });
  return { ok: true, found: page.items.map((item) => transactions.fromItem(item)), cursor: page.next };
}

/** The hash of the device a payment came from, where the stored assessment has one; 0 stands for none. */
export function deviceOf(assessment: JsonObject | null): number | undefined {
  const device = assessment?.device;
  return typeof device === "number" && device !== 0 ? device : undefined;
}

function present(transaction: Transaction, link: LinkKind, label: RiskLabel | undefined): JsonObject {
  return {
    id: transaction.id,
    object: "linked_transaction",
    link,
    type: transaction.type,
    status: transaction.status,
    from_account_id: transaction.fromAccountId,
    to_account_id: transaction.toAccountId,
    amount: minorToWire(transaction.amount),
    currency: transaction.currency,
    risk_score: transaction.assessment === null ? null : riskScoreOf(transaction.assessment),
    review_id: transaction.reviewId,
    label: label?.current.label ?? null,
    created_at: toTimestamp(transaction.createdAt),
  };
}
