import type { Need, Working } from "#commit/index.ts";
import type { EventId, OrganisationId } from "#kernel/ids.ts";
import type { Currency } from "#kernel/money.ts";
import type { Account } from "#ledger/index.ts";
import { accounts, openSettlementAccount, settlementAccountId } from "#ledger/index.ts";

/** The need of an organisation's settlement account in a currency. */
export function settlementNeed(organisationId: OrganisationId, currency: Currency): Need {
  return { collection: accounts, key: { hash: settlementAccountId(organisationId, currency) }, mode: "write" };
}

/** The settlement account, opened on its first use (with its own event, whose id was drawn before). */
export function settlementAccount(
  work: Working,
  organisationId: OrganisationId,
  currency: Currency,
  eventId: EventId,
  at: number,
): { readonly account: Account; readonly opened: () => void } {
  const id = settlementAccountId(organisationId, currency);
  const existing = work.get(accounts, { hash: id });
  if (existing !== undefined) return { account: existing, opened: () => undefined };
  return {
    account: openSettlementAccount(id, organisationId, currency, at),
    opened: () => work.tell({ id: eventId, type: "account.created", objectId: id, currency, details: { type: "settlement" } }),
  };
}
