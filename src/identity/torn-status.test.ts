import assert from "node:assert/strict";
import { it } from "node:test";
import { actorOf, ORG, paymentDeps, testClock } from "#test/support/builders.ts";
import { openAccountFor } from "#accounts/index.ts";
import type { Executed } from "#commit/index.ts";
import type { AccountId, UserId } from "#kernel/ids.ts";
import type { Currency } from "#kernel/money.ts";
import { accounts, restrictionOf } from "#ledger/index.ts";
import type { Item, Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { changeUserStatus } from "./change-user-status.ts";
import { createUser } from "./create-user.ts";
import { readUser } from "./user.ts";

/** A node whose reads of many records see the accounts first and the others later, as `BatchGetItem` may. */
function readingAccountsFirst(store: Store, between: () => Promise<unknown>): Store {
  let torn = false;
  return {
    ...store,
    async getMany(refs) {
      if (torn || !refs.some(({ table }) => table === "smartfinance-users")) return store.getMany(refs);
      torn = true;
      const early = new Map<string, Item | undefined>();
      const isEarly = ({ table }: { readonly table: string }): boolean => table === "smartfinance-accounts";
      for (const ref of refs) if (isEarly(ref)) early.set(ref.key.hash, await store.get(ref.table, ref.key));
      await between();
      return Promise.all(refs.map(async (ref) => (isEarly(ref) ? early.get(ref.key.hash) : store.get(ref.table, ref.key))));
    },
  };
}

void it("restricts every account, also where one was read before somebody else lifted the restriction and the user after it", async () => {
  const store = openMemoryStore(createMemoryDatabase());
  const clock = testClock();
  const asked = { actor: actorOf(), idempotency: undefined };
  const idOf = (executed: Executed): string => {
    assert.ok(executed.ok && executed.reply.status < 300, JSON.stringify(executed));
    return String((JSON.parse(executed.reply.body) as { id: string }).id);
  };
  const first = paymentDeps(store, clock, 1);
  const user = idOf(await createUser(first, asked, { name: "Ada" })) as UserId;
  const account = idOf(await openAccountFor(first, asked, { type: "checking", currency: "EUR" as Currency, user_id: user })) as AccountId;
  const restriction = async () => {
    const item = await store.get(accounts.table, { hash: account });
    assert.ok(item);
    return [(await readUser(store, ORG, user))?.status, restrictionOf(accounts.fromItem(item))];
  };
  const restricted = { status: "restricted", reason_code: "court_order" } as const;
  idOf(await changeUserStatus(first, asked, user, restricted, undefined));
  assert.deepEqual(await restriction(), ["restricted", "restricted"]);
  const lift = (): Promise<Executed> => changeUserStatus(first, asked, user, { status: "active", reason_code: "verified" }, undefined);
  const second = paymentDeps(readingAccountsFirst(store, lift), clock, 2);
  idOf(await changeUserStatus(second, asked, user, restricted, undefined));
  assert.deepEqual(await restriction(), ["restricted", "restricted"], "no money may leave while the user is restricted");
});
