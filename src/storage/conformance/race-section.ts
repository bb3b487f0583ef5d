import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { CommitResult, Item, Store, Write } from "../port.ts";
import { account, assertCommitted, inLanes, putAbsent, putVersion, refOf, type Section, unique, useHarness, textOf } from "./harness.ts";

const ACCOUNTS = "smartfinance-accounts";
const ATTEMPTS = 1_000;

/** Reads, decides and commits until the commit is no conflict; `undefined` from `decide` gives up. */
async function decideAndCommit(store: Store, decide: () => Promise<readonly Write[] | undefined>): Promise<CommitResult | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const writes = await decide();
    if (writes === undefined) return undefined;
    const result = await store.commit(writes);
    if (result.outcome !== "conflict" && result.outcome !== "unavailable") return result;
    // Different pauses, or the same losers meet again and again.
    await sleep(attempt % 5);
  }
  return assert.fail(`no end after ${ATTEMPTS} attempts`);
}

const numberOf = (item: Item | undefined, name: string): number => {
  const value = item?.[name];
  assert.ok(typeof value === "number", `${name} is not there`);
  return value;
};

/** Conditions under concurrency. */
export function raceSection(section: Section): void {
  void describe("races", () => {
    const harness = useHarness(section);

    void it("loses none of 50 parallel increments of one item", async () => {
      const { store } = harness();
      const id = unique("acc");
      assertCommitted(await store.commit([putAbsent(ACCOUNTS, account(id, 1, { balance: 0 }))]));
      await inLanes(50, 50, async () => {
        const result = await decideAndCommit(store, async () => {
          const item = await store.get(ACCOUNTS, { hash: id });
          const version = numberOf(item, "version");
          return [putVersion(ACCOUNTS, account(id, version + 1, { balance: numberOf(item, "balance") + 1 }), version)];
        });
        assert.equal(result?.outcome, "committed");
      });
      assert.deepEqual(await store.get(ACCOUNTS, { hash: id }), account(id, 51, { balance: 50 }));
    });

    void it("keeps the sum and the floor under 100 racing transfers", async () => {
      const { store } = harness();
      const payer = account(unique("acc"), 1, { balance: 60 });
      const payee = account(unique("acc"), 1, { balance: 0 });
      assertCommitted(await store.commit([putAbsent(ACCOUNTS, payer), putAbsent(ACCOUNTS, payee)]));
      const refs = [refOf(ACCOUNTS, payer), refOf(ACCOUNTS, payee)];
      const moved = (item: Item, amount: number): Item => ({
        ...item,
        version: numberOf(item, "version") + 1,
        balance: numberOf(item, "balance") + amount,
      });
      let done = 0;
      let refused = 0;
      await inLanes(100, 10, async (n) => {
        const result = await decideAndCommit(store, async () => {
          const [from, to] = await store.getMany(refs);
          assert.ok(from !== undefined && to !== undefined);
          if (numberOf(from, "balance") < 1) return undefined;
          const writes = [
            putVersion(ACCOUNTS, moved(from, -1), numberOf(from, "version")),
            putVersion(ACCOUNTS, moved(to, 1), numberOf(to, "version")),
            putAbsent("smartfinance-transactions", { partition: textOf(payer, "id"), id: `txn_${n}` }),
          ];
          // Both orders, so that an engine which locks item by item may meet a deadlock.
          return n % 2 === 0 ? writes : writes.toReversed();
        });
        if (result === undefined) refused += 1;
        else if (result.outcome === "committed") done += 1;
        else assert.fail(`outcome ${result.outcome}`);
      });
      const [from, to] = await store.getMany(refs);
      assert.deepEqual([done, refused], [60, 40]);
      assert.deepEqual([numberOf(from, "balance"), numberOf(to, "balance")], [0, 60]);
      const { items } = await store.query({
        table: "smartfinance-transactions",
        hash: textOf(payer, "id"),
        order: "ascending",
        limit: 1_000,
      });
      assert.equal(items.length, 60);
    });

    void it("lets exactly one of many racing absent puts win", async () => {
      const { store } = harness();
      for (let round = 0; round < 5; round++) {
        const id = unique("idem");
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, (_, n) =>
            store.commit([putAbsent("smartfinance-idempotency", { id, n }), putAbsent("smartfinance-meta", { id: `${id}-${n}` })]),
          ),
        );
        const winners = outcomes.flatMap(({ outcome }, n) => (outcome === "committed" ? [n] : []));
        assert.equal(winners.length, 1);
        assert.ok(outcomes.every(({ outcome }) => outcome === "committed" || outcome === "conflict"));
        assert.deepEqual(await store.get("smartfinance-idempotency", { hash: id }), { id, n: winners[0] });
        const effects = await store.getMany(outcomes.map((_, n) => ({ table: "smartfinance-meta", key: { hash: `${id}-${n}` } })));
        assert.equal(effects.filter((item) => item !== undefined).length, 1, "a loser left something behind");
      }
    });

    void it("never shows half of a commit's state under a version", async () => {
      const { store } = harness();
      const id = unique("acc");
      assertCommitted(await store.commit([putAbsent(ACCOUNTS, account(id, 1, { twin: 1 }))]));
      let writing = true;
      const watcher = (async () => {
        let last = 1;
        for (let read = 0; read < 100_000 && writing; read++) {
          const item = await store.get(ACCOUNTS, { hash: id });
          assert.equal(item?.["version"], item?.["twin"]);
          const version = numberOf(item, "version");
          assert.ok(version >= last, "a strongly consistent read went back in time");
          last = version;
          await sleep(0);
        }
      })();
      try {
        for (let version = 1; version < 40; version++) {
          assertCommitted(await store.commit([putVersion(ACCOUNTS, account(id, version + 1, { twin: version + 1 }), version)]));
        }
      } finally {
        writing = false;
      }
      await watcher;
    });
  });
}
