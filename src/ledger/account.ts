import type { AccountId, HoldId, OrganisationId, TransactionId, UserId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import { minorFromWire, minorToWire } from "#kernel/money.ts";
import type { Collection, Told } from "#storage/index.ts";
import type { Chain } from "./chain.ts";
import type { Held, Holder, StoredHolder } from "./holder.ts";
import { holdersFromItem, holdersToItem } from "./holder.ts";

export const accountTypes = ["checking", "savings", "settlement", "fees"] as const;
export type AccountType = (typeof accountTypes)[number];
export type AccountStatus = "active" | "frozen" | "closed";

/** Funds set aside. `expiresAt` (ms) is `null` for what only a decision releases (a review). */
export interface ReservedFunds {
  readonly id: HoldId | TransactionId;
  readonly amount: Minor;
  readonly expiresAt: number | null;
}

/** How many reservations one account may carry at a time. */
export const MAX_RESERVATIONS = 200;

/**
 * An account. `balance` is the fold of its entries; `reserved` is what holds and reviews set aside, kept
 * inside the account so that one conditional write guards both.
 */
export interface Account extends Held {
  readonly id: AccountId;
  readonly organisationId: OrganisationId;
  /** The first owner. It never changes, because the index of accounts and the risk profiles go by it. */
  readonly userId: UserId | null;
  readonly holders: readonly Holder[] | null;
  readonly type: AccountType;
  readonly currency: Currency;
  readonly status: AccountStatus;
  readonly balance: Minor;
  readonly overdraftLimit: Minor;
  /** Interest in basis points a year; a stated condition of the account, nothing accrues from it yet. */
  readonly interestRateBps: number;
  /** Sealed by the vault; the ledger never looks inside. */
  readonly metadata: JsonObject | null;
  readonly reserved: readonly ReservedFunds[];
  /** Number of the newest entry; entries are numbered 1, 2, 3 … without a gap. */
  readonly entryCount: number;
  readonly chain: Chain;
  /** What is remembered of the payments it was paid, written with them; the ledger never looks inside. `null` before the first. */
  readonly incoming: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly version: number;
}

/** What is set aside at `at`: an expired hold no longer counts, from the very millisecond it expires. */
export function reservedAt(account: Account, at: number): Minor {
  let sum = 0n;
  for (const { amount, expiresAt } of account.reserved) if (expiresAt === null || expiresAt > at) sum += amount;
  return sum as Minor;
}

/** `balance - reserved + overdraft limit`: what can be debited at `at`. Settlement accounts have no floor. */
export function availableAt(account: Account, at: number): Minor {
  return (account.balance - reservedAt(account, at) + account.overdraftLimit) as Minor;
}

/** The account after a change at `at` (ms). Its times never go back, whatever the clocks of two nodes say. */
export function changedAccount(account: Account, fields: Partial<Account>, at: number): Account {
  return { ...account, ...fields, updatedAt: Math.max(at, account.updatedAt), version: account.version + 1 };
}

/** What the audit log is told of accounts. The balance and the entries are not among it: the entries of the events say them. */
const accountsTold: Told<Account> = {
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

export const accounts: Collection<Account> = {
  table: "smartfinance-accounts",
  told: accountsTold,
  keyOf: (account) => ({ hash: account.id }),
  toItem: (account) => ({
    id: account.id,
    organisation_id: account.organisationId,
    ...(account.userId === null ? {} : { user_id: account.userId }),
    ...(account.holders === null ? {} : { holders: holdersToItem(account.holders) }),
    type: account.type,
    currency: account.currency,
    status: account.status,
    balance: minorToWire(account.balance),
    overdraft_limit: minorToWire(account.overdraftLimit),
    interest_rate_bps: account.interestRateBps,
    metadata: account.metadata,
    reserved:
      account.reserved.length === 0
        ? []
        : account.reserved.map((r) => ({ id: r.id, amount: minorToWire(r.amount), expires_at: r.expiresAt })),
    entry_count: account.entryCount,
    chain: { length: account.chain.length, last: account.chain.last, marks: account.chain.marks, at: account.chain.at },
    ...(account.incoming === null ? {} : { incoming: account.incoming }),
    created_at: account.createdAt,
    updated_at: account.updatedAt,
    version: account.version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredAccount;
    return {
      id: stored.id,
      organisationId: stored.organisation_id,
      userId: stored.user_id ?? null,
      holders: stored.holders === undefined ? null : holdersFromItem(stored.holders),
      type: stored.type,
      currency: stored.currency,
      status: stored.status,
      balance: minorFromWire(stored.balance),
      overdraftLimit: minorFromWire(stored.overdraft_limit),
      interestRateBps: stored.interest_rate_bps,
      metadata: stored.metadata,
      reserved:
        stored.reserved.length === 0
          ? []
          : stored.reserved.map((r) => ({ id: r.id, amount: minorFromWire(r.amount), expiresAt: r.expires_at })),
      entryCount: stored.entry_count,
      chain: stored.chain,
      incoming: stored.incoming ?? null,
      createdAt: stored.created_at,
      updatedAt: stored.updated_at,
      version: stored.version,
    };
  },
};

interface StoredAccount {
  readonly id: AccountId;
  readonly organisation_id: OrganisationId;
  readonly user_id?: UserId;
  readonly holders?: readonly StoredHolder[];
  readonly type: AccountType;
  readonly currency: Currency;
  readonly status: AccountStatus;
  readonly balance: number;
  readonly overdraft_limit: number;
  readonly interest_rate_bps: number;
  readonly metadata: JsonObject | null;
  readonly reserved: readonly { readonly id: HoldId | TransactionId; readonly amount: number; readonly expires_at: number | null }[];
  readonly entry_count: number;
  readonly chain: Chain;
  readonly incoming?: string;
  readonly created_at: number;
  readonly updated_at: number;
  readonly version: number;
}
