import type { AccountId, OrganisationId } from "#kernel/ids.ts";
import { accounts } from "#ledger/index.ts";
import type { Item, Store } from "#storage/index.ts";
import { profileIdOf } from "./decide/judge.ts";

/** What never changes about an account once it is opened, so that it may be remembered. */
export interface AccountFacts {
  readonly organisationId: OrganisationId;
  /** The id of the risk profile its payments are judged by. */
  readonly profileId: string;
}

export interface AccountFactsCache {
  /** The facts of an account of this organisation; `undefined` when it has no such account. */
  of(organisationId: OrganisationId, id: AccountId): Promise<AccountFacts | undefined> | AccountFacts | undefined;
  /** The facts of those of the accounts that are this organisation's, read at once. */
  ofAll(organisationId: OrganisationId, ids: readonly AccountId[]): Promise<ReadonlyMap<AccountId, AccountFacts>>;
}

/** How many accounts are remembered. */
const MAX_REMEMBERED = 500_000;
/** The most keys of one read round. */
const MAX_READ = 1000;

/**
 * Remembers the immutable facts of accounts, so that a transfer knows in one read round which records
 * its decision needs. Absence is never remembered.
 */
export function createAccountFacts(store: Store): AccountFactsCache {
  const remembered = new Map<AccountId, AccountFacts>();

  function remember(item: Item): readonly [AccountId, AccountFacts] {
    const account = accounts.fromItem(item);
    const facts = { organisationId: account.organisationId, profileId: profileIdOf(account) };
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    remembered.set(account.id, facts);
    return [account.id, facts];
  }

  function known(organisationId: OrganisationId, id: AccountId): AccountFacts | undefined {
    const facts = remembered.get(id);
    return facts?.organisationId === organisationId ? facts : undefined;
  }

  async function load(organisationId: OrganisationId, id: AccountId): Promise<AccountFacts | undefined> {
    const item = await store.get("smartfinance-accounts", { hash: id });
    if (item === undefined) return undefined;
    remember(item);
    return known(organisationId, id);
  }

  return {
    of(organisationId, id) {
      const facts = remembered.get(id);
      if (facts === undefined) return load(organisationId, id);
      return facts.organisationId === organisationId ? facts : undefined;
    },
    async ofAll(organisationId, ids) {
      // What is asked for is gathered here: while this waits, others may make the memory forget it.
      const gathered = new Map<AccountId, AccountFacts>();
      const missing: AccountId[] = [];
      for (const id of new Set(ids)) {
        const facts = remembered.get(id);
        if (facts === undefined) missing.push(id);
        else if (facts.organisationId === organisationId) gathered.set(id, facts);
      }
      for (let start = 0; start < missing.length; start += MAX_READ) {
        const refs = missing.slice(start, start + MAX_READ).map((id) => ({ table: "smartfinance-accounts" as const, key: { hash: id } }));
        for (const item of await store.getMany(refs)) {
          if (item === undefined) continue;
          const [id, facts] = remember(item);
          if (facts.organisationId === organisationId) gathered.set(id, facts);
        }
      }
      return gathered;
    },
  };
}
