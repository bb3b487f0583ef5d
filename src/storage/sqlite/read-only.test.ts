import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { openSqliteReadOnly, openSqliteStore } from "./index.ts";
import { newPlace } from "./testing/faults.ts";

const ACCOUNTS = "smartfinance-accounts";
const account = (id: string, version: number) => ({ id, organisation_id: "o", balance: version, version });

void describe("a file that is only read", () => {
  void it("opens with a damaged update in its journal, which is shown as one and found by whoever reads it", async () => {
    const place = await newPlace();
    try {
      const store = await openSqliteStore({ file: place.file });
      await store.commit(["a", "b"].map((id) => ({ op: "put", table: ACCOUNTS, item: account(id, 1), condition: "absent" })));
      await store.close();
      const db = new DatabaseSync(place.file);
      const insert = db.prepare("INSERT INTO journal_0 (seq, name, hash, version, body) VALUES (?, ?, ?, 2, ?)");
      insert.run(1_000, ACCOUNTS, "a", '{"id":');
      insert.run(1_001, ACCOUNTS, "b", JSON.stringify(account("b", 2)));
      db.close();
      const read = openSqliteReadOnly(place.file);
      try {
        assert.equal((await read.get(ACCOUNTS, { hash: "b" }))?.["balance"], 2);
        await assert.rejects(read.get(ACCOUNTS, { hash: "a" }), SyntaxError);
        assert.deepEqual(
          [...read.rows(ACCOUNTS)].map(({ hash, item }) => [hash, (item as { version: number } | undefined)?.version]),
          [
            ["a", 1],
            ["b", 1],
            ["a", undefined],
            ["b", 2],
          ],
        );
      } finally {
        await read.close();
      }
    } finally {
      await place.remove();
    }
  });
});
