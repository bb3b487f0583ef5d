import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { keep, minor, ORG } from "#test/support/builders.ts";
import type { Executed } from "#commit/index.ts";
import { digestOf } from "#commit/index.ts";
import type { TransactionId } from "#kernel/ids.ts";
import type { Item, Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { readTransaction, transactions } from "#ledger/index.ts";
import { aBank, asking } from "./commands/test-kit.ts";
import { reverse } from "./commands/reversal.ts";
import { transfer } from "./commands/transfer.ts";
import { presentTransaction } from "./present.ts";
import { showPosted } from "./show-posted.ts";

const METADATA = { zebra: "last first", note: "a secret", "7": "seven" };

function posted(executed: Executed): { readonly id: TransactionId; readonly text: string } {
  assert.ok(executed.ok && executed.reply.status === 201, JSON.stringify(executed));
  return { id: (JSON.parse(executed.reply.body) as { id: TransactionId }).id, text: executed.reply.body };
}

void describe("a transfer that posted at once", () => {
  for (const metadata of [METADATA, {}, undefined])
    void it(`is shown again with the same bytes after reversals, ${JSON.stringify(metadata)}`, async () => {
      const bank = await aBank(2, 1_000);
      const deps = await bank.node();
      const body = bank.body(0, 1, 600, { reference: "Rent \u{1f3e0}", ...(metadata === undefined ? {} : { metadata }) });
      const { id, text } = posted(await transfer(deps, asking("k"), body));
      for (const [key, amount] of [
        ["r1", 100],
        ["r2", undefined],
      ] as const) {
        posted(await reverse(deps, asking(key), id, amount === undefined ? {} : { amount }));
        const again = await transfer(deps, asking("k"), body);
        assert.ok(again.ok && again.replayed);
        assert.equal(again.reply.body, text);
      }
      assert.equal((await readTransaction(deps.store, ORG, id))?.reversedAmount, 600n);
      const kept = [...bank.database.dump()].find(({ table, item }) => table === "smartfinance-idempotency" && item.id === "k");
      assert.deepEqual([kept?.item.shown, kept?.item.digest], [id, digestOf(text)]);
      assert.ok(kept !== undefined && !("body" in kept.item) && !("sealed_body" in kept.item));
    });

  void it("is as the present release shows it, and somebody is told, when that is not what was answered", async () => {
    const bank = await aBank(2, 1_000);
    const deps = await bank.node();
    const { id, text } = posted(await transfer(deps, asking("k"), bank.body(0, 1, 600, { metadata: METADATA })));
    const told: unknown[] = [];
    const show = showPosted({ ...deps, onDifferent: (...what) => void told.push(what) });
    assert.equal(await show(ORG, id, digestOf(text)), text);
    assert.deepEqual(told, []);
    assert.equal(await show(ORG, id, digestOf("what an older release has answered")), text);
    assert.deepEqual(told, [[ORG, id]]);
    assert.equal(await showPosted(deps)(ORG, id, "nobody has to listen"), text);
  });

  void it("is a broken invariant when it is gone, another organisation's, or not posted", async () => {
    const bank = await aBank(2, 1_000);
    const deps = await bank.node();
    const { id, text } = posted(await transfer(deps, asking("k"), bank.body(0, 1, 600)));
    const show = showPosted(deps);
    const digest = digestOf(text);
    await assert.rejects(show(ORG, deps.ids.next("transaction"), digest), { name: "InvariantError" });
    await assert.rejects(show(deps.ids.next("organisation"), id, digest), { name: "InvariantError" });
    const stored = await readTransaction(deps.store, ORG, id);
    assert.ok(stored);
    await keep(deps.store, transactions, [{ ...stored, status: "rejected" }]);
    await assert.rejects(show(ORG, id, digest), { name: "InvariantError" });
  });

  void it("is not said to be nothing done while it cannot be read, and is answered with the same bytes afterwards", async () => {
    let away = false;
    const wrap = (store: Store): Store => ({
      ...store,
      async get(table, key): Promise<Item | undefined> {
        if (away && table === "smartfinance-transactions") throw new StoreUnavailableError("away");
        return store.get(table, key);
      },
    });
    const bank = await aBank(2, 1_000, { wrap });
    const deps = await bank.node();
    const body = bank.body(0, 1, 600, { metadata: METADATA });
    const { text } = posted(await transfer(deps, asking("k"), body));
    away = true;
    assert.deepEqual(await transfer(deps, asking("k"), body), { ok: false, code: "outcome_unknown" });
    away = false;
    const again = await transfer(deps, asking("k"), body);
    assert.ok(again.ok && again.replayed);
    assert.equal(again.reply.body, text);
    assert.equal(bank.check().transactions.length, 1);
  });

  void it("is shown with its members in their order, in whatever order a store gives them back", async () => {
    const bank = await aBank(2, 1_000);
    const deps = await bank.node();
    const { id } = posted(await transfer(deps, asking("k"), bank.body(0, 1, 600)));
    const stored = await readTransaction(deps.store, ORG, id);
    assert.ok(stored);
    const inputs = {
      action: "allow",
      risk_score: 0.1,
      risk_flags: ["device_new"],
      own_account: false,
      trusted_beneficiary: true,
      standing_order_id: null,
      fraud_rate_ppm: 10,
      exemption_threshold: null,
    };
    const counters = { count: 1, amount: 5 };
    const evidence = { mode: "psd2", outcome: "exempt", exemption: "low_value", authentication_id: null };
    const sca = { ...evidence, inputs, counters_before: counters, counters_after: counters };
    const transaction = { ...stored, sca, reversedAmount: minor(0) };
    const shuffled = transactions.fromItem(backwards(transactions.toItem(transaction)) as Item);
    assert.equal(JSON.stringify(presentTransaction(shuffled, {})), JSON.stringify(presentTransaction(transaction, {})));
    assert.deepEqual(presentTransaction(shuffled, {})["sca"], sca);
  });
});

/** The same value with the members of every object the other way round. */
function backwards(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(backwards);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([name, inner]) => [name, backwards(inner)]),
  );
}
