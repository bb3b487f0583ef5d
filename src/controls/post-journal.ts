import type { Asked, Executed, Need } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import type { AccountId, EventId, OrganisationId, TransactionId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import { negate, ZERO } from "#kernel/money.ts";
import { refuse } from "#kernel/problems.ts";
import type { JournalLine, PostedJournal, Transaction } from "#ledger/index.ts";
import { accounts, postJournal, readAccount, readTransaction, transactionKey, transactions } from "#ledger/index.ts";
import { sealOptional } from "#vault/index.ts";
import type { ControlDeps } from "./deps.ts";
import type { JournalBody, JournalReversalBody } from "./journal.ts";
import { debitsOf, presentJournal, refuseEntries, refuseReversal, signed } from "./journal.ts";

export type JournalDeps = Pick<ControlDeps, "store" | "queue" | "vault" | "ids">;

interface Terms {
  readonly organisationId: OrganisationId;
  readonly transactionId: TransactionId;
  readonly eventId: EventId;
  readonly currency: Currency;
  readonly amount: Minor;
  readonly metadata: JsonObject | null;
  readonly reverses: TransactionId | null;
}

const accountNeed = (hash: AccountId): Need => ({ collection: accounts, key: { hash }, mode: "write" });

/** Posts an approved journal. Everything is judged anew: an account may have been emptied or frozen since it was asked for. */
export async function postJournalNow(deps: JournalDeps, asked: Asked, body: JournalBody, approvalId: string): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const transactionId = deps.ids.next("transaction");
  const eventId = deps.ids.next("event");
  const shown = shownOf(body, approvalId);
  const metadata = await sealOptional(deps.vault, organisationId, "smartfinance-transactions", transactionId, shown);
  // An account of another organisation is not even locked.
  const own = await Promise.all(
    body.entries.map(async ({ account_id: id }) => (await readAccount(deps.store, organisationId, id)) !== undefined),
  );
  const missing = own.indexOf(false);
  return deps.queue.execute({
    ...asked,
    needs: missing >= 0 ? [] : body.entries.map(({ account_id: id }) => accountNeed(id)),
    appends: 3,
    decide(view, at) {
      if (missing >= 0) return refused(refuse("account_not_found", `entries.${missing}.account_id`), requestId);
      const unbalanced = refuseEntries(body);
      if (unbalanced !== undefined) return refused(unbalanced, requestId);
      const work = workOn(view);
      const lines: JournalLine[] = [];
      for (const [n, entry] of body.entries.entries()) {
        const account = work.get(accounts, { hash: entry.account_id });
        if (account === undefined) return refused(refuse("account_not_found", `entries.${n}.account_id`), requestId);
        if (account.currency !== body.currency) return refused(refuse("currency_mismatch", `entries.${n}.account_id`), requestId);
        lines.push({ account, amount: signed(entry) });
      }
      const posted = postJournal(transactionId, lines, at);
      if (!posted.ok) return refused(posted, requestId);
      const amount = debitsOf(body.entries) as Minor;
      const terms = { organisationId, transactionId, eventId, currency: body.currency, amount, metadata, reverses: null };
      const transaction = journalOf(terms, posted, at);
      for (const account of posted.accounts) work.put(accounts, account);
      work.put(transactions, transaction);
      work.tell(eventOf(terms, posted, body));
      return work.outcome(replied(201, presentJournal(transaction, shown)));
    },
  });
}

/** Posts an approved reversal: the same entries the other way round, wholly and once. The journal's own entries stay as they are. */
export async function reverseJournalNow(
  deps: JournalDeps,
  asked: Asked,
  id: TransactionId,
  body: JournalReversalBody,
  approvalId: string,
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const transactionId = deps.ids.next("transaction");
  const eventId = deps.ids.next("event");
  const shown = shownOf(body, approvalId);
  const metadata = await sealOptional(deps.vault, organisationId, "smartfinance-transactions", transactionId, shown);
  const key = transactionKey(organisationId, id);
  // Read first because it tells the accounts, which never change.
  const found = await readTransaction(deps.store, organisationId, id);
  const isJournal = found?.type === "journal";
  return deps.queue.execute({
    ...asked,
    needs: isJournal
      ? [{ collection: transactions, key, mode: "write" }, ...found.legs.map(({ accountId }) => accountNeed(accountId))]
      : [],
    appends: 3,
    decide(view, at) {
      const work = workOn(view);
      const journal = isJournal ? work.get(transactions, key) : undefined;
      const refusal = refuseReversal(journal);
      if (refusal !== undefined || journal === undefined) return refused(refusal ?? refuse("not_found"), requestId);
      const lines: JournalLine[] = [];
      for (const { accountId, entry } of journal.legs) {
        const account = work.get(accounts, { hash: accountId });
        if (account !== undefined && entry !== null) lines.push({ account, amount: negate(entry.amount) });
      }
      const posted = postJournal(transactionId, lines, at);
      if (!posted.ok) return refused(posted, requestId);
      const { amount, currency } = journal;
      const terms = { organisationId, transactionId, eventId, currency, amount, metadata, reverses: id };
      const transaction = journalOf(terms, posted, at);
      for (const account of posted.accounts) work.put(accounts, account);
      work.put(transactions, { ...journal, reversedAmount: amount, version: journal.version + 1 });
      work.put(transactions, transaction);
      work.tell(eventOf(terms, posted, body));
      return work.outcome(replied(201, presentJournal(transaction, shown)));
    },
  });
}

/** What is kept sealed with the transaction. */
function shownOf({ reason, attachment_ref }: JournalReversalBody, approvalId: string) {
  return { reason, attachment_ref, approval_id: approvalId };
}

/** The record. Payer and payee are the first accounts debited and credited; all of them are in the legs. */
function journalOf(terms: Terms, posted: PostedJournal, at: number): Transaction {
  const { organisationId, transactionId: id, currency, amount, metadata, reverses } = terms;
  const sideOf = (negative: boolean): AccountId | undefined =>
    posted.legs.find(({ entry }) => (entry?.amount ?? 0n) < 0n === negative)?.accountId;
  const [first] = posted.accounts;
  return {
    id,
    organisationId,
    type: "journal",
    status: "posted",
    fromAccountId: sideOf(true) ?? (first?.id as AccountId),
    toAccountId: sideOf(false) ?? (first?.id as AccountId),
    amount,
    currency,
    reference: null,
    metadata,
    assessment: null,
    reviewId: null,
    holdId: null,
    reverses,
    reversedAmount: ZERO,
    legs: posted.legs,
    createdAt: at,
    postedAt: posted.at,
    version: 1,
  };
}

function eventOf({ transactionId, eventId, amount, currency, reverses }: Terms, posted: PostedJournal, body: JournalReversalBody) {
  return {
    id: eventId,
    type: "journal.posted",
    objectId: transactionId,
    transactionId,
    amount,
    currency,
    entries: posted.legs.flatMap(({ accountId, entry }) => (entry === null ? [] : [{ accountId, amount: entry.amount }])),
    details: { attachment_ref: body.attachment_ref, reverses },
  } as const;
}
