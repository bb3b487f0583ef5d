import assert from "node:assert/strict";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import crypto from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Write } from "../port.ts";
import { openCheckpoints } from "./checkpoints.ts";
import { newPlace, openFaulty } from "./testing/faults.ts";

interface Log {
  readonly db: DatabaseSync;
  readonly file: string;
  /** One transaction of about `pages` pages. */
  readonly write: (pages: number) => void;
  /** Pages in the log, and those of them that are in the file too. */
  readonly state: () => { readonly log: number; readonly checkpointed: number };
  readonly rows: () => number;
}

async function withLog(use: (log: Log) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "checkpoints-"));
  const file = join(folder, "bank.db");
  const db = new DatabaseSync(file, { timeout: 1_000 });
  try {
    db.exec("PRAGMA journal_mode = WAL; CREATE TABLE rows (text TEXT)");
    const insert = db.prepare("INSERT INTO rows VALUES (?)");
    const look = db.prepare("PRAGMA wal_checkpoint(NOOP)");
    await use({
      db,
      file,
      write(pages) {
        db.exec("BEGIN");
        for (let n = 0; n < pages; n++) insert.run("x".repeat(4_000));
        db.exec("COMMIT");
      },
      state: () => look.get() as unknown as { log: number; checkpointed: number },
      rows: () => Number(db.prepare("SELECT count(*) AS n FROM rows").get()?.["n"]),
    });
  } finally {
    if (db.isOpen) db.close();
    await rm(folder, { recursive: true, force: true });
  }
}

void describe("checkpoints", () => {
  void it("begin at their length, go on beside the writer, and let the log begin anew", () =>
    withLog(async ({ db, file, write, state, rows }) => {
      const checkpoints = openCheckpoints(db, file, { begin: 200, few: 40, most: 100_000 });
      let begunAnew = 0;
      let before = 0;
      let written = 0;
      // How soon the other thread begins and ends is the machine's affair.
      for (let n = 0; n < 5_000 && begunAnew < 2; n++) {
        write(10);
        written += 10;
        checkpoints.afterCommit();
        const { log } = state();
        if (log < before) begunAnew += 1;
        before = log;
        // The other thread needs a moment now and then, as it has in a server.
        if (n % 5 === 0) await sleep(5);
      }
      assert.equal(begunAnew, 2, "the log never began anew");
      checkpoints.close();
      assert.equal(rows(), written);
      db.close();
      const again = new DatabaseSync(file);
      assert.equal(again.prepare("SELECT count(*) AS n FROM rows").get()?.["n"], written);
      assert.deepEqual(again.prepare("PRAGMA integrity_check").get()?.["integrity_check"], "ok");
      again.close();
    }));

  void it("are made by the writer itself where the log is too long to wait any longer", () =>
    withLog(async ({ db, file, write, state }) => {
      const checkpoints = openCheckpoints(db, file, { begin: 10, few: 1, most: 100 });
      write(200);
      checkpoints.afterCommit();
      assert.deepEqual(state().log - state().checkpointed, 0);
      assert.ok((await stat(file)).size > 200 * 4_000);
      checkpoints.close();
    }));

  void it("leave a short log alone", () =>
    withLog(async ({ db, file, write, state }) => {
      const checkpoints = openCheckpoints(db, file, { begin: 1_000, few: 40, most: 10_000 });
      for (let n = 0; n < 20; n++) {
        write(10);
        checkpoints.afterCommit();
      }
      await sleep(20);
      assert.equal(state().checkpointed, 0);
      checkpoints.close();
    }));

  void it("make nobody wait for a reader that stands still, however long the log is", () =>
    withLog(async ({ db, file, write, rows }) => {
      const checkpoints = openCheckpoints(db, file, { begin: 20, few: 5, most: 60 });
      write(10);
      const reader = new DatabaseSync(file, { readOnly: true });
      reader.exec("BEGIN; SELECT count(*) FROM rows");
      const begun = performance.now();
      for (let n = 0; n < 20; n++) {
        write(10);
        checkpoints.afterCommit();
      }
      // The connection waits a second for a lock; twenty such waits would be twenty seconds.
      assert.ok(performance.now() - begun < 10_000, "each commit waited for the reader");
      reader.close();
      assert.equal(rows(), 210);
      checkpoints.close();
    }));

  void it("wait for a reader that needs the log, and go on once it has ended", () =>
    withLog(async ({ db, file, write, state, rows }) => {
      let later = 0;
      const checkpoints = openCheckpoints(db, file, { begin: 50, few: 10, most: 100_000 }, () => performance.now() + later);
      write(10);
      const reader = new DatabaseSync(file, { readOnly: true });
      reader.exec("BEGIN; SELECT count(*) FROM rows");
      for (let n = 0; n < 30; n++) {
        write(10);
        checkpoints.afterCommit();
        await sleep(2);
      }
      assert.ok(state().log > 250, "the reader's log was taken away");
      later += 10_000;
      reader.exec("COMMIT");
      reader.close();
      let shortest = Number.MAX_SAFE_INTEGER;
      for (let n = 0; n < 100; n++) {
        write(2);
        checkpoints.afterCommit();
        shortest = Math.min(shortest, state().log);
        await sleep(2);
      }
      assert.ok(shortest < 100, `the log stayed at ${shortest} pages`);
      assert.equal(rows(), 10 + 300 + 200);
      checkpoints.close();
    }));

  void it("are made while expired records are deleted and nothing is committed", async () => {
    const place = await newPlace();
    // The writer copies everything itself, at once.
    const { store } = await openFaulty({ file: place.file }, { checkpointLimits: { begin: 20, few: 100_000, most: 200_000 } });
    const size = async () => (await stat(`${place.file}-wal`)).size;
    const record = (n: number): Write => ({
      op: "put",
      table: "smartfinance-idempotency",
      item: { id: crypto.hash("sha256", String(n)), expires_at: 1_000, version: 1 },
      condition: "absent",
    });
    try {
      assert.equal((await store.commit(Array.from({ length: 20_000 }, (_, n) => record(n)))).outcome, "committed");
      // Brings the keys to their place.
      for await (const _ of store.dump());
      const before = await size();
      let purged = 0;
      for (let count = 1; count > 0; purged += count) count = await store.purgeExpired(2_000);
      assert.equal(purged, 20_000);
      assert.ok((await size()) <= before, `the log grew from ${before} to ${await size()} bytes`);
    } finally {
      await store.close();
      await place.remove();
    }
  });
});
