import type { HoldId, OrganisationId, TransactionId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Minor } from "#kernel/money.ts";
import { add, fitsWire, subtract } from "#kernel/money.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Account } from "./account.ts";
import type { Hold } from "./hold.ts";
import { remainingOf, statusAt } from "./hold.ts";
import type { Posted, PostingParams } from "./post.ts";
import { checkParties, post } from "./post.ts";
import { release, reserve } from "./reserve.ts";

type HoldAndPayer = { readonly ok: true; readonly hold: Hold; readonly payer: Account } | Refusal;

export interface Authorisation {
  readonly id: HoldId;
  readonly organisationId: OrganisationId;
  readonly payer: Account;
  readonly payee: Account;
  readonly amount: Minor;
  readonly expiresAt: number;
  readonly reference: string | null;
  readonly metadata: JsonObject | null;
  readonly assessment: JsonObject;
}

/** Authorises a hold: reserves the payer's funds for the payee until `expiresAt` (ms). */
export function authoriseHold(asked: Authorisation, at: number, params: PostingParams): HoldAndPayer {
  const { payer, payee, amount } = asked;
  const refusal = checkParties(payer, payee, params);
  if (refusal !== undefined) return refusal;
  const reserved = reserve(payer, { id: asked.id, amount, expiresAt: asked.expiresAt }, at);
  if (!reserved.ok) return reserved;
  const hold: Hold = {
    id: asked.id,
    organisationId: asked.organisationId,
    fromAccountId: payer.id,
    toAccountId: payee.id,
    amount,
    capturedAmount: 0n as Minor,
    currency: payer.currency,
    status: "active",
    expiresAt: asked.expiresAt,
    reference: asked.reference,
    metadata: asked.metadata,
    assessment: asked.assessment,
    createdAt: at,
    updatedAt: at,
    version: 1,
  };
  return { ok: true, hold, payer: touched(reserved.account, at) };
}

export interface Increment {
  readonly hold: Hold;
  readonly payer: Account;
  readonly payee: Account;
  readonly amount: Minor;
}

/** Raises a hold by `amount`, where one between its parties could be authorised; the whole must be covered. The expiry stays. */
export function incrementHold({ hold, payer, payee, amount }: Increment, at: number, params: PostingParams): HoldAndPayer {
  const refusal = usable(hold, at) ?? checkParties(payer, payee, params);
  if (refusal !== undefined) return refusal;
  if (!fitsWire(hold.amount + amount)) return refuse("balance_overflow", "amount");
  const without = release(payer, hold.id, at);
  const total = add(hold.amount, amount);
  const reserved = reserve(without, { id: hold.id, amount: subtract(total, hold.capturedAmount), expiresAt: hold.expiresAt }, at);
  if (!reserved.ok) return reserved;
  return {
    ok: true,
    hold: { ...hold, amount: total, updatedAt: Math.max(at, hold.updatedAt), version: hold.version + 1 },
    payer: touched(reserved.account, at),
  };
}

export interface Capture {
  readonly transactionId: TransactionId;
  readonly hold: Hold;
  readonly payer: Account;
  readonly payee: Account;
  /** `undefined`: all that remains. */
  readonly amount: Minor | undefined;
  /** Releases what remains after this part. */
  readonly final: boolean;
}

/** Captures a part of a hold: posts it, and reserves only what remains. Each minor unit is captured at most once. */
export function captureHold(
  capture: Capture,
  at: number,
  params: PostingParams,
): { readonly ok: true; readonly hold: Hold; readonly amount: Minor; readonly posted: Posted } | Refusal {
  const { hold } = capture;
  const refusal = usable(hold, at);
  if (refusal !== undefined) return refusal;
  // What remains is decided here and not by the caller, because another capture may have come first.
  const remaining = remainingOf(hold);
  const amount = capture.amount ?? remaining;
  if (amount > remaining) return refuse("hold_amount_exceeded", "amount", `The hold still reserves ${remaining}.`);
  const left = capture.final ? (0n as Minor) : subtract(remaining, amount);
  const payer = release(capture.payer, hold.id, at, left);
  const posted = post({ transactionId: capture.transactionId, payer, payee: capture.payee, amount, at }, params);
  if (!posted.ok) return posted;
  return {
    ok: true,
    posted,
    amount,
    hold: {
      ...hold,
      capturedAmount: add(hold.capturedAmount, amount),
      status: left === 0n ? "captured" : "active",
      updatedAt: Math.max(posted.at, hold.updatedAt),
      version: hold.version + 1,
    },
  };
}

/** Voids what remains of a hold. */
export function voidHold(hold: Hold, payer: Account, at: number): HoldAndPayer {
  const refusal = usable(hold, at);
  if (refusal !== undefined) return refusal;
  return {
    ok: true,
    hold: { ...hold, status: "voided", updatedAt: Math.max(at, hold.updatedAt), version: hold.version + 1 },
    payer: touched(release(payer, hold.id, at), at),
  };
}

function usable(hold: Hold, at: number): Refusal | undefined {
  const status = statusAt(hold, at);
  if (status === "expired") return refuse("hold_expired");
  return status === "active" ? undefined : refuse("hold_not_active", undefined, `The hold is ${status}.`);
}

function touched(account: Account, at: number): Account {
  return { ...account, updatedAt: Math.max(at, account.updatedAt), version: account.version + 1 };
}
