import { settlementAccountId } from "#ledger/index.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { Currency } from "#kernel/money.ts";
import type { Item } from "#storage/index.ts";

/**
 * What a delivery must not overtake, read from the audit event: the accounts of its entries, the object itself, and the
 * customer, through whom events without entries (holds, reviews) stay in line with the account's others. The organisation's
 * settlement account is left out: every deposit touches it, and one slow delivery would hold up all of them.
 */
export function orderKeys(event: Item): string[] {
  const keys = new Set<string>([String(event.object_id)]);
  if (typeof event.user_id === "string") keys.add(event.user_id);
  const entries = event.entries as readonly { readonly account_id: string }[] | null;
  if (entries !== null && entries !== undefined) {
    const settlement =
      typeof event.currency === "string" ? settlementAccountId(event.organisation_id as OrganisationId, event.currency as Currency) : "";
    for (const { account_id } of entries) if (account_id !== settlement) keys.add(account_id);
  }
  return [...keys];
}
