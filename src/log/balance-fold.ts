import type { Item } from "#storage/index.ts";
import type { VerifiedStore } from "./stored-rows.ts";
import { isObject } from "./verify-wrong.ts";

/** The balances that the events say, against those that are stored. */
export interface BalanceFold {
  add(event: Item): void;
  /** The first account whose balance is not the sum of its entries, in words; `undefined` when all are. */
  compare(store: VerifiedStore): Promise<string | undefined>;
  readonly accounts: number;
}

const READS = 500;
const PAGE = 1_000;

/** Adds up the entries of all events, per account. Minor units. */
export function createBalanceFold(): BalanceFold {
  const sums = new Map<string, bigint>();
  const counts = new Map<string, number>();
  const organisations = new Set<string>();
  const compareMany = (ids: readonly string[], items: readonly (Item | undefined)[]): string | undefined => {
    for (const [n, id] of ids.entries()) {
      const item = items[n];
      const sum = sums.get(id) ?? 0n;
      if (item === undefined) return `account ${id} is gone; its events say ${sum}`;
      if (!isObject(item)) return `account ${id} cannot be read`;
      if (typeof item.balance !== "number" || !Number.isSafeInteger(item.balance)) return `account ${id} has no balance`;
      if (BigInt(item.balance) !== sum) return `account ${id} has ${item.balance}, its events say ${sum}`;
      const { entry_count = counts.get(id) ?? 0 } = item;
      if (entry_count !== (counts.get(id) ?? 0))
        return `account ${id} has the entry_count ${String(entry_count)}, its events say ${counts.get(id) ?? 0}`;
    }
    return undefined;
  };
  return {
    add({ entries, organisation_id }) {
      organisations.add(String(organisation_id));
      if (!Array.isArray(entries)) return;
      for (const { account_id, amount } of entries as readonly { readonly account_id: string; readonly amount: number }[]) {
        sums.set(account_id, (sums.get(account_id) ?? 0n) + BigInt(amount));
        counts.set(account_id, (counts.get(account_id) ?? 0) + 1);
      }
    },
    async compare(store) {
      const ids = [...sums.keys()];
      for (let at = 0; at < ids.length; at += READS) {
        const some = ids.slice(at, at + READS);
        const wrong = compareMany(some, await store.getMany(some.map((hash) => ({ table: "smartfinance-accounts", key: { hash } }))));
        if (wrong !== undefined) return wrong;
      }
      // Accounts that no event speaks of have nothing. Of a file every row is looked at, indexed or not, and each update of one.
      if (store.rows !== undefined) {
        for await (const { hash, item } of store.rows("smartfinance-accounts")) {
          if (typeof item !== "object" || item === null || Array.isArray(item)) return `account ${hash} cannot be read`;
          if ((item as Item).id !== hash) return `account ${String((item as Item).id)} is kept under the key of ${hash}`;
          if (sums.has(hash)) continue;
          const wrong = compareMany([hash], [await store.get("smartfinance-accounts", { hash })]);
          if (wrong !== undefined) return wrong;
        }
        return undefined;
      }
      for (const hash of organisations) {
        let cursor: string | undefined;
        do {
          const range = {
            table: "smartfinance-accounts",
            index: "OrganisationAccountsIndex",
            hash,
            order: "ascending",
            limit: PAGE,
          } as const;
          const page = await store.query({ ...range, ...(cursor === undefined ? {} : { cursor }) });
          const silent = page.items.filter(({ id }) => !sums.has(String(id)));
          const wrong = compareMany(
            silent.map(({ id }) => String(id)),
            silent,
          );
          if (wrong !== undefined) return wrong;
          cursor = page.cursor;
        } while (cursor !== undefined);
      }
      return undefined;
    },
    get accounts() {
      return sums.size;
    },
  };
}
