import type { Executed } from "#commit/index.ts";
import { replied } from "#commit/index.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { AccountId, OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import { minorToWire } from "#kernel/money.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import type { Metadata, Vault } from "#vault/index.ts";
import { openMetadata } from "#vault/index.ts";
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

/** The account as a decision answers with it and as it is kept for replays: metadata is there as it is stored, sealed. */
export function keptAccount(account: Account, at: number): JsonObject {
  const shown = presentAccount(account, {}, at);
  return account.metadata === null ? shown : { ...shown, sealed_metadata: account.metadata };
}

/**
 * What the client is answered: the kept account with its metadata opened; a refusal as it is. Opened only now, because no key has to be
 * at hand to decide, and whatever key the metadata was under by then is asked for.
 */
export async function showAccount(vault: Vault, organisationId: OrganisationId, executed: Executed): Promise<Executed> {
  if (!executed.ok || executed.reply.status >= 400) return executed;
  const { sealed_metadata: sealed, ...shown } = JSON.parse(executed.reply.body) as JsonObject & {
    readonly id: AccountId;
    readonly sealed_metadata?: JsonObject;
  };
  if (sealed === undefined) return executed;
  try {
    const metadata = await openMetadata(vault, organisationId, "smartfinance-accounts", String(shown.id), sealed);
    return { ...executed, reply: replied(executed.reply.status, { ...shown, metadata }) };
  } catch (error) {
    // It is done: to say that a key cannot be had would be to say that nothing was.
    if (error instanceof StoreUnavailableError) return { ok: false, code: "outcome_unknown" };
    throw error;
  }
}
