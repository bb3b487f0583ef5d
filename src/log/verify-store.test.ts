import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { actorOf, newId, ORG, T0 } from "#test/support/builders.ts";
import { buildEvent, checksumOf } from "#audit/index.ts";
import { canonicalJson } from "#kernel/canonical-json.ts";
import type { Item } from "#storage/index.ts";
import { openSqliteReadOnly } from "#storage/sqlite/index.ts";
import { sha256 } from "./hashing.ts";
import { entryOf, erasedOpening } from "./leaf.ts";
import { formatNote } from "./note.ts";
import { signerOf } from "./note-keys.ts";
import { entriesFromItem, entriesToItem, stateFromItem, stateToItem } from "./rows.ts";
import { signState } from "./state-seal.ts";
import type { VerifyReport } from "./verify-store.ts";
import { verifyStore } from "./verify-store.ts";
import { editedCopy } from "./testing/edited-copy.ts";
import { signer, witness, EVENTS, SEALED, AUDIT, LOG, makeStore } from "./testing/tampering.ts";

void describe("AUD-02 verifyStore over a SQLite file that was tampered with", () => {
  let folder = "";
  let since = "";
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "smartfinance-tamper-"));
    ({ since } = await makeStore(join(folder, "good")));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  type Options = Partial<Parameters<typeof verifyStore>[0]>;
  /** What verification says of a copy that somebody edited with a SQLite client. */
  async function verdict(edit: (db: DatabaseSync) => void, options: Options = {}): Promise<VerifyReport> {
    const store = openSqliteReadOnly(editedCopy(folder, edit));
    try {
      return await verifyStore({ store, log: signer.verifier, ...options });
    } finally {
      await store.close();
    }
  }
  async function named(index: number | undefined, what: RegExp, edit: (db: DatabaseSync) => void, options?: Options): Promise<void> {
    const report = await verdict(edit, options);
    assert.ok(!report.ok, `nobody noticed: ${String(what)}`);
    assert.match(report.what, what);
    assert.equal(report.index, index, report.what);
  }

  const seqAt = (db: DatabaseSync, index: number): number =>
    Number(db.prepare(`SELECT seq FROM ${AUDIT} ORDER BY seq LIMIT 1 OFFSET ?`).get(index)?.["seq"]);
  const bodyAt = (db: DatabaseSync, index: number): Item =>
    JSON.parse(String(db.prepare(`SELECT body FROM ${AUDIT} WHERE seq = ?`).get(seqAt(db, index))?.["body"])) as Item;
  const setBody = (db: DatabaseSync, index: number, item: Item): void =>
    void db.prepare(`UPDATE ${AUDIT} SET body = ? WHERE seq = ?`).run(canonicalJson(item), seqAt(db, index));
  const logRow = (db: DatabaseSync, id: string): Item =>
    JSON.parse(String(db.prepare(`SELECT body FROM ${LOG} WHERE hash = ?`).get(id)?.["body"])) as Item;
  const setLogRow = (db: DatabaseSync, id: string, item: Item): void =>
    void db.prepare(`UPDATE ${LOG} SET body = ? WHERE hash = ?`).run(JSON.stringify(item), id);
  /** As the log itself would have signed it. */
  const setState = (db: DatabaseSync, item: Item): void => setLogRow(db, "state", stateToItem(signState(signer, stateFromItem(item))));
  const SAMPLES = [0, 1, 255, 256, 300, 511, 512, SEALED - 1];

  void it("finds nothing in the store as it was left", async () => {
    const told: number[] = [];
    const report = await verdict(() => undefined, { since, witnesses: [witness.verifier], onProgress: (n) => told.push(n) });
    assert.deepEqual(
      { ...report, root: "" },
      {
        ok: true,
        size: SEALED,
        unsealed: 10,
        erased: 0,
        accounts: 2,
        untold: 0,
        cosigned: [{ witness: "witness.example/w", size: 300 }],
        root: "",
      },
    );
    assert.deepEqual(told, [SEALED]);
  });

  void it("names an event any member of which was changed, with and without its checksum", async () => {
    for (const index of SAMPLES) {
      await named(index, /does not have its checksum/, (db) => setBody(db, index, { ...bodyAt(db, index), amount: 7 }));
      await named(index, /is not what its leaf says/, (db) => {
        const changed = { ...bodyAt(db, index), user_agent: "another" };
        setBody(db, index, { ...changed, checksum: checksumOf(changed) });
      });
    }
  });

  void it("names an event one bit of whose text was flipped, wherever", async () => {
    const dice = [3, 50, 77, 120, 181, 260, 333, 400, 471, 520];
    for (const [n, at] of dice.entries()) {
      const index = (n * 61) % SEALED;
      const report = await verdict((db) => {
        const text = Buffer.from(String(db.prepare(`SELECT body FROM ${AUDIT} WHERE seq = ?`).get(seqAt(db, index))?.["body"]));
        text[at % text.length] = (text[at % text.length] ?? 0) ^ 1;
        db.prepare(`UPDATE ${AUDIT} SET body = ? WHERE seq = ?`).run(text.toString("latin1"), seqAt(db, index));
      });
      assert.ok(!report.ok && report.index === index, `bit ${at} of event ${index}: ${JSON.stringify(report)}`);
    }
  });

  void it("names a deleted event", async () => {
    for (const index of SAMPLES)
      await named(index, /was deleted/, (db) => void db.prepare(`DELETE FROM ${AUDIT} WHERE seq = ?`).run(seqAt(db, index)));
  });

  void it("names where events were truncated", async () => {
    await named(400, /was deleted/, (db) => void db.prepare(`DELETE FROM ${AUDIT} WHERE seq >= ?`).run(seqAt(db, 400)));
  });

  void it("names an inserted event", async () => {
    for (const index of [0, 1, 257, SEALED - 1, SEALED]) {
      const what = index === SEALED ? /was inserted behind the last sealed one/ : /was inserted before/;
      await named(index, what, (db) => {
        const { item } = buildEvent({ id: newId("event"), type: "deposit.posted", objectId: "x" }, actorOf(), T0);
        const seq = seqAt(db, index);
        // Room before it: everything behind moves by one. The cursor of the log stands on a number, so it moves too.
        db.exec(`UPDATE ${AUDIT} SET seq = -seq - 1 WHERE seq >= ${seq}; UPDATE ${AUDIT} SET seq = -seq WHERE seq < 0`);
        db.prepare(`INSERT INTO ${AUDIT} (seq, hash, range, body) VALUES (?, ?, ?, ?)`).run(
          seq,
          String(item.partition),
          String(item.event_id),
          JSON.stringify(item),
        );
        const state = logRow(db, "state");
        setState(db, { ...state, cursor: String(Number(state.cursor) + 1) });
      });
    }
  });

  void it("names events in another order", async () => {
    for (const [a, b] of [
      [0, 1],
      [100, 300],
      [510, 513],
    ] as const)
      await named(a, /another order/, (db) => {
        const [first, second] = [seqAt(db, a), seqAt(db, b)];
        const move = db.prepare(`UPDATE ${AUDIT} SET seq = ? WHERE seq = ?`);
        move.run(-1, first);
        move.run(first, second);
        move.run(second, -1);
      });
  });

  void it("names changed rows of the log itself", async () => {
    await named(300, /is not what its leaf says/, (db) => {
      const row = entriesFromItem(logRow(db, "entries/1"));
      setLogRow(
        db,
        "entries/1",
        entriesToItem(
          1,
          row.map((entry, n) => (n === 44 ? { ...entry, entry: sha256("x") } : entry)),
        ),
      );
    });
    // Event and leaf changed alike: the tile above tells the 256 it is among, the last ones the signed root.
    const both = (index: number) => (db: DatabaseSync) => {
      const id = `entries/${Math.floor(index / 256)}`;
      const changed = { ...bodyAt(db, index), object_id: "txn_other" };
      setBody(db, index, { ...changed, checksum: checksumOf(changed) });
      const row = entriesFromItem(logRow(db, id));
      const lied = row.map((entry, n) => (n === index % 256 ? { ...entry, entry: entryOf(changed, entry.opening) } : entry));
      setLogRow(db, id, entriesToItem(Math.floor(index / 256), lied));
    };
    await named(256, /leaves 256 to 511 are not those of the row tile\/1\/0/, both(300));
    await named(512, /leaves 512 to 575 are not those that were signed/, both(520));
    await named(0, /tile\/1\/0 of the log is gone/, (db) => db.exec(`DELETE FROM ${LOG} WHERE hash = 'tile/1/0'`));
    await named(256, /entries\/1 of the log is gone/, (db) => db.exec(`DELETE FROM ${LOG} WHERE hash = 'entries/1'`));
    await named(256, /entries\/1 of the log is malformed/, (db) => setLogRow(db, "entries/1", { id: "entries/1" }));
  });

  void it("believes no other checkpoint", async () => {
    await named(undefined, /another size/, (db) => setLogRow(db, "state", { ...logRow(db, "state"), size: 589 }));
    await named(undefined, /another root/, (db) => {
      const state = logRow(db, "state");
      setLogRow(db, "state", { ...state, peaks: (state.peaks as string[]).toReversed() });
    });
    await named(undefined, /bad_signature/, (db) => {
      const state = logRow(db, "state");
      setLogRow(db, "state", { ...state, checkpoint: String(state.checkpoint).replace(`\n${SEALED}\n`, "\n589\n") });
    });
    await named(undefined, /unsigned/, () => undefined, { log: signerOf("example.com/log", "signature", sha256("other")).verifier });
    await named(0, /state is gone/, (db) => {
      db.exec(`INSERT INTO ${LOG} (hash, body) VALUES ('key', '{"id":"key"}')`);
      db.exec(`DELETE FROM ${LOG} WHERE hash = 'state'`);
    });
  });

  void it("notices a log that was cut back to an earlier, genuine state", async () => {
    const rollBack = (db: DatabaseSync): void => {
      const state = logRow(db, "state");
      const edge = entriesFromItem(logRow(db, "entries/0"));
      assert.equal(edge.length, 256);
      const seq = String(seqAt(db, 255));
      // As if the sealing had stopped after 256, with a checkpoint that the log did sign then.
      const root = Buffer.from(String(logRow(db, "tile/1/0").hashes), "base64")
        .subarray(0, 32)
        .toString("base64");
      const text = `example.com/log\n256\n${root}\n`;
      const checkpoint = formatNote({ text, signatures: [signer.sign(text, T0)] });
      setState(db, { ...state, size: 256, peaks: [root], cursor: seq, checkpoint });
    };
    await named(256, /cut back: the checkpoint of the witnesses has 300/, rollBack);
    const alone = (db: DatabaseSync): void => {
      rollBack(db);
      db.exec(`DELETE FROM ${LOG} WHERE hash = 'cosigned'`);
    };
    await named(256, /cut back: there are leaves behind its end/, alone);
    const thorough = (db: DatabaseSync): void => {
      alone(db);
      db.exec(`DELETE FROM ${LOG} WHERE hash IN ('entries/1', 'entries/2')`);
    };
    await named(256, /cut back: the checkpoint of the earlier look has 300/, thorough, { since });
    await named(undefined, /no checkpoint was cosigned/, thorough, { witnesses: [witness.verifier] });
  });

  void it("notices a balance that the events do not say, and money from nowhere", async () => {
    const setBalance = (db: DatabaseSync, id: string, balance: number): void => {
      const text = String(db.prepare('SELECT body FROM "smartfinance-accounts" WHERE hash = ?').get(id)?.["body"]);
      const item = JSON.parse(text) as Item;
      db.prepare('UPDATE "smartfinance-accounts" SET body = ? WHERE hash = ?').run(JSON.stringify({ ...item, balance }), id);
    };
    await named(undefined, /account acc_b has 1, its events say/, (db) => setBalance(db, "acc_b", 1));
    await named(undefined, /account acc_a is gone/, (db) => db.exec(`DELETE FROM "smartfinance-accounts" WHERE hash = 'acc_a'`));
    await named(undefined, /account acc_c has 5, its events say 0/, (db) => {
      setBalance(db, "acc_c", 5);
      db.exec("DELETE FROM journal_0; DELETE FROM journal_1");
    });
  });

  void it("lets an address be erased, and counts it", async () => {
    const report = await verdict((db) => {
      const item = bodyAt(db, 30);
      const row = entriesFromItem(logRow(db, "entries/0"));
      const erased = { ...item, ip_address: null, user_agent: null };
      setBody(db, 30, { ...erased, checksum: checksumOf(erased) });
      setLogRow(
        db,
        "entries/0",
        entriesToItem(
          0,
          row.map((entry, n) => (n === 30 ? { ...entry, opening: erasedOpening(item, entry.opening) } : entry)),
        ),
      );
    });
    assert.ok(report.ok);
    assert.equal(report.erased, 1);
  });

  const changedAt = (db: DatabaseSync, index: number, change: (item: Record<string, Item[string]>) => void): void => {
    const item = { ...bodyAt(db, index) };
    change(item);
    setBody(db, index, { ...item, checksum: checksumOf(item) });
  };
  /** Puts an event into the table under any key. */
  const insert = (db: DatabaseSync, seq: number, item: Item, hash = String(item.partition), range = String(item.event_id)): void =>
    void db
      .prepare(`INSERT INTO ${AUDIT} (seq, hash, range, body) VALUES (?, ?, ?, ?)`)
      .run(seq, hash, range, JSON.stringify({ ...item, checksum: checksumOf(item) }));
  const erase = (db: DatabaseSync, item: Item): void => {
    const row = entriesFromItem(logRow(db, "entries/0"));
    const opened = row.map((entry, n) => (n === 30 ? { ...entry, opening: erasedOpening(item, entry.opening) } : entry));
    setLogRow(db, "entries/0", entriesToItem(0, opened));
  };

  void it("believes no address beside an opening that does not open it", async () => {
    await named(30, /the leaf of evt_\w+ is malformed/, (db) => {
      erase(db, bodyAt(db, 30));
      changedAt(db, 30, (item) => Object.assign(item, { ip_address: "198.51.100.66", user_agent: "framed" }));
    });
  });

  void it("lets an event have no members but its own", async () => {
    for (const change of [
      (item: Record<string, Item[string]>) => {
        delete item["user_agent"];
        item["approved_by"] = "somebody";
      },
      (item: Record<string, Item[string]>) => void Object.assign(item, { id: "evt_other", object: "event", proof: { x: 1 } }),
    ])
      await named(30, /has other members than events have/, (db) => changedAt(db, 30, change));
    await named(30, /has other members than events have/, (db) => {
      const before = bodyAt(db, 30);
      changedAt(db, 30, (item) => {
        delete item["user_agent"];
        delete item["ip_address"];
        Object.assign(item, { approved_by: "somebody", reversed: true });
      });
      erase(db, before);
    });
    await named(30, /cannot be read/, (db) => void db.prepare(`UPDATE ${AUDIT} SET body = 'null' WHERE seq = ?`).run(seqAt(db, 30)));
  });

  void it("names an event that the API does not find, or finds another one in the place of", async () => {
    for (const column of ["hash", "range"])
      await named(
        30,
        /is not found by its key/,
        (db) => void db.prepare(`UPDATE ${AUDIT} SET ${column} = 'gone' WHERE seq = ?`).run(seqAt(db, 30)),
      );
    await named(30, /another event is found by the key of/, (db) => {
      const item = bodyAt(db, 30);
      db.prepare(`UPDATE ${AUDIT} SET hash = 'gone' WHERE seq = ?`).run(seqAt(db, 30));
      insert(db, -3, { ...item, amount: 1 });
    });
    await named(undefined, /the audit table has 601 events, the feed tells 600/, (db) =>
      insert(db, -7, { ...bodyAt(db, 30), event_id: `evt_01JD0000000000000000000${String(bodyAt(db, 30).event_id).slice(-3)}` }),
    );
    await named(
      SEALED + 3,
      /is not found by its key/,
      (db) => void db.prepare(`UPDATE ${AUDIT} SET hash = 'gone' WHERE seq = ?`).run(seqAt(db, SEALED + 3)),
    );
  });

  void it("takes no second event of a sealed one's id for a repeat of the feed", async () => {
    await named(SEALED, /which is leaf 30, is there a second time/, (db) =>
      insert(db, seqAt(db, EVENTS - 1) + 1, { ...bodyAt(db, 30), amount: 99_999, partition: `${ORG}#X` }),
    );
    await named(100, /which is leaf 30, is there a second time/, (db) => {
      const seq = seqAt(db, 100);
      db.exec(`UPDATE ${AUDIT} SET seq = -seq - 1 WHERE seq >= ${seq}; UPDATE ${AUDIT} SET seq = -seq WHERE seq < 0`);
      insert(db, seq, { ...bodyAt(db, 30), partition: `${ORG}#X` });
    });
  });

  void it("believes no cursor, time or version that was not signed, and no index that lacks a leaf", async () => {
    for (const changed of [{ cursor: "9000000000" }, { cursor: null }, { sealed_at: 9e15 }, { version: 77 }, { seal: null }])
      await named(undefined, /cursor, time or version that was not signed/, (db) =>
        setLogRow(db, "state", { ...logRow(db, "state"), ...changed }),
      );
    await named(0, /is not in the index of the log/, (db) => db.exec('DELETE FROM "smartfinance-log-index"'));
  });

  void it("notices rows of the log that are longer than it, or behind its end", async () => {
    for (const id of ["entries/9", "tile/1/7", "tile/x", "other"])
      await named(
        undefined,
        /the log has no row/,
        (db) => void db.prepare(`INSERT INTO ${LOG} (hash, body) VALUES (?, ?)`).run(id, JSON.stringify({ id, hashes: "" })),
      );
    await named(undefined, /tile\/1\/0 of the log does not have 2 hashes/, (db) => {
      const tile = logRow(db, "tile/1/0");
      const hashes = Buffer.concat([Buffer.from(String(tile.hashes), "base64"), Buffer.alloc(32, 7)]).toString("base64");
      setLogRow(db, "tile/1/0", { ...tile, hashes });
    });
  });

  void it("notices money on an account that no index leads to", async () => {
    const account = (id: string): string => JSON.stringify({ id, organisation_id: ORG, balance: 5_000, version: 1 });
    const add = 'INSERT INTO "smartfinance-accounts" (seq, hash, version, body) VALUES (999999, ?, 1, ?)';
    await named(undefined, /account acc_x has 5000, its events say 0/, (db) => void db.prepare(add).run("acc_x", account("acc_x")));
    await named(undefined, /account acc_y is kept under the key of acc_x/, (db) => void db.prepare(add).run("acc_x", account("acc_y")));
    await named(
      undefined,
      /account acc_x has 5000, its events say 0/,
      (db) =>
        void db
          .prepare("INSERT INTO journal_0 (seq, name, hash, version, body) VALUES (88888888, 'smartfinance-accounts', 'acc_x', 1, ?)")
          .run(account("acc_x")),
    );
  });
});
