import type { AccountId, OrganisationId } from "#kernel/ids.ts";
import { accounts } from "#ledger/index.ts";
import type { Store } from "#storage/index.ts";
import { profileIdOf } from "./decide/payment.ts";

/** What never changes about an account once it is opened, so that it may be remembered. */
export interface AccountFacts {
  readonly organisationId: OrganisationId;
  /** The id of the risk profile its payments are judged by. */
  readonly profileId: string;
}

export interface AccountFactsCache {
  /** The facts of an account of this organisation; `undefined` when it has no such account. */
  of(organisationId: OrganisationId, id: AccountId): Promise<AccountFacts | undefined> | AccountFacts | undefined;
}

/** How many accounts are remembered. */
const MAX_REMEMBERED = 500_000;

/**
 * Remembers the immutable facts of accounts, so that a transfer knows in one read round which records
 * its decision needs. Absence is never remembered.
 */
export function createAccountFacts(store: Store): AccountFactsCache {
  const known = new Map<AccountId, AccountFacts>();

  async function load(organisationId: OrganisationId, id: AccountId): Promise<AccountFacts | undefined> {
    const item = await store.get("smartfinance-accounts", { hash: id });
    if (item === undefined) return undefined;
    const account = accounts.fromItem(item);
    const facts = { organisationId: account.organisationId, profileId: profileIdOf(account) };
    if (known.size >= MAX_REMEMBERED) known.clear();
    known.set(id, facts);
    return facts.organisationId === organisationId ? facts : undefined;
  }

  return {
    of(organisationId, id) {
      const facts = known.get(id);
      if (facts === undefined) return load(organisationId, id);
      return facts.organisationId === organisationId ? facts : undefined;
    },
  };
}
