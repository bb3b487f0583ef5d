import { invariant } from "#kernel/assert.ts";
import type { Minor } from "#kernel/money.ts";
import { fitsWire } from "#kernel/money.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Account, ReservedFunds } from "./account.ts";
import { MAX_RESERVATIONS, reservedAt } from "./account.ts";
import { checkFunds } from "./post.ts";

/**
 * Sets funds aside. Expired holds are swept out of the account on the way, so that the list stays as
 * short as what is really reserved. Does not count as a change of its own: the caller's change carries it.
 */
export function reserve(account: Account, funds: ReservedFunds, at: number): { readonly ok: true; readonly account: Account } | Refusal {
  invariant(funds.amount > 0n, "a reservation is positive");
  const refusal = checkFunds(account, funds.amount, at);
  if (refusal !== undefined) return refusal;
  const live = liveReservations(account, at);
  if (live.length >= MAX_RESERVATIONS) return refuse("too_many_holds");
  if (!fitsWire(reservedAt(account, at) + funds.amount)) return refuse("balance_overflow", "amount");
  return { ok: true, account: { ...account, reserved: [...live, funds] } };
}

/** Releases a reservation, wholly or down to `remaining`. Releasing what is no longer there changes nothing. */
export function release(account: Account, id: ReservedFunds["id"], at: number, remaining?: Minor): Account {
  const reserved: ReservedFunds[] = [];
  for (const funds of liveReservations(account, at)) {
    if (funds.id !== id) reserved.push(funds);
    else if (remaining !== undefined && remaining > 0n) reserved.push({ ...funds, amount: remaining });
  }
  return { ...account, reserved };
}

function liveReservations(account: Account, at: number): readonly ReservedFunds[] {
  return account.reserved.filter(({ expiresAt }) => expiresAt === null || expiresAt > at);
}
