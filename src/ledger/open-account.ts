import type { AccountId, OrganisationId, UserId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import { ZERO } from "#kernel/money.ts";
import type { Account, AccountType } from "./account.ts";
import { emptyChain } from "./chain.ts";
import type { Holder } from "./holder.ts";
import { keptHolders } from "./holder.ts";

export interface NewAccount {
  readonly id: AccountId;
  readonly organisationId: OrganisationId;
  /** The first owner. */
  readonly userId: UserId | null;
  /** Everybody who holds it, the first owner first; only the first owner where absent. */
  readonly holders?: readonly Holder[];
  readonly type: AccountType;
  readonly currency: Currency;
  readonly overdraftLimit: Minor;
  readonly interestRateBps: number;
  readonly metadata: JsonObject | null;
}

/** A new, active, empty account. */
export function openAccount(asked: NewAccount, at: number): Account {
  return {
    ...asked,
    holders: keptHolders(asked.holders ?? []),
    status: "active",
    balance: ZERO,
    reserved: [],
    entryCount: 0,
    chain: emptyChain,
    incoming: null,
    createdAt: at,
    updatedAt: at,
    version: 1,
  };
}

/** The account through which money of one currency enters and leaves an organisation; its balance mirrors the outside. */
export function openSettlementAccount(id: AccountId, organisationId: OrganisationId, currency: Currency, at: number): Account {
  const terms = { userId: null, type: "settlement" as const, overdraftLimit: ZERO, interestRateBps: 0, metadata: null };
  return openAccount({ id, organisationId, currency, ...terms }, at);
}
