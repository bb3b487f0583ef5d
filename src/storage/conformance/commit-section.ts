import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InvariantError } from "#kernel/assert.ts";
import type { Item, Store, Write } from "../port.ts";
import { jsonBytes } from "../validate-commit.ts";
import {
  account,
  assertCommitted,
  assertConflict,
  event,
  put,
  putAbsent,
  putVersion,
  type Section,
  unique,
  useHarness,
  textOf,
} from "./harness.ts";

const ACCOUNTS = "smartfinance-accounts";
const META = "smartfinance-meta";

const read = (store: Store, id: string): Promise<Item | undefined> => store.get(ACCOUNTS, { hash: id });

/** A commit that must break the contract, together with a good write that must not happen. */
async function assertRefused(store: Store, writes: (good: Write) => readonly Write[]): Promise<void> {
  const good = unique("good");
  await assert.rejects(async () => store.commit(writes(putAbsent(META, { id: good }))), InvariantError);
  assert.equal(await store.get(META, { hash: good }), undefined, "a commit that broke the contract wrote something");
}

/** `commit`: conditions, atomicity, the contract. */
export function commitSection(section: Section): void {
  void describe("commit: conditions", () => {
    const harness = useHarness(section);

    void it("puts under absent only where nothing is", async () => {
      const { store } = harness();
      const id = unique("acc");
      assertCommitted(await store.commit([putAbsent(ACCOUNTS, account(id, 1, { balance: 1 }))]));
      assertConflict(await store.commit([putAbsent(ACCOUNTS, account(id, 1, { balance: 2 }))]), [0]);
      assert.deepEqual(await read(store, id), account(id, 1, { balance: 1 }));
    });

    void it("puts under a version only where that version is", async () => {
      const { store } = harness();
      const id = unique("acc");
      assertConflict(await store.commit([putVersion(ACCOUNTS, account(id, 2), 1)]), [0]);
      assert.equal(await read(store, id), undefined);
      assertCommitted(await store.commit([putAbsent(ACCOUNTS, account(id, 1))]));
      assertConflict(await store.commit([putVersion(ACCOUNTS, account(id, 3), 2)]), [0]);
      assertCommitted(await store.commit([putVersion(ACCOUNTS, account(id, 2), 1)]));
      assertConflict(await store.commit([putVersion(ACCOUNTS, account(id, 2), 1)]), [0]);
      assert.deepEqual(await read(store, id), account(id, 2));
    });

    void it("puts without a condition whether or not something is there, and replaces the whole item", async () => {
      const { store } = harness();
      const id = unique("acc");
      assertCommitted(await store.commit([put(ACCOUNTS, account(id, 7, { old: true }))]));
      assertCommitted(await store.commit([put(ACCOUNTS, account(id, 3, { fresh: true }))]));
      assert.deepEqual(await read(store, id), account(id, 3, { fresh: true }));
    });

    void it("deletes under absent, a version and no condition", async () => {
      const { store } = harness();
      const id = unique("acc");
      const key = { hash: id };
      const remove = (condition: Write["condition"]): Write => ({ op: "delete", table: ACCOUNTS, key, condition });
      assertCommitted(await store.commit([remove("none")]));
      assertCommitted(await store.commit([remove("absent")]));
      assertConflict(await store.commit([remove({ version: 1 })]), [0]);
      assertCommitted(await store.commit([putAbsent(ACCOUNTS, account(id, 4))]));
      assertConflict(await store.commit([remove("absent")]), [0]);
      assertConflict(await store.commit([remove({ version: 3 })]), [0]);
      assert.deepEqual(await read(store, id), account(id, 4));
      assertCommitted(await store.commit([remove({ version: 4 })]));
      assert.equal(await read(store, id), undefined);
      assertCommitted(await store.commit([putAbsent(ACCOUNTS, account(id, 1))]));
      assertCommitted(await store.commit([remove("none")]));
      assert.equal(await read(store, id), undefined);
    });

    void it("checks absent and a version without writing", async () => {
      const { store } = harness();
      const id = unique("acc");
      const check = (condition: "absent" | { version: number }): Write => ({ op: "check", table: ACCOUNTS, key: { hash: id }, condition });
      assertCommitted(await store.commit([check("absent")]));
      assert.equal(await read(store, id), undefined);
      assertConflict(await store.commit([check({ version: 1 })]), [0]);
      assertCommitted(await store.commit([putAbsent(ACCOUNTS, account(id, 1))]));
      assertConflict(await store.commit([check("absent")]), [0]);
      assertConflict(await store.commit([check({ version: 2 })]), [0]);
      assertCommitted(await store.commit([check({ version: 1 })]));
      assert.deepEqual(await read(store, id), account(id, 1));
    });

    void it("refuses an item whose version is no positive integer, under every condition, and goes on", async () => {
      const { store } = harness();
      for (const condition of ["absent", "none", { version: 1 }] as const)
        for (const version of [0, -1, 1.5, "1", null])
          await assertRefused(store, (good) => [
            good,
            { op: "put", table: ACCOUNTS, item: { ...account(unique("acc"), 1), version }, condition },
          ]);
      assertCommitted(await store.commit([putAbsent(ACCOUNTS, account(unique("acc"), 1))]));
    });

    void it("takes an item without a version as one of no version", async () => {
      const { store } = harness();
      const id = unique("meta");
      assertCommitted(await store.commit([putAbsent(META, { id, note: "kept" })]));
      assertConflict(await store.commit([putVersion(META, { id, version: 2 }, 1)]), [0]);
      assert.deepEqual(await store.get(META, { hash: id }), { id, note: "kept" });
    });

    void it("applies conditions by hash and range together", async () => {
      const { store } = harness();
      const partition = unique("partition");
      const one = { partition, id: "txn_1", version: 1 };
      const two = { partition, id: "txn_2", version: 1 };
      assertCommitted(await store.commit([putAbsent("smartfinance-transactions", one)]));
      assertCommitted(await store.commit([putAbsent("smartfinance-transactions", two)]));
      assertConflict(await store.commit([putAbsent("smartfinance-transactions", { ...one, version: 9 })]), [0]);
      assert.deepEqual(await store.get("smartfinance-transactions", { hash: partition, range: "txn_2" }), two);
    });
  });

  void describe("commit: all or nothing", () => {
    const harness = useHarness(section);

    void it("writes nothing when one condition fails, and names that write", async () => {
      const { store } = harness();
      const kept = unique("acc");
      const gone = unique("acc");
      const fresh = unique("acc");
      assertCommitted(await store.commit([putAbsent(ACCOUNTS, account(kept, 1)), putAbsent(ACCOUNTS, account(gone, 1))]));
      const audit = event();
      for (const failing of [0, 1, 2, 3]) {
        const writes: Write[] = [
          putVersion(ACCOUNTS, account(kept, 2), failing === 0 ? 9 : 1),
          { op: "delete", table: ACCOUNTS, key: { hash: gone }, condition: { version: failing === 1 ? 9 : 1 } },
          { op: "check", table: ACCOUNTS, key: { hash: failing === 2 ? kept : unique("none") }, condition: "absent" },
          putAbsent(META, { id: fresh }),
          putAbsent("smartfinance-audit-logs", audit),
        ];
        if (failing === 2) writes.shift();
        if (failing === 3) writes[3] = putVersion(META, { id: fresh, version: 2 }, 1);
        assertConflict(await store.commit(writes), [failing === 2 ? 1 : failing]);
        assert.deepEqual(await read(store, kept), account(kept, 1));
        assert.deepEqual(await read(store, gone), account(gone, 1));
        assert.equal(await store.get(META, { hash: fresh }), undefined);
        assert.equal(await store.get("smartfinance-audit-logs", { hash: textOf(audit, "partition"), range: audit.event_id }), undefined);
      }
    });

    void it("names only failed writes when several fail", async () => {
      const { store } = harness();
      const id = unique("acc");
      assertCommitted(await store.commit([putAbsent(ACCOUNTS, account(id, 1))]));
      const result = await store.commit([
        putAbsent(META, { id: unique("meta") }),
        putAbsent(ACCOUNTS, account(id, 1)),
        putAbsent(META, { id: unique("meta") }),
        { op: "check", table: META, key: { hash: unique("none") }, condition: { version: 1 } },
      ]);
      assertConflict(result, [1, 3]);
    });

    void it("writes as many items as the limit says, across tables", async () => {
      const { store } = harness();
      const count = store.limits.writesPerCommit;
      const written = Array.from({ length: Math.min(count, 1_000) }, (_, n) => (n % 2 === 0 ? account(unique("acc"), 1) : undefined));
      const writes = written.map((item) => (item === undefined ? putAbsent(META, { id: unique("meta") }) : putAbsent(ACCOUNTS, item)));
      assertCommitted(await store.commit(writes));
      const items = await store.getMany(
        writes.map((write) => ({ table: write.table, key: { hash: write.op === "put" ? textOf(write.item, "id") : "" } })),
      );
      assert.ok(items.every((item) => item !== undefined));
    });

    void it("reads its own writes at once", async () => {
      const { store } = harness();
      const id = unique("acc");
      for (let version = 1; version <= 20; version++) {
        const item = account(id, version);
        assertCommitted(await store.commit([version === 1 ? putAbsent(ACCOUNTS, item) : putVersion(ACCOUNTS, item, version - 1)]));
        assert.deepEqual(await read(store, id), item);
      }
    });
  });

  void describe("commit: the contract", () => {
    const harness = useHarness(section);

    void it("refuses a commit without writes", async () => {
      await assert.rejects(async () => harness().store.commit([]), InvariantError);
    });

    void it("refuses a key named twice, whatever the operations", async () => {
      const { store } = harness();
      const id = unique("meta");
      await assertRefused(store, (good) => [good, putAbsent(META, { id }), put(META, { id })]);
      await assertRefused(store, (good) => [good, { op: "check", table: META, key: { hash: id }, condition: "absent" }, put(META, { id })]);
      await assertRefused(store, (good) => [good, good]);
    });

    void it("refuses more writes than the limit", async () => {
      const { store } = harness();
      const many = Array.from({ length: store.limits.writesPerCommit }, () => putAbsent(META, { id: unique("meta") }));
      await assertRefused(store, (good) => [good, ...many]);
    });

    void it("refuses key attributes that are missing, empty or no strings", async () => {
      const { store } = harness();
      for (const item of [{}, { id: "" }, { id: 7 }, { id: null }] satisfies Item[]) {
        await assertRefused(store, (good) => [good, put(META, item)]);
      }
      await assertRefused(store, (good) => [good, put("smartfinance-transactions", { partition: "p" })]);
      await assertRefused(store, (good) => [
        good,
        { op: "delete", table: "smartfinance-transactions", key: { hash: "p" }, condition: "none" },
      ]);
      await assertRefused(store, (good) => [good, { op: "delete", table: META, key: { hash: "p", range: "r" }, condition: "none" }]);
    });

    void it("refuses index attributes that are no strings", async () => {
      const { store } = harness();
      await assertRefused(store, (good) => [good, put("smartfinance-reviews", { id: unique("rev"), status_key: null })]);
      await assertRefused(store, (good) => [good, put(ACCOUNTS, { id: unique("acc"), user_id: 1 })]);
    });

    void it("refuses a version condition on an item without a version", async () => {
      const { store } = harness();
      await assertRefused(store, (good) => [good, putVersion(META, { id: unique("meta") }, 1)]);
    });

    void it("refuses to replace or delete an item of the feed", async () => {
      const { store } = harness();
      const item = event();
      const key = { hash: textOf(item, "partition"), range: item.event_id };
      await assertRefused(store, (good) => [good, put("smartfinance-audit-logs", item)]);
      await assertRefused(store, (good) => [good, { op: "delete", table: "smartfinance-audit-logs", key, condition: "none" }]);
    });

    void it("takes an item of exactly the limit in bytes and refuses one byte more", async () => {
      const { store } = harness();
      const id = unique("meta");
      const empty = jsonBytes({ id, text: "" });
      const room = store.limits.itemBytes - empty;
      // Two bytes a letter, so that an engine which counts characters is caught.
      const text = "é".repeat(Math.floor(room / 2)) + "e".repeat(room % 2);
      await assertRefused(store, (good) => [good, put(META, { id, text: `${text}e` })]);
      assert.equal(await store.get(META, { hash: id }), undefined);
      assertCommitted(await store.commit([put(META, { id, text })]));
      assert.deepEqual(await store.get(META, { hash: id }), { id, text });
    });
  });
}
