import { invariant } from "#kernel/assert.ts";
import type { TransactionId } from "#kernel/ids.ts";
import type { Minor } from "#kernel/money.ts";
import { add, fitsWire, negate } from "#kernel/money.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Account } from "./account.ts";
import { restrictionOf } from "./holder.ts";
import { advance, checkFunds } from "./post.ts";
import type { Leg } from "./transaction.ts";

/** The most accounts that one journal touches. */
export const MAX_JOURNAL_LINES = 10;

/** One account's part in a journal. `amount` is signed, minor units, never zero: what is taken from the account is negative. */
export interface JournalLine {
  readonly account: Account;
  readonly amount: Minor;
}

export interface PostedJournal {
  readonly ok: true;
  /** In the order of the lines. */
  readonly accounts: readonly Account[];
  readonly legs: readonly Leg[];
  /** When it was posted, ms. */
  readonly at: number;
}

/**
 * Posts a balanced set of entries to 2 to 10 accounts of one currency, all or none: the same checks of each account as a movement
 * between two (status, restrictions, funds, range), and the same chains.
 * @returns a refusal whose `param` names the line at fault, `entries.<n>.…`
 */
export function postJournal(transactionId: TransactionId, lines: readonly JournalLine[], decidedAt: number): PostedJournal | Refusal {
  const [first] = lines;
  invariant(first !== undefined && lines.length >= 2 && lines.length <= MAX_JOURNAL_LINES, "a journal has 2 to 10 lines");
  invariant(lines.reduce((sum, { amount }) => sum + amount, 0n) === 0n, "a journal sums to zero");
  invariant(new Set(lines.map(({ account }) => account.id)).size === lines.length, "a journal names each account once");
  for (const [n, { account, amount }] of lines.entries()) {
    invariant(account.organisationId === first.account.organisationId, "a journal stays inside one organisation");
    invariant(amount !== 0n, "a line moves something");
    const refusal = checkLine(account, amount, first.account, `entries.${n}`, decidedAt);
    if (refusal !== undefined) return refusal;
  }
  const at = Math.max(decidedAt, ...lines.map(({ account }) => account.chain.at));
  const moved = lines.map(({ account, amount }) => advance(account, transactionId, amount, add(account.balance, amount), at));
  return { ok: true, accounts: moved.map(({ account }) => account), legs: moved.map(({ leg }) => leg), at };
}

function checkLine(account: Account, amount: Minor, first: Account, line: string, at: number): Refusal | undefined {
  const param = `${line}.account_id`;
  if (account.status === "closed") return refuse("account_closed", param);
  if (account.status === "frozen") return refuse("account_frozen", param);
  if (account.currency !== first.currency) return refuse("currency_mismatch", param);
  const restriction = restrictionOf(account);
  if (restriction !== null && (amount < 0n || restriction === "pending"))
    return refuse("account_restricted", param, `A holder of the account is ${restriction}.`);
  if (amount < 0n && checkFunds(account, negate(amount), at) !== undefined) return refuse("insufficient_funds", `${line}.amount`);
  return fitsWire(account.balance + amount) ? undefined : refuse("balance_overflow", `${line}.amount`);
}
