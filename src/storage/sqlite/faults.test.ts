import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CommitResult, type Item, StoreUnavailableError, type Write } from "../port.ts";
import { openSqliteStore } from "./index.ts";
import type { Fault } from "./testing/fault-kinds.ts";
import { newPlace, openFaulty } from "./testing/faults.ts";

const META = "smartfinance-meta";
const put = (id: string, more: Item = {}): Write => ({ op: "put", table: META, item: { id, ...more }, condition: "absent" });

/** Arms a fault, sends one commit and closes; what it said, what was called, and what a fresh opening finds. */
async function underFault(
  fault: Fault,
): Promise<{ result: CommitResult; after: CommitResult; fatal: Error[]; written: boolean; read: unknown }> {
  const place = await newPlace();
  try {
    const fatal: Error[] = [];
    const { store, arm } = await openFaulty({ file: place.file, onFatal: (error) => fatal.push(error) });
    assert.equal((await store.commit([put("before")])).outcome, "committed");
    arm(fault);
    const result = await store.commit([put("hit")]);
    const after = await store.commit([put("after")]);
    const read = await store.get(META, { hash: "before" }).catch((error: unknown) => error);
    await store.close();
    const again = await openSqliteStore({ file: place.file });
    assert.deepEqual(await again.get(META, { hash: "before" }), { id: "before" });
    assert.equal((await again.get(META, { hash: "after" })) !== undefined, after.outcome === "committed");
    const written = (await again.get(META, { hash: "hit" })) !== undefined;
    await again.close();
    return { result, after, fatal, written, read };
  } finally {
    await place.remove();
  }
}

void describe("faults of the writer", () => {
  void it("a full disk before COMMIT: unavailable, nothing written, not fatal", async () => {
    const { result, after, fatal, written, read } = await underFault("fullBeforeCommit");
    assert.equal(result.outcome, "unavailable");
    assert.equal(after.outcome, "unavailable");
    assert.deepEqual([fatal.length, written, read], [0, false, { id: "before" }]);
  });

  void it("an I/O error before COMMIT: unavailable, nothing written, fatal", async () => {
    const { result, after, fatal, written, read } = await underFault("brokenBeforeCommit");
    assert.deepEqual([result.outcome, after.outcome, fatal.length, written], ["unavailable", "unavailable", 1, false]);
    assert.ok(read instanceof StoreUnavailableError);
  });

  void it("an error after COMMIT: unknown, written, fatal", async () => {
    const { result, after, fatal, written, read } = await underFault("brokenAfterCommit");
    assert.deepEqual([result.outcome, after.outcome, fatal.length, written], ["unknown", "unavailable", 1, true]);
    assert.ok(read instanceof StoreUnavailableError);
  });

  void it("no memory in COMMIT: unknown, since the log may hold it, and fatal", async () => {
    const { result, after, fatal, written } = await underFault("noMemoryInCommit");
    assert.deepEqual([result.outcome, after.outcome, fatal.length, written], ["unknown", "unavailable", 1, true]);
  });

  void it("death before COMMIT: unknown, nothing written, fatal", async () => {
    const { result, after, fatal, written } = await underFault("deathBeforeCommit");
    assert.deepEqual([result.outcome, after.outcome, fatal.length, written], ["unknown", "unavailable", 1, false]);
  });

  void it("death after COMMIT: unknown, written, fatal", async () => {
    const { result, after, fatal, written } = await underFault("deathAfterCommit");
    assert.deepEqual([result.outcome, after.outcome, fatal.length, written], ["unknown", "unavailable", 1, true]);
  });

  void it("a full disk when it closes: nothing fatal, and everything is there", async () => {
    const { result, after, fatal, written } = await underFault("fullAtClose");
    assert.deepEqual([result.outcome, after.outcome, fatal.length, written], ["committed", "committed", 0, true]);
  });

  void it("goes on when there is room again, and forgets what was refused", async () => {
    const place = await newPlace();
    const { store, arm } = await openFaulty({ file: place.file }, { generationEntries: 4 });
    try {
      const account = (version: number): Item => ({ id: "acc", version });
      const update = (version: number): Write => ({
        op: "put",
        table: "smartfinance-accounts",
        item: account(version),
        condition: version === 1 ? "absent" : { version: version - 1 },
      });
      const record: Write = { op: "put", table: "smartfinance-idempotency", item: { id: "key" }, condition: "absent" };
      assert.equal((await store.commit([update(1)])).outcome, "committed");
      for (let version = 2; version < 40; version++) {
        arm("fullBeforeCommit");
        assert.equal((await store.commit([update(version), record])).outcome, "unavailable");
        assert.deepEqual(await store.get("smartfinance-accounts", { hash: "acc" }), account(version - 1));
        assert.equal(await store.get("smartfinance-idempotency", { hash: "key" }), undefined);
        arm("none");
        assert.equal((await store.commit([update(version)])).outcome, "committed");
        assert.deepEqual(await store.get("smartfinance-accounts", { hash: "acc" }), account(version));
      }
    } finally {
      await store.close();
      await place.remove();
    }
  });

  void it("a file that may not grow: unavailable from SQLite itself, and what was there stays", async () => {
    const place = await newPlace();
    const fatal: Error[] = [];
    const { store } = await openFaulty({ file: place.file, onFatal: (error) => fatal.push(error) }, { maxPages: 200 });
    try {
      const outcomes: string[] = [];
      for (let n = 0; n < 30; n++) outcomes.push((await store.commit([put(`big-${n}`, { text: "x".repeat(50_000) })])).outcome);
      assert.equal(outcomes[0], "committed");
      assert.equal(outcomes.at(-1), "unavailable");
      assert.deepEqual([...new Set(outcomes)].toSorted(), ["committed", "unavailable"]);
      for (const [n, outcome] of outcomes.entries()) {
        assert.equal((await store.get(META, { hash: `big-${n}` })) !== undefined, outcome === "committed");
      }
      assert.equal(fatal.length, 0);
    } finally {
      await store.close();
      await place.remove();
    }
  });

  void it("refuses what it has no room for and takes the rest", async () => {
    const place = await newPlace();
    const store = await openSqliteStore({ file: place.file });
    try {
      const results = await Promise.all(Array.from({ length: 12_000 }, (_, n) => store.commit([put(`many-${n}`)])));
      const counts = Map.groupBy(results, ({ outcome }) => outcome);
      assert.equal(counts.get("committed")?.length, 10_000);
      assert.equal(counts.get("unavailable")?.length, 2_000);
      assert.equal((await store.commit([put("later")])).outcome, "committed");
    } finally {
      await store.close();
      await place.remove();
    }
  });
});
