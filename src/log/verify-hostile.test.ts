import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { actorOf, newId, T0 } from "#test/support/builders.ts";
import { buildEvent, checksumOf } from "#audit/index.ts";
import { accounts } from "#ledger/index.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Item } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { openSqliteReadOnly } from "#storage/sqlite/index.ts";
import { createLogReader } from "./log-reader.ts";
import { bucketOf, entriesFromItem, entriesToItem, spanToItem } from "./rows.ts";
import { editedCopy } from "./testing/edited-copy.ts";
import { AUDIT, LOG, makeStore, SEALED, sealAll, signer, witness } from "./testing/tampering.ts";
import { toldCollection } from "./verify-state.ts";
import { verifyStore } from "./verify-store.ts";

void describe("verifyStore over rows that are more than they ought to be", () => {
  let folder = "";
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "smartfinance-hostile-"));
    await makeStore(join(folder, "good"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const edited = (edit: (db: DatabaseSync) => void) => openSqliteReadOnly(editedCopy(folder, edit));
  const verdict = async (edit: (db: DatabaseSync) => void, told = false): Promise<string> => {
    const store = edited(edit);
    try {
      const report = await verifyStore({ store, log: signer.verifier, ...(told ? { told: [toldCollection(accounts)] } : {}) });
      return report.ok ? "OK" : report.what;
    } finally {
      await store.close();
    }
  };
  const logRow = (db: DatabaseSync, id: string): Item =>
    JSON.parse(String(db.prepare(`SELECT body FROM ${LOG} WHERE hash = ?`).get(id)?.["body"])) as Item;

  void it("notices a full row of entries with one more, by which the API would find another place for an event", async () => {
    let eventId = "";
    const lengthen = (db: DatabaseSync): void => {
      const other = entriesFromItem(logRow(db, "entries/1"))[44];
      assert.ok(other);
      eventId = other.eventId;
      const row = JSON.stringify(entriesToItem(0, [...entriesFromItem(logRow(db, "entries/0")), other]));
      db.prepare(`UPDATE ${LOG} SET body = ? WHERE hash = 'entries/0'`).run(row);
      const span = spanToItem(bucketOf(eventId), { first: 5, last: 6 });
      db.prepare('INSERT INTO "smartfinance-log-index" (hash, range, body) VALUES (?, ?, ?)').run(
        bucketOf(eventId),
        String(span.first),
        JSON.stringify(span),
      );
    };
    assert.match(await verdict(lengthen), /entries\/0 of the log does not have 256 entries/);
    const store = edited(lengthen);
    assert.equal(await createLogReader(store).placeOf(eventId), 256, "it is leaf 300");
    await store.close();
  });

  void it("notices rows of the index that lead out of the log, or lie under another key", async () => {
    const add = (bucket: string, range: string, item: Item) => (db: DatabaseSync) =>
      void db.prepare('INSERT INTO "smartfinance-log-index" (hash, range, body) VALUES (?, ?, ?)').run(bucket, range, JSON.stringify(item));
    const bucket = bucketOf(newId("event"));
    const first = "2".padStart(16, "0");
    assert.equal(await verdict(() => undefined), "OK");
    for (const span of [
      { first: 2, last: 9_000_000_000_000 },
      { first: 2, last: SEALED },
      { first: 2, last: 1 },
      { first: 3, last: 4 },
    ])
      assert.match(await verdict(add(bucket, first, spanToItem(bucket, span))), /index of the log/);
    assert.match(await verdict(add(bucket, first, spanToItem("evt_other", { first: 2, last: 3 }))), /index of the log/);
    assert.match(await verdict(add(bucket, first, [] as unknown as Item)), /index of the log/);
  });

  void it("says of rows that are no JSON, or no object, that they are wrong, wherever they lie", async () => {
    const tables = [LOG, '"smartfinance-log-index"', '"smartfinance-accounts"'];
    for (const table of tables)
      for (const body of ["{", "null"]) {
        const said = await verdict((db) => {
          const row = table === LOG ? "WHERE hash = 'entries/1'" : "";
          db.exec("DELETE FROM journal_0; DELETE FROM journal_1");
          db.prepare(`UPDATE ${table} SET body = ? ${row}`).run(body);
        }, true);
        assert.match(said, /cannot be read|malformed|not in the index/, `${table} ${body}`);
      }
    for (const body of ["{", "null"])
      for (const id of ["state", "cosigned", "tile/1/0"])
        assert.notEqual(await verdict((db) => void db.prepare(`UPDATE ${LOG} SET body = ? WHERE hash = ?`).run(body, id)), "OK", id);
  });

  void it("says of rows that hold what has no text or number that they are wrong, and does not give up", async () => {
    const none = { toString: 1, valueOf: 1 };
    const replaced =
      (table: string, change: (item: Item) => Item, where = "", reseal = false) =>
      (db: DatabaseSync): void => {
        db.exec("DELETE FROM journal_0; DELETE FROM journal_1");
        const row = db.prepare(`SELECT rowid AS at, body FROM ${table} ${where} LIMIT 1`).get();
        const item = change(JSON.parse(String(row?.["body"])) as Item);
        const body = JSON.stringify(reseal ? { ...item, checksum: checksumOf(item) } : item);
        db.prepare(`UPDATE ${table} SET body = ? WHERE rowid = ?`).run(body, Number(row?.["at"]));
      };
    const index = '"smartfinance-log-index"';
    for (const change of [{ first: none }, { last: none }])
      assert.match(await verdict(replaced(index, (item) => ({ ...item, ...change }))), /not in the index|index of the log/);
    const entries = "WHERE hash = 'entries/0'";
    assert.match(await verdict(replaced(LOG, (item) => ({ ...item, organisations: [none] }), entries)), /malformed/);
    for (const change of [{ event_id: none }, { organisation_id: none }, { partition: none }])
      for (const order of ["ORDER BY seq", "ORDER BY seq DESC"])
        assert.notEqual(await verdict(replaced(AUDIT, (item) => ({ ...item, ...change }), order, true)), "OK", JSON.stringify(change));
  });

  void it("says of a bucket of the index that has no end that it is wrong", async () => {
    const store = openMemoryStore(createMemoryDatabase());
    const { item } = buildEvent({ id: newId("event"), type: "deposit.posted", objectId: "acc_x" }, actorOf(), T0);
    await store.commit([{ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" }]);
    await sealAll(store);
    const report = await verifyStore({ store: { ...store, query: async () => ({ items: [], cursor: "on" }) }, log: signer.verifier });
    assert.match(report.ok ? "OK" : report.what, /has no end/);
  });

  void it("believes of the witnesses what they have signed, and not what the row says of it", async () => {
    const setCosigned = (item: Item) => (db: DatabaseSync) =>
      void db.prepare(`UPDATE ${LOG} SET body = ? WHERE hash = 'cosigned'`).run(JSON.stringify(item));
    const store = edited((db) => {
      const row = logRow(db, "cosigned");
      const by = (row.by as readonly JsonObject[]).map((one) => ({ ...one, size: SEALED }));
      setCosigned({ ...row, by, size: SEALED })(db);
    });
    const report = await verifyStore({ store, log: signer.verifier, witnesses: [witness.verifier] });
    await store.close();
    assert.ok(report.ok);
    assert.deepEqual(report.cosigned, [{ witness: witness.verifier.name, size: 300 }]);
    for (const row of [{ id: "cosigned" }, { id: "cosigned", size: 300, checkpoint: "x", version: 1, by: [null] }])
      assert.match(await verdict(setCosigned(row)), /checkpoint of the witnesses is malformed/);
  });

  void it("says of a sealed event that says nonsense that it is wrong: it was put in before the log came to it", async () => {
    const store = openMemoryStore(createMemoryDatabase());
    const { item } = buildEvent({ id: newId("event"), type: "deposit.posted", objectId: "acc_x" }, actorOf(), T0);
    const forged = { ...item, entries: [{ account_id: "acc_a", amount: 1.5 }] };
    const whole = { ...forged, checksum: checksumOf(forged) };
    await store.commit([{ op: "put", table: "smartfinance-audit-logs", item: whole, condition: "absent" }]);
    await sealAll(store);
    const report = await verifyStore({ store, log: signer.verifier });
    assert.ok(!report.ok);
    assert.match(report.what, /what event evt_\w+ says of accounts and objects is malformed/);
    assert.equal(report.index, 0);
  });

  void it("says of an unsealed event that says nonsense that it is wrong, and does not give up", async () => {
    const last = (change: Partial<Item>) => (db: DatabaseSync) => {
      const { item } = buildEvent({ id: newId("event"), type: "deposit.posted", objectId: "acc_x" }, actorOf(), T0);
      const forged = { ...item, ...change };
      const whole = JSON.stringify({ ...forged, checksum: checksumOf(forged as Item) });
      const seq = Number(db.prepare(`SELECT max(seq) AS seq FROM ${AUDIT}`).get()?.["seq"]) + 1;
      db.prepare(`INSERT INTO ${AUDIT} (seq, hash, range, body) VALUES (?, ?, ?, ?)`).run(
        seq,
        String(item.partition),
        String(item.event_id),
        whole,
      );
    };
    for (const nonsense of [{ entries: [{ account_id: "acc_a", amount: 1.5 }] }, { entries: [null] }, { changes: [null] }])
      assert.match(await verdict(last(nonsense as Partial<Item>), true), /evt_\w+/, JSON.stringify(nonsense));
  });
});
