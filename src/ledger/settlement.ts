import type { AccountId, OrganisationId } from "#kernel/ids.ts";
import { derivedId } from "#kernel/ids.ts";
import type { Currency } from "#kernel/money.ts";

/** The settlement account of an organisation and a currency: there is exactly one, so its id follows from the two. */
export function settlementAccountId(organisationId: OrganisationId, currency: Currency): AccountId {
  return derivedId("account", organisationId, `settlement ${currency}`);
}
