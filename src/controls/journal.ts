import { toTimestamp } from "#kernel/clock.ts";
import type { AccountId, OrganisationId, TransactionId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import { fitsWire, minorFromWire, minorToWire, negate } from "#kernel/money.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Transaction } from "#ledger/index.ts";
import { readAccount, readTransaction } from "#ledger/index.ts";
import type { Store } from "#storage/index.ts";
import type { Metadata } from "#vault/index.ts";
import type { Facts } from "./policy.ts";

/** A manual journal as it is asked for. Amounts in minor units. */
export interface JournalBody extends JournalReversalBody {
  readonly currency: Currency;
  readonly entries: readonly { readonly account_id: AccountId; readonly direction: "debit" | "credit"; readonly amount: number }[];
}

export interface JournalReversalBody {
  readonly reason: string;
  /** The organisation's own name of the document that shows why. */
  readonly attachment_ref: string;
}

/** A debit takes from the account's balance, a credit adds to it. */
export const signed = ({ direction, amount }: JournalBody["entries"][number]): Minor =>
  direction === "debit" ? negate(minorFromWire(amount)) : minorFromWire(amount);

/** Sum of what is debited, minor units. */
export function debitsOf(entries: JournalBody["entries"]): bigint {
  return entries.reduce((sum, { direction, amount }) => (direction === "debit" ? sum + BigInt(amount) : sum), 0n);
}

/** Refuses a journal that could never be posted, so that nobody is asked to approve it. */
export async function judgeJournal(store: Store, organisationId: OrganisationId, body: JournalBody): Promise<Facts | Refusal> {
  const unbalanced = refuseEntries(body);
  if (unbalanced !== undefined) return unbalanced;
  const found = await Promise.all(body.entries.map(({ account_id }) => readAccount(store, organisationId, account_id)));
  for (const [n, account] of found.entries()) {
    const param = `entries.${n}.account_id`;
    if (account === undefined) return refuse("account_not_found", param);
    if (account.currency !== body.currency) return refuse("currency_mismatch", param);
    if (account.status === "closed") return refuse("account_closed", param);
  }
  return { amount: debitsOf(body.entries) as Minor, currency: body.currency };
}

/** What of the entries can be judged without looking at accounts. */
export function refuseEntries({ entries }: JournalBody): Refusal | undefined {
  const seen = new Set<string>();
  for (const [n, { account_id: id }] of entries.entries()) {
    if (seen.has(id)) return refuse("same_account", `entries.${n}.account_id`, "A journal names each account once.");
    seen.add(id);
  }
  if (!fitsWire(debitsOf(entries))) return refuse("invalid_request", "entries", "Together the debits are more than an amount can be.");
  const sum = entries.reduce((total, entry) => total + signed(entry), 0n);
  if (sum === 0n) return undefined;
  const said = sum > 0n ? `The credits exceed the debits by ${sum}.` : `The debits exceed the credits by ${-sum}.`;
  return refuse("journal_unbalanced", "entries", said);
}

/** Refuses what is no journal, a reversal of one, or one that is reversed already. */
export function refuseReversal(journal: Transaction | undefined): Refusal | undefined {
  if (journal?.type !== "journal") return refuse("not_found");
  if (journal.reverses !== null) return refuse("transaction_not_reversible", undefined, "A reversal is not reversed again.");
  return journal.reversedAmount === 0n ? undefined : refuse("transaction_not_reversible", undefined, "It has been reversed already.");
}

export async function judgeReversal(store: Store, organisationId: OrganisationId, id: TransactionId): Promise<Facts | Refusal> {
  const journal = await readTransaction(store, organisationId, id);
  const refusal = refuseReversal(journal);
  if (refusal !== undefined || journal === undefined) return refusal ?? refuse("not_found");
  return { amount: journal.amount, currency: journal.currency };
}

/** The journal as the API shows it. `metadata` is the opened one, in which reason, attachment and approval are kept. */
export function presentJournal(t: Transaction, metadata: Metadata): JsonObject {
  return {
    id: t.id,
    object: "journal",
    currency: t.currency,
    amount: minorToWire(t.amount),
    entries: t.legs.map(({ accountId, entry, balanceAfter }) => ({
      account_id: accountId,
      direction: (entry?.amount ?? 0n) < 0n ? "debit" : "credit",
      amount: minorToWire(absolute(entry?.amount ?? 0n)),
      number: entry?.number ?? 0,
      balance_after: minorToWire(balanceAfter),
    })),
    reason: metadata.reason ?? "",
    attachment_ref: metadata.attachment_ref ?? "",
    approval_id: metadata.approval_id ?? "",
    reverses: t.reverses,
    reversed: t.reversedAmount !== 0n,
    posted_at: toTimestamp(t.postedAt ?? t.createdAt),
  };
}

const absolute = (amount: bigint): bigint => (amount < 0n ? -amount : amount);
