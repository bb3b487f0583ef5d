import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, ORG, seededRandom, testClock } from "#test/support/builders.ts";
import { createSimulatedKms } from "#test/simulation/kms.ts";
import type { Executed } from "#commit/index.ts";
import { createCommitQueue } from "#commit/index.ts";
import { createUser, readUser, restrictionBy } from "#identity/index.ts";
import { changeUserStatus, closeUser } from "#identity/change-user-status.ts";
import type { AccountId, UserId } from "#kernel/ids.ts";
import { createIds } from "#kernel/ids.ts";
import type { Currency } from "#kernel/money.ts";
import { holdersOf, readAccount } from "#ledger/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { createVault } from "#vault/index.ts";
import { addAccountHolder, changeAccountHolder, removeAccountHolder } from "./change-holders.ts";
import { changeAccountStatus } from "./change-account.ts";
import { openAccountFor } from "./open-account.ts";

const EUR = "EUR" as Currency;
const asked = { actor: actorOf(), idempotency: undefined };
const UNSEEN = { ifVersion: undefined, mayVerify: false };

/** Nodes over one store, each with a queue of its own, so that only the store's conditions keep them apart. */
function nodes() {
  const clock = testClock();
  const store = openMemoryStore(createMemoryDatabase(), { clock });
  let seed = 1;
  const kms = createSimulatedKms(seededRandom(99));
  const node = () => {
    const random = seededRandom(seed++);
    const ids = createIds(clock, random);
    return {
      store,
      clock,
      ids,
      queue: createCommitQueue({ store, clock, random }),
      vault: createVault({ store, kms, clock, ids, random }),
    };
  };
  return { store, node };
}

function answered<T extends string>(executed: Executed, status: number): { readonly id: T } {
  assert.ok(executed.ok && executed.reply.status === status, JSON.stringify(executed));
  return JSON.parse(executed.reply.body) as { readonly id: T };
}
const codeOf = (executed: Executed): string =>
  executed.ok ? String((JSON.parse(executed.reply.body) as { code?: string }).code ?? executed.reply.status) : executed.code;
const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

void describe("holders and the status of users, changed on two nodes at the same time", () => {
  void it("leave every account with the restriction of each of its holders, whichever comes first", async () => {
    const seen = new Set<string>();
    for (let round = 0; round < 24; round++) {
      const { store, node } = nodes();
      const [one, two] = [node(), node()];
      const ada = answered<UserId>(await createUser(one, asked, { name: "Ada" }), 201).id;
      const bob = answered<UserId>(await createUser(one, asked, { name: "Bob" }), 201).id;
      const own = answered<AccountId>(await openAccountFor(one, asked, { type: "checking", currency: EUR, user_id: ada }), 201).id;
      const shared = answered<AccountId>(await openAccountFor(one, asked, { type: "checking", currency: EUR, user_id: ada }), 201).id;
      answered(await addAccountHolder(one, asked, shared, { user_id: bob, role: "viewer" }, UNSEEN), 201);
      const restricting = changeUserStatus(one, asked, bob, { status: "restricted", reason_code: "court_order" }, undefined);
      await turns(round % 8);
      const changes = [
        () => addAccountHolder(two, asked, own, { user_id: bob, role: "joint_owner" }, UNSEEN),
        () => changeAccountHolder(two, asked, shared, bob, "joint_owner", UNSEEN),
        () => openAccountFor(two, asked, { type: "checking", currency: EUR, user_id: bob }),
      ];
      const [changed, restricted] = await Promise.all([changes[round % changes.length]?.(), restricting]);
      assert.ok(changed);
      assert.equal(codeOf(restricted), "200");
      const told = codeOf(changed);
      assert.ok(["200", "201", "user_not_active"].includes(told), told);
      seen.add(`${round % changes.length} ${told}`);
      const user = await readUser(store, ORG, bob);
      assert.ok(user);
      const page = await store.query({
        table: "smartfinance-accounts",
        index: "OrganisationAccountsIndex",
        hash: ORG,
        order: "ascending",
        limit: 10,
      });
      for (const item of page.items) {
        const account = await readAccount(store, ORG, item.id as AccountId);
        assert.ok(account);
        const holder = holdersOf(account).find(({ userId }) => userId === bob);
        if (holder !== undefined) assert.equal(holder.restriction, restrictionBy(user.status), `round ${round}`);
        const known: boolean = account.userId === bob || user.sharedAccounts.includes(account.id);
        assert.equal(holder !== undefined, known, "the user's record and the account tell the same");
      }
    }
    assert.ok(seen.has("0 user_not_active") && seen.has("1 200"), [...seen].join());
  });

  void it("let nobody be closed who is given an account meanwhile, and lose no holder to another change", async () => {
    for (let round = 0; round < 8; round++) {
      const { store, node } = nodes();
      const [one, two] = [node(), node()];
      const ada = answered<UserId>(await createUser(one, asked, { name: "Ada" }), 201).id;
      const bob = answered<UserId>(await createUser(one, asked, { name: "Bob" }), 201).id;
      const eve = answered<UserId>(await createUser(one, asked, { name: "Eve" }), 201).id;
      const account = answered<AccountId>(await openAccountFor(one, asked, { type: "checking", currency: EUR, user_id: ada }), 201).id;
      const closing = closeUser(one, asked, bob);
      await turns(round);
      const [added, other, frozen, closed] = await Promise.all([
        addAccountHolder(two, asked, account, { user_id: bob, role: "viewer" }, UNSEEN),
        addAccountHolder(one, asked, account, { user_id: eve, role: "viewer" }, UNSEEN),
        changeAccountStatus(two, asked, account, "freeze"),
        closing,
      ]);
      assert.notEqual(codeOf(added) === "201", codeOf(closed) === "200", "exactly one of the two happens");
      assert.deepEqual([codeOf(other), codeOf(frozen)], ["201", "200"]);
      const held = await readAccount(store, ORG, account);
      assert.equal(held?.status, "frozen");
      const expected = new Set([ada, eve, ...(codeOf(added) === "201" ? [bob] : [])]);
      assert.deepEqual(new Set(held && holdersOf(held).map(({ userId }) => userId)), expected);
      assert.equal(codeOf(await removeAccountHolder(two, asked, account, eve, UNSEEN)), "200");
      assert.deepEqual((await readUser(store, ORG, eve))?.sharedAccounts, []);
    }
  });

  void it("decide nothing on an index that has not shown all of a user's accounts", async () => {
    const { store, node } = nodes();
    const deps = node();
    const ada = answered<UserId>(await createUser(deps, asked, { name: "Ada" }), 201).id;
    answered(await openAccountFor(deps, asked, { type: "checking", currency: EUR, user_id: ada }), 201);
    const lagging = { ...deps, store: { ...store, query: async () => ({ items: [] }) } };
    const change = { status: "restricted", reason_code: "screening_hit" } as const;
    assert.equal(codeOf(await changeUserStatus(lagging, asked, ada, change, undefined)), "contention");
    assert.equal(codeOf(await closeUser(lagging, asked, ada)), "contention");
    assert.equal((await readUser(store, ORG, ada))?.status, "active");
  });
});
