import type { OrganisationId } from "#kernel/ids.ts";
import { partitionOf } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import { minorToWire } from "#kernel/money.ts";
import type { Told } from "#storage/index.ts";
import type { Account } from "./account.ts";
import { holdersToItem } from "./holder.ts";
import type { Hold } from "./hold.ts";
import type { Transaction, TransactionType } from "./transaction.ts";

/** What the audit log is told of accounts. The balance and the entries are not among it: the entries of the events say them. */
export const accountsTold: Told<Account> = {
  prefix: "acc_",
  keyOf: (_organisationId, id) => ({ hash: id }),
  facts(account) {
    const facts: Record<string, JsonObject[string]> = {
      organisation_id: account.organisationId,
      user_id: account.userId,
      type: account.type,
      currency: account.currency,
      status: account.status,
      overdraft_limit: minorToWire(account.overdraftLimit),
      interest_rate_bps: account.interestRateBps,
      holders: account.holders === null ? null : holdersToItem(account.holders),
    };
    // Each by itself, so that one more hold does not tell all the others again.
    for (const { id, amount, expiresAt } of account.reserved)
      facts[`reserved.${id}`] = { amount: minorToWire(amount), expires_at: expiresAt };
    return facts;
  },
  isSame: (a, b) =>
    a.reserved === b.reserved &&
    a.status === b.status &&
    a.holders === b.holders &&
    a.overdraftLimit === b.overdraftLimit &&
    a.interestRateBps === b.interestRateBps &&
    a.userId === b.userId &&
    a.type === b.type &&
    a.currency === b.currency &&
    a.organisationId === b.organisationId,
};

export const holdsTold: Told<Hold> = {
  prefix: "hld_",
  keyOf: (_organisationId, id) => ({ hash: id }),
  facts: (hold) => ({
    organisation_id: hold.organisationId,
    account_id: hold.fromAccountId,
    to_account_id: hold.toAccountId,
    amount: minorToWire(hold.amount),
    captured_amount: minorToWire(hold.capturedAmount),
    currency: hold.currency,
    status: hold.status,
    expires_at: hold.expiresAt,
  }),
};

/** As events tell entries. */
function entriesOf({ legs }: Transaction): JsonObject[] | null {
  const entries = legs.flatMap(({ accountId, entry }) =>
    entry === null ? [] : [{ account_id: accountId, amount: minorToWire(entry.amount) }],
  );
  return entries.length === 0 ? null : entries;
}

/** Movements that their events describe completely while nothing else has happened to them. */
const PLAIN: ReadonlySet<string> = new Set<TransactionType>(["transfer", "deposit", "withdrawal"]);

export const transactionsTold: Told<Transaction> = {
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
