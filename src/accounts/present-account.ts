import { toTimestamp } from "#kernel/clock.ts";
import type { JsonObject } from "#kernel/json.ts";
import { minorToWire } from "#kernel/money.ts";
import type { Metadata } from "#vault/index.ts";
import type { Account } from "#ledger/index.ts";
import { availableAt, holdersOf, reservedAt, restrictionOf } from "#ledger/index.ts";

/** The account as it stands at `at`. A settlement account has no floor, hence no `available`. */
export function presentAccount(account: Account, metadata: Metadata, at: number): JsonObject {
  return {
    id: account.id,
    object: "account",
    user_id: account.userId,
    holders: holdersOf(account).map(({ userId, role }) => ({ user_id: userId, role })),
    type: account.type,
    currency: account.currency,
    status: account.status,
    restriction: restrictionOf(account),
    balance: minorToWire(account.balance),
    held: minorToWire(reservedAt(account, at)),
    available: account.type === "settlement" ? null : clampToWire(availableAt(account, at)),
    overdraft_limit: minorToWire(account.overdraftLimit),
    interest_rate_bps: account.interestRateBps,
    metadata,
    version: account.version,
    created_at: toTimestamp(account.createdAt),
    updated_at: toTimestamp(account.updatedAt),
  };
}

/** Balance plus overdraft may exceed what JSON carries; what can be spent at once never does. */
function clampToWire(amount: bigint): number {
  const max = 9007199254740991n;
  return Number(amount > max ? max : amount < -max ? -max : amount);
}
