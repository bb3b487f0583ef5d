import type { AccountId, HoldId, OrganisationId, ReviewId, TransactionId } from "#kernel/ids.ts";
import { partitionOf } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import { minorFromWire, minorToWire } from "#kernel/money.ts";
import type { Collection, Key, Told } from "#storage/index.ts";
import type { Link } from "./chain.ts";

export const transactionTypes = ["transfer", "deposit", "withdrawal", "capture", "reversal", "journal"] as const;
export type TransactionType = (typeof transactionTypes)[number];
export const transactionStatuses = ["posted", "pending_review", "requires_action", "rejected", "blocked"] as const;
export type TransactionStatus = (typeof transactionStatuses)[number];

/** A numbered, immutable movement on one account. `amount` is signed: a debit of the account is negative. */
export interface Entry {
  readonly number: number;
  readonly amount: Minor;
}

/**
 * One account's part in a transaction: its link in the account's chain, and the entry, where one was
 * posted there. A transaction that waited (for a review, or for its payer) has links of its creation without entries, and
 * further ones with entries once it is posted.
 */
export interface Leg {
  readonly accountId: AccountId;
  readonly link: Link;
  /** Milliseconds. */
  readonly at: number;
  readonly entry: Entry | null;
  /** The account's balance after this link. */
  readonly balanceAfter: Minor;
}

/**
 * A movement of money between two accounts, or one that was asked for and blocked: that has no legs and is in no account's history. Only `status`,
 * `postedAt`, `legs` (by approval), `sca`, `reviewId` and `reversedAmount` ever change.
 */
export interface Transaction {
  readonly id: TransactionId;
  readonly organisationId: OrganisationId;
  readonly type: TransactionType;
  readonly status: TransactionStatus;
  readonly fromAccountId: AccountId;
  readonly toAccountId: AccountId;
  readonly amount: Minor;
  readonly currency: Currency;
  readonly reference: string | null;
  /** Sealed by the vault. */
  readonly metadata: JsonObject | null;
  /** The assessment as the risk room stored it; the ledger never looks inside. */
  readonly assessment: JsonObject | null;
  /** Why the payer had to be authenticated, or had not; the ledger never looks inside. Absent where nobody asked. */
  readonly sca?: JsonObject;
  readonly reviewId: ReviewId | null;
  readonly holdId: HoldId | null;
  /** The transaction this one reverses. */
  readonly reverses: TransactionId | null;
  /** How much of this one has been reversed. */
  readonly reversedAmount: Minor;
  readonly legs: readonly Leg[];
  readonly createdAt: number;
  readonly postedAt: number | null;
  readonly version: number;
}

/** Where a transaction of an organisation is kept: another organisation's id leads nowhere. */
export function transactionKey(organisationId: OrganisationId, id: TransactionId): Key {
  return { hash: partitionOf(organisationId, id), range: id };
}

/** The hash value of the status index. */
export function statusKey(organisationId: OrganisationId, status: string): string {
  return `${organisationId}#${status}`;
}

/** As events tell entries. */
function entriesOf({ legs }: Transaction): JsonObject[] | null {
  const entries = legs.flatMap(({ accountId, entry }) =>
    entry === null ? [] : [{ account_id: accountId, amount: minorToWire(entry.amount) }],
  );
  return entries.length === 0 ? null : entries;
}

/** Movements that their events describe completely while nothing else has happened to them. */
const PLAIN: ReadonlySet<string> = new Set<TransactionType>(["transfer", "deposit", "withdrawal"]);

/** What the audit log is told of transactions. */
const transactionsTold: Told<Transaction> = {
  prefix: "txn_",
  keyOf: (organisationId, id) => ({ hash: partitionOf(organisationId as OrganisationId, id), range: id }),
  facts: (transaction) => ({
    organisation_id: transaction.organisationId,
    type: transaction.type,
    status: transaction.status,
    from_account_id: transaction.fromAccountId,
    to_account_id: transaction.toAccountId,
    amount: minorToWire(transaction.amount),
    currency: transaction.currency,
    review_id: transaction.reviewId,
    hold_id: transaction.holdId,
    reverses: transaction.reverses,
    reversed_amount: minorToWire(transaction.reversedAmount),
    entries: entriesOf(transaction),
  }),
  implied: {
    has: ({ type, status, holdId, reviewId, reverses, reversedAmount }) =>
      status === "posted" && PLAIN.has(type) && holdId === null && reviewId === null && reverses === null && reversedAmount === 0n,
    of({ event_type, organisation_id, amount, currency, entries, object_id, transaction_id }) {
      const [type = "", outcome] = String(event_type).split(".");
      if (outcome !== "posted" || !PLAIN.has(type) || object_id !== transaction_id || !Array.isArray(entries)) return undefined;
      const [from, to, ...more] = entries as readonly { readonly account_id: string; readonly amount: number }[];
      if (from === undefined || to === undefined || more.length > 0) return undefined;
      const parties = { from_account_id: from.account_id, to_account_id: to.account_id };
      return { organisation_id, type, status: "posted", ...parties, amount, currency, reversed_amount: 0, entries };
    },
  },
};

export const transactions: Collection<Transaction> = {
  table: "smartfinance-transactions",
  told: transactionsTold,
  keyOf: (transaction) => transactionKey(transaction.organisationId, transaction.id),
  toItem: (t) => ({
    partition: partitionOf(t.organisationId, t.id),
    id: t.id,
    organisation_id: t.organisationId,
    // Posted ones are nearly all of them and are listed by their partitions; the index holds the exceptions.
    ...(t.status === "posted" ? {} : { status_key: statusKey(t.organisationId, t.status) }),
    type: t.type,
    status: t.status,
    from_account_id: t.fromAccountId,
    to_account_id: t.toAccountId,
    amount: minorToWire(t.amount),
    currency: t.currency,
    reference: t.reference,
    metadata: t.metadata,
    assessment: t.assessment,
    ...(t.sca === undefined ? {} : { sca: t.sca }),
    review_id: t.reviewId,
    hold_id: t.holdId,
    reverses: t.reverses,
    reversed_amount: minorToWire(t.reversedAmount),
    legs: t.legs.map((leg) => ({
      account_id: leg.accountId,
      number: leg.link.number,
      previous: leg.link.previous,
      skips: leg.link.skips,
      at: leg.at,
      entry: leg.entry === null ? null : { number: leg.entry.number, amount: minorToWire(leg.entry.amount) },
      balance_after: minorToWire(leg.balanceAfter),
    })),
    created_at: t.createdAt,
    posted_at: t.postedAt,
    version: t.version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredTransaction;
    return {
      id: stored.id,
      organisationId: stored.organisation_id,
      type: stored.type,
      status: stored.status,
      fromAccountId: stored.from_account_id,
      toAccountId: stored.to_account_id,
      amount: minorFromWire(stored.amount),
      currency: stored.currency,
      reference: stored.reference,
      metadata: stored.metadata,
      assessment: stored.assessment,
      ...(stored.sca === undefined ? {} : { sca: stored.sca }),
      reviewId: stored.review_id,
      holdId: stored.hold_id,
      reverses: stored.reverses,
      reversedAmount: minorFromWire(stored.reversed_amount),
      legs: stored.legs.map((leg) => ({
        accountId: leg.account_id,
        link: { number: leg.number, previous: leg.previous, skips: leg.skips },
        at: leg.at,
        entry: leg.entry === null ? null : { number: leg.entry.number, amount: minorFromWire(leg.entry.amount) },
        balanceAfter: minorFromWire(leg.balance_after),
      })),
      createdAt: stored.created_at,
      postedAt: stored.posted_at,
      version: stored.version,
    };
  },
};

interface StoredTransaction {
  readonly id: TransactionId;
  readonly organisation_id: OrganisationId;
  readonly type: TransactionType;
  readonly status: TransactionStatus;
  readonly from_account_id: AccountId;
  readonly to_account_id: AccountId;
  readonly amount: number;
  readonly currency: Currency;
  readonly reference: string | null;
  readonly metadata: JsonObject | null;
  readonly assessment: JsonObject | null;
  readonly sca?: JsonObject;
  readonly review_id: ReviewId | null;
  readonly hold_id: HoldId | null;
  readonly reverses: TransactionId | null;
  readonly reversed_amount: number;
  readonly legs: readonly {
    readonly account_id: AccountId;
    readonly number: number;
    readonly previous: TransactionId | null;
    readonly skips: readonly (TransactionId | null)[];
    readonly at: number;
    readonly entry: { readonly number: number; readonly amount: number } | null;
    readonly balance_after: number;
  }[];
  readonly created_at: number;
  readonly posted_at: number | null;
  readonly version: number;
}
