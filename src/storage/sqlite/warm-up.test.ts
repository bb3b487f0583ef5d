import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createHotItems } from "./hot-items.ts";
import { openSqliteStore } from "./index.ts";
import { layoutFor } from "./layout.ts";
import { createOverlay } from "./overlay.ts";
import { openReader } from "./reader.ts";
import { warmUp } from "./warm-up.ts";

const accounts = layoutFor("smartfinance-accounts");
const ROWS = 450;

/** A file with `ROWS` accounts, the n-th with balance n. */
async function withFile(use: (file: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "warm-"));
  try {
    const file = join(folder, "bank.db");
    const store = await openSqliteStore({ file });
    const items = Array.from({ length: ROWS }, (_, n) => ({ id: `acc-${n}`, organisation_id: "o", balance: n, version: 1 }));
    const done = await store.commit(items.map((item) => ({ op: "put", table: accounts.name, item, condition: "absent" })));
    assert.equal(done.outcome, "committed");
    await store.close();
    await use(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function until(holds: () => boolean): Promise<void> {
  for (let turns = 0; turns < 400 && !holds(); turns++) await sleep(10);
  assert.ok(holds());
}

void describe("the warm-up after a start", () => {
  void it("brings hot tables into memory, and does not overwrite what is newer there", () =>
    withFile(async (file) => {
      const hot = createHotItems(10_000);
      const newer = { id: "acc-7", organisation_id: "o", balance: 1_000, version: 2 };
      hot.written(accounts, "acc-7", newer, 0);
      const reader = openReader(file, createOverlay(), hot);
      const warming = warmUp(reader, hot, 10_000, 0);
      await until(() => hot.size() === ROWS);
      assert.deepEqual(hot.get(accounts, "acc-7"), newer);
      assert.equal(hot.get(accounts, "acc-449")?.["balance"], 449);
      warming.stop();
      reader.close();
    }));

  void it("ends when the memory is full, with the newest rows in it", () =>
    withFile(async (file) => {
      const hot = createHotItems(250);
      const reader = openReader(file, createOverlay(), hot);
      const warming = warmUp(reader, hot, 250, 0);
      await until(() => hot.size() === 200);
      await sleep(50);
      assert.equal(hot.size(), 200);
      assert.ok(hot.get(accounts, "acc-449") !== undefined && hot.get(accounts, "acc-0") === undefined);
      warming.stop();
      reader.close();
    }));

  void it("does nothing more once it is stopped", () =>
    withFile(async (file) => {
      const hot = createHotItems(10_000);
      const reader = openReader(file, createOverlay(), hot);
      warmUp(reader, hot, 10_000, 20).stop();
      reader.close();
      await sleep(60);
      assert.equal(hot.size(), 0);
    }));

  void it("ends at a row that cannot be read, and nothing else does", () =>
    withFile(async (file) => {
      const hot = createHotItems(10_000);
      const reader = openReader(file, createOverlay(), hot);
      let calls = 0;
      const warm = (): never => {
        calls += 1;
        throw new Error("database disk image is malformed");
      };
      warmUp({ ...reader, warm }, hot, 10_000, 0);
      await until(() => calls > 0);
      await sleep(30);
      assert.equal(calls, 1);
      assert.equal(reader.get(accounts, { hash: "acc-7" })?.["balance"], 7);
      reader.close();
    }));
});
