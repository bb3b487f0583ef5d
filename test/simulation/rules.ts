import type { ModelAccount, ModelHold, ModelView } from "./model.ts";
import { holdStatus, MAX, reservedBounds, reviewStatus } from "./model.ts";
import type { Operation, TransferBody } from "./operations.ts";

/** Which refusals are due, and which are allowed besides (risk, and what clocks that differ may see differently). */
export interface Verdict {
  readonly due: Set<string>;
  readonly allowed: Set<string>;
}

const MAX_ACCOUNTS = 50;
const MAX_RESERVATIONS = 200;

function verdict(): Verdict {
  return { due: new Set(), allowed: new Set() };
}

function own(view: ModelView, tenant: string, id: string): ModelAccount | undefined {
  const account = view.account(id);
  return account?.tenant === tenant ? account : undefined;
}

/** May these two be party to a movement? */
function parties(v: Verdict, payer: ModelAccount, payee: ModelAccount | undefined, pays = true): void {
  for (const account of [payer, payee]) {
    if (account === undefined) continue;
    if (account.status === "closed") v.due.add("account_closed");
    if (account.status === "frozen") v.due.add("account_frozen");
  }
  if (pays && payer.restricted) v.due.add("account_restricted");
  if (payee === undefined) return;
  if (payer.id === payee.id) v.due.add("same_account");
  if (payer.currency !== payee.currency) v.due.add("currency_mismatch");
}

/** Can `amount` be debited? `without` is a reservation that is used up by it. */
function funds(v: Verdict, payer: ModelAccount, amount: bigint, at: number, without?: string): void {
  if (payer.type === "settlement") return;
  const { least, most } = reservedBounds(payer, at);
  const freed = without === undefined ? undefined : payer.reserved.get(without);
  const free = (reserved: bigint): bigint => payer.balance - reserved + payer.overdraft;
  // A reservation that the latest clock has seen expire may or may not be left to be used up.
  const freedOf = (time: number): bigint => (freed === undefined || (freed.until !== null && freed.until <= time) ? 0n : freed.amount);
  if (free(least - freedOf(Math.max(at, payer.clock))) < amount) v.due.add("insufficient_funds");
  else if (free(most - freedOf(at)) < amount) v.allowed.add("insufficient_funds");
}

function overflow(set: Set<string>, payerBalance: bigint, payeeBalance: bigint, amount: bigint): void {
  if (payerBalance - amount < -MAX || payeeBalance + amount > MAX) set.add("balance_overflow");
}

function judgeHold(v: Verdict, hold: ModelHold, at: number): void {
  const status = holdStatus(hold, at);
  if (status === "expired") v.due.add("hold_expired");
  else if (status !== "active") v.due.add("hold_not_active");
}

/** A payment that is scored: it may be posted, or wait for a review (then nothing overflows yet). */
export function judgePayment(view: ModelView, tenant: string, kind: "transfer" | "hold", body: TransferBody, at: number): Verdict {
  const v = verdict();
  const payer = own(view, tenant, body.from_account_id);
  const payee = own(view, tenant, body.to_account_id);
  if (payer === undefined || payee === undefined) {
    v.due.add("account_not_found");
    return v;
  }
  const amount = BigInt(body.amount);
  if (payer.type === "settlement" || payee.type === "settlement") v.due.add("account_type_not_allowed");
  if (payer.currency !== body.currency) v.due.add("currency_mismatch");
  parties(v, payer, payee);
  funds(v, payer, amount, at);
  reservable(v, payer, amount, at);
  if (kind === "hold") v.allowed.add("risk_declined");
  else overflow(v.allowed, payer.balance, payee.balance, amount);
  return v;
}

function reservable(v: Verdict, payer: ModelAccount, amount: bigint, at: number): void {
  if (payer.reserved.size >= MAX_RESERVATIONS) v.allowed.add("too_many_holds");
  if (reservedBounds(payer, at).most + amount > MAX) v.allowed.add("balance_overflow");
}

/** What the documented rules say of an operation over one state of the bank at the deciding node's time `at`. */
export function judge(view: ModelView, tenant: string, operation: Operation, at: number): Verdict {
  const v = verdict();
  switch (operation.op) {
    case "create_user":
      return v;
    case "verify": {
      const user = view.user(operation.user);
      if (user?.tenant !== tenant) return refusedAs(v, "not_found");
      if (user.status === operation.status) v.due.add("user_status_conflict");
      return v;
    }
    case "open_account": {
      const { user_id, type } = operation.body;
      if (user_id === undefined && type !== "fees") v.due.add("missing_field");
      if (user_id !== undefined && type === "fees") v.due.add("invalid_request");
      const user = user_id === undefined ? undefined : view.user(user_id);
      if (user_id !== undefined && user?.tenant !== tenant) v.due.add("user_not_found");
      else if (user?.status === "restricted") v.due.add("user_not_active");
      else if (user !== undefined && user.accounts >= MAX_ACCOUNTS) v.due.add("too_many_accounts");
      return v;
    }
    case "patch": {
      const account = own(view, tenant, operation.account);
      if (account === undefined) return refusedAs(v, "not_found");
      const limit = operation.body.overdraft_limit;
      if (operation.ifVersion !== undefined && operation.ifVersion !== account.version) v.due.add("version_conflict");
      if (account.status === "closed") v.due.add("account_closed");
      if (limit === undefined) return v;
      if (account.type === "settlement") v.due.add("account_type_not_allowed");
      const { least, most } = reservedBounds(account, at);
      if (account.balance - least + BigInt(limit) < 0n) v.due.add("overdraft_in_use");
      else if (account.balance - most + BigInt(limit) < 0n) v.allowed.add("overdraft_in_use");
      return v;
    }
    case "status":
      return judgeStatus(v, own(view, tenant, operation.account), operation.verb, at);
    case "deposit": {
      const { account_id, currency, amount } = operation.body;
      const payee = own(view, tenant, account_id);
      if (payee === undefined) return refusedAs(v, "account_not_found");
      if (payee.type === "settlement") v.due.add("account_type_not_allowed");
      if (payee.currency !== currency) v.due.add("currency_mismatch");
      parties(v, payee, undefined, false);
      overflow(v.due, view.settlement(tenant, currency)?.balance ?? 0n, payee.balance, BigInt(amount));
      return v;
    }
    case "withdraw": {
      const { account_id, currency, amount } = operation.body;
      const payer = own(view, tenant, account_id);
      if (payer === undefined) return refusedAs(v, "account_not_found");
      if (payer.type === "settlement") v.due.add("account_type_not_allowed");
      if (payer.currency !== currency) v.due.add("currency_mismatch");
      parties(v, payer, undefined);
      funds(v, payer, BigInt(amount), at);
      reservable(v, payer, BigInt(amount), at);
      overflow(v.allowed, payer.balance, view.settlement(tenant, currency)?.balance ?? 0n, BigInt(amount));
      return v;
    }
    case "transfer":
      return judgePayment(view, tenant, "transfer", operation.body, at);
    case "authorise":
      return judgePayment(view, tenant, "hold", operation.body, at);
    case "increment": {
      const hold = view.hold(operation.hold);
      const payer = hold === undefined ? undefined : view.account(hold.from);
      if (hold?.tenant !== tenant || payer === undefined) return refusedAs(v, "not_found");
      const amount = BigInt(operation.body.amount);
      judgeHold(v, hold, at);
      parties(v, payer, view.account(hold.to));
      funds(v, payer, hold.amount - hold.captured + amount, at, hold.id);
      reservable(v, payer, amount, at);
      if (hold.amount + amount > MAX) v.due.add("balance_overflow");
      v.allowed.add("risk_declined");
      return v;
    }
    case "capture": {
      const hold = view.hold(operation.hold);
      const payer = hold === undefined ? undefined : view.account(hold.from);
      const payee = hold === undefined ? undefined : view.account(hold.to);
      if (hold?.tenant !== tenant || payer === undefined || payee === undefined) return refusedAs(v, "not_found");
      const amount = BigInt(operation.body.amount ?? hold.amount - hold.captured);
      judgeHold(v, hold, at);
      if (amount > hold.amount - hold.captured) v.due.add("hold_amount_exceeded");
      parties(v, payer, payee);
      if (stale(payer, hold)) {
        funds(v, payer, amount, at);
        v.allowed.add("insufficient_funds");
      } else {
        // What is not captured stays reserved, unless the capture is final.
        const kept = operation.body.final === true ? 0n : hold.amount - hold.captured - amount;
        funds(v, payer, amount + (kept > 0n ? kept : 0n), at, hold.id);
      }
      overflow(v.due, payer.balance, payee.balance, amount);
      return v;
    }
    case "void": {
      const hold = view.hold(operation.hold);
      if (hold?.tenant !== tenant) return refusedAs(v, "not_found");
      judgeHold(v, hold, at);
      return v;
    }
    case "reverse": {
      const original = view.transaction(operation.transaction);
      const payer = original === undefined ? undefined : view.account(original.to);
      const payee = original === undefined ? undefined : view.account(original.from);
      if (original?.tenant !== tenant || payer === undefined || payee === undefined) return refusedAs(v, "not_found");
      if (original.status !== "posted" || original.type === "reversal") v.due.add("transaction_not_reversible");
      const left = original.amount - original.reversed;
      const amount = operation.body.amount === undefined ? left : BigInt(operation.body.amount);
      if (left === 0n || amount > left) v.due.add("reversal_exceeds_original");
      parties(v, payer, payee);
      funds(v, payer, amount, at);
      overflow(v.due, payer.balance, payee.balance, amount);
      return v;
    }
    case "review": {
      const review = view.review(operation.review);
      const transaction = review === undefined ? undefined : view.transaction(review.transaction);
      const payer = transaction === undefined ? undefined : view.account(transaction.from);
      const payee = transaction === undefined ? undefined : view.account(transaction.to);
      if (review?.tenant !== tenant || transaction === undefined || payer === undefined || payee === undefined)
        return refusedAs(v, "not_found");
      if (review.status !== "open") return refusedAs(v, "review_already_decided");
      if (reviewStatus(review, at) === "expired") return refusedAs(v, "review_expired");
      if (operation.verdict === "reject") return v;
      parties(v, payer, payee);
      funds(v, payer, transaction.amount, at, transaction.id);
      overflow(v.due, payer.balance, payee.balance, transaction.amount);
      return v;
    }
    case "batch":
      throw new Error("a batch is judged transfer by transfer");
    default:
      return operation satisfies never;
  }
}

/** Whether a node with a faster clock may have forgotten the reservation of a hold that is active for a slower one. */
function stale(payer: ModelAccount, hold: ModelHold): boolean {
  return hold.until <= payer.clock;
}

function refusedAs(v: Verdict, code: string): Verdict {
  v.due.add(code);
  return v;
}

function judgeStatus(v: Verdict, account: ModelAccount | undefined, verb: "freeze" | "unfreeze" | "close", at: number): Verdict {
  if (account === undefined) return refusedAs(v, "not_found");
  if (account.type === "settlement" && verb !== "unfreeze") v.due.add("account_type_not_allowed");
  if (verb === "freeze" && account.status !== "active") v.due.add("account_status_conflict");
  if (verb === "unfreeze" && account.status !== "frozen") v.due.add("account_status_conflict");
  if (verb !== "close") return v;
  if (account.status === "closed") v.due.add("account_status_conflict");
  const { least, most } = reservedBounds(account, at);
  if (account.balance !== 0n || least !== 0n) v.due.add("account_not_empty");
  else if (most !== 0n) v.allowed.add("account_not_empty");
  return v;
}

/** A verdict as a failure shows it. */
export function shownVerdict({ due, allowed }: Verdict): unknown {
  return { due: [...due], allowed: [...allowed] };
}
