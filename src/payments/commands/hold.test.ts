import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { keep } from "#test/support/builders.ts";
import type { HoldId } from "#kernel/ids.ts";
import type { Account } from "#ledger/index.ts";
import { accounts } from "#ledger/index.ts";
import type { Store } from "#storage/index.ts";
import { authorise } from "./authorise.ts";
import { increment } from "./hold.ts";
import { aBank, answerOf, asking } from "./test-kit.ts";

void describe("the raise of a hold", () => {
  void it("is not kept where another node froze a party between its reading and its writing", async () => {
    for (const party of [0, 1]) {
      let meanwhile: (() => Promise<void>) | undefined;
      const wrap = (store: Store): Store => ({
        ...store,
        async commit(writes) {
          const change = meanwhile;
          meanwhile = undefined;
          await change?.();
          return store.commit(writes);
        },
      });
      const bank = await aBank(2, 1_000, { wrap });
      const node = await bank.node();
      const hold = answerOf(await authorise(node, asking("hold"), bank.body(0, 1, 100)));
      assert.equal(hold.status, 201);
      meanwhile = async () => {
        const item = await node.store.get(accounts.table, { hash: bank.customer(party) });
        assert.ok(item);
        const account: Account = accounts.fromItem(item);
        await keep(node.store, accounts, [{ ...account, status: "frozen", version: account.version + 1 }]);
      };
      const raised = answerOf(await increment(node, asking("raise"), hold.body["id"] as HoldId, { amount: 50 }));
      assert.deepEqual([raised.status, raised.body["code"]], [422, "account_frozen"]);
      const reserved = bank.check().accounts.flatMap((account) => account.reserved);
      assert.deepEqual(
        reserved.map(({ amount }) => amount),
        [100n],
      );
    }
  });
});
