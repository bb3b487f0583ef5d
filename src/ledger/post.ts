import { invariant } from "#kernel/assert.ts";
import type { TransactionId } from "#kernel/ids.ts";
import type { Minor } from "#kernel/money.ts";
import { add, fitsWire, negate, subtract } from "#kernel/money.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Account } from "./account.ts";
import { availableAt } from "./account.ts";
import { append } from "./chain.ts";
import { restrictionOf } from "./holder.ts";
import type { Leg } from "./transaction.ts";

/** A movement of `amount` (> 0, minor units) from `payer` to `payee`. */
export interface Posting {
  readonly transactionId: TransactionId;
  readonly payer: Account;
  readonly payee: Account;
  readonly amount: Minor;
  /** The time of the decision, ms; the ledger may move it forward (never back) to keep chains in order. */
  readonly at: number;
}

/** Names of the request's fields, so that a refusal points at the one at fault. */
export interface PostingParams {
  readonly payer: string;
  readonly payee: string;
}

export interface Posted {
  readonly ok: true;
  readonly payer: Account;
  readonly payee: Account;
  readonly legs: readonly [Leg, Leg];
  /** When it was posted, ms. */
  readonly at: number;
}

/** Whether money may move between these two accounts at all. */
export function checkParties(payer: Account, payee: Account, params: PostingParams): Refusal | undefined {
  if (payer.id === payee.id) return refuse("same_account", params.payee);
  if (payer.status === "closed") return refuse("account_closed", params.payer);
  if (payee.status === "closed") return refuse("account_closed", params.payee);
  if (payer.status === "frozen") return refuse("account_frozen", params.payer);
  if (payee.status === "frozen") return refuse("account_frozen", params.payee);
  if (payer.currency !== payee.currency) return refuse("currency_mismatch", params.payee);
  return checkRestrictions(payer, payee, params);
}

/** What the statuses of the holders say: nothing leaves while one is pending or restricted, nothing comes in while one is pending. */
function checkRestrictions(payer: Account, payee: Account, params: PostingParams): Refusal | undefined {
  const paying = restrictionOf(payer);
  if (paying !== null) return refuse("account_restricted", params.payer, `A holder of the paying account is ${paying}.`);
  if (restrictionOf(payee) === "pending") return refuse("account_restricted", params.payee, "A holder of the paid account is pending.");
  return undefined;
}

/** Whether `amount` can be debited from `payer` at `at`. Settlement accounts mirror the outside world and have no floor. */
export function checkFunds(payer: Account, amount: Minor, at: number): Refusal | undefined {
  if (payer.type === "settlement") return undefined;
  if (availableAt(payer, at) < amount) return refuse("insufficient_funds", "amount");
  return undefined;
}

/**
 * Posts a movement: two entries that sum to zero, both balances, both chains. Every check comes before
 * the first change; after them the posting must succeed.
 */
export function post(posting: Posting, params: PostingParams): Posted | Refusal {
  const { payer, payee, amount, transactionId } = posting;
  invariant(amount > 0n, "a posting moves a positive amount");
  invariant(payer.organisationId === payee.organisationId, "a posting stays inside one organisation");
  const refusal = checkParties(payer, payee, params) ?? checkFunds(payer, amount, posting.at);
  if (refusal !== undefined) return refusal;
  const payerBalance = subtract(payer.balance, amount);
  const payeeBalance = add(payee.balance, amount);
  if (!fitsWire(payerBalance) || !fitsWire(payeeBalance)) return refuse("balance_overflow", "amount");

  const at = Math.max(posting.at, payer.chain.at, payee.chain.at);
  const debit = advance(payer, transactionId, negate(amount), payerBalance, at);
  const credit = advance(payee, transactionId, amount, payeeBalance, at);
  return { ok: true, payer: debit.account, payee: credit.account, legs: [debit.leg, credit.leg], at };
}

/**
 * Notes a transaction in the histories of both accounts without moving money: it waits for a review.
 * The funds are reserved by the caller.
 */
export function note(transactionId: TransactionId, payer: Account, payee: Account, decidedAt: number): Posted {
  const at = Math.max(decidedAt, payer.chain.at, payee.chain.at);
  const from = advance(payer, transactionId, null, payer.balance, at);
  const to = advance(payee, transactionId, null, payee.balance, at);
  return { ok: true, payer: from.account, payee: to.account, legs: [from.leg, to.leg], at };
}

/** One account moves on by one link, with or without an entry. For the postings of this room only. */
export function advance(
  account: Account,
  transactionId: TransactionId,
  amount: Minor | null,
  balance: Minor,
  at: number,
): { account: Account; leg: Leg } {
  const { chain, link } = append(account.chain, transactionId, at);
  const entryCount = amount === null ? account.entryCount : account.entryCount + 1;
  const entry = amount === null ? null : { number: entryCount, amount };
  return {
    account: { ...account, balance, entryCount, chain, updatedAt: Math.max(at, account.updatedAt), version: account.version + 1 },
    leg: { accountId: account.id, link, at, entry, balanceAfter: balance },
  };
}
