import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { keep, ORG } from "#test/support/builders.ts";
import type { HoldId } from "#kernel/ids.ts";
import type { Account } from "#ledger/index.ts";
import { accounts, readHold } from "#ledger/index.ts";
import type { Store } from "#storage/index.ts";
import { authorise } from "./authorise.ts";
import { capture, increment, voidRemaining } from "./hold.ts";
import { aBank, answerOf, asking } from "./test-kit.ts";

void describe("the raise of a hold", () => {
  void it("is done once for each Idempotency-Key, however many nodes are asked for it at the same time, and beside captures and a void", async () => {
    for (let round = 0; round < 20; round++) {
      const bank = await aBank(2, 1_000);
      const nodes = await Promise.all([bank.node(), bank.node(), bank.node()]);
      const [first] = nodes;
      assert.ok(first);
      const id = answerOf(await authorise(first, asking("hold"), bank.body(0, 1, 100))).body["id"] as HoldId;
      const raises = nodes.flatMap((node) => ["a", "b", "c"].map((key) => increment(node, asking(key), id, { amount: 10 })));
      const others = round % 2 === 0 ? [capture(first, asking("d"), id, { amount: 30 })] : [voidRemaining(first, asking("d"), id)];
      const answers = (await Promise.all([...raises, ...others])).map(answerOf);
      const repeated = await Promise.all(["a", "b", "c"].map((key) => increment(first, asking(key), id, { amount: 10 })));
      const kept = repeated.map(answerOf);
      for (const [n, { status, body }] of answers.slice(0, 9).entries()) if (status === 200) assert.deepEqual(body, kept[n % 3]?.body);
      const done = kept.filter(({ status }) => status === 200).length;
      const hold = await readHold(first.store, ORG, id);
      assert.equal(hold?.amount, BigInt(100 + 10 * done));
      const { accounts: stored } = bank.check();
      const left = stored.flatMap(({ reserved }) => reserved.map(({ amount }) => amount));
      const isVoided = hold?.status === "voided";
      assert.deepEqual(left, isVoided ? [] : [BigInt(100 + 10 * done) - (hold?.capturedAmount ?? 0n)]);
      const types = [...bank.database.dump()].map(({ item }) => item["event_type"]);
      assert.equal(types.filter((type) => type === "hold.incremented").length, done);
    }
  });

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
