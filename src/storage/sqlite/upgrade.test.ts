import assert from "node:assert/strict";
import { link, unlink } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { openSqliteReadOnly, openSqliteStore, StoreOwnedError, StoreSchemaError } from "./index.ts";
import { newPlace, type Place } from "./testing/faults.ts";

const user = (id: string) => ({ id, organisation_id: "o", status_key: "o#active", version: 1 });
const ACTIVE = { table: "smartfinance-users", index: "StatusUsersIndex", hash: "o#active", order: "ascending", limit: 10 } as const;

/** A file with two users, closed. */
async function aFile(place: Place): Promise<void> {
  const store = await openSqliteStore({ file: place.file });
  await store.commit(["a", "b"].map((id) => ({ op: "put", table: "smartfinance-users", item: user(id), condition: "absent" })));
  await store.close();
}

function edit(place: Place, sql: string): unknown {
  const db = new DatabaseSync(place.file);
  try {
    db.exec(sql);
    return db.prepare("SELECT count(*) AS count FROM kept_columns").get()?.["count"];
  } finally {
    db.close();
  }
}

void describe("a file of an older release", () => {
  for (const [what, sql] of [
    [
      "lacks a table",
      `DROP TABLE "smartfinance-control-policies"; DELETE FROM kept_columns WHERE name LIKE 'smartfinance-control-policies/%'`,
    ],
    ["lacks a column", `DROP INDEX "smartfinance-users/StatusUsersIndex"; ALTER TABLE "smartfinance-users" DROP COLUMN "x_status_key"`],
    [
      "has a column that is not filled",
      `UPDATE "smartfinance-users" SET x_status_key = NULL; DELETE FROM kept_columns WHERE name = 'smartfinance-users/status_key'`,
    ],
    ["has another version", "PRAGMA user_version = 2"],
  ] as const) {
    void it(`that ${what} is not read as it is: a server has to open it once`, async () => {
      const place = await newPlace();
      try {
        await aFile(place);
        edit(place, sql);
        const told = (error: unknown): boolean =>
          error instanceof StoreSchemaError &&
          error.message.startsWith(`${place.file} was written by an older SmartFinance. Start the server`);
        assert.throws(() => openSqliteReadOnly(place.file), told);
        // Not StoreOwnedError: a failed opening gives the file back.
        assert.throws(() => openSqliteReadOnly(place.file), told);
        await (await openSqliteStore({ file: place.file })).close();
        const store = openSqliteReadOnly(place.file);
        assert.deepEqual(
          (await store.query(ACTIVE)).items.map(({ id }) => id),
          ["a", "b"],
        );
        await store.close();
      } finally {
        await place.remove();
      }
    });
  }

  void it("is not brought up where a row is damaged, which is named; mended it is, with every row in its lists", async () => {
    const place = await newPlace();
    try {
      await aFile(place);
      const count = edit(
        place,
        `UPDATE "smartfinance-users" SET x_status_key = NULL; UPDATE "smartfinance-users" SET body = '{"id":' WHERE hash = 'b'`,
      );
      edit(place, "DELETE FROM kept_columns WHERE name = 'smartfinance-users/status_key'; PRAGMA user_version = 2");
      const named = (error: unknown): boolean =>
        error instanceof StoreSchemaError && error.message.includes(`the row of smartfinance-users under "b" is damaged`);
      await assert.rejects(openSqliteStore({ file: place.file }), named);
      await assert.rejects(openSqliteStore({ file: place.file }), named);
      // Nothing of it was done in part.
      assert.equal(edit(place, ""), Number(count) - 1);
      edit(place, `UPDATE "smartfinance-users" SET body = '${JSON.stringify(user("b"))}' WHERE hash = 'b'`);
      const store = await openSqliteStore({ file: place.file });
      assert.equal((await store.query(ACTIVE)).items.length, 2);
      await store.close();
    } finally {
      await place.remove();
    }
  });

  void it("is told the whole key of a damaged row, of which a partition has many", async () => {
    const place = await newPlace();
    const item = { partition: "o#1", id: "txn_1", organisation_id: "o", status_key: "o#held", version: 1 };
    try {
      const store = await openSqliteStore({ file: place.file });
      await store.commit([{ op: "put", table: "smartfinance-transactions", item, condition: "absent" }]);
      await store.close();
      edit(
        place,
        `UPDATE "smartfinance-transactions" SET body = '{'; DELETE FROM kept_columns WHERE name LIKE 'smartfinance-transactions/%'`,
      );
      await assert.rejects(openSqliteStore({ file: place.file }), /the row of smartfinance-transactions under "o#1", "txn_1" is damaged/);
    } finally {
      await place.remove();
    }
  });
});

void describe("a file with two names", () => {
  void it("is opened under none of them, by nobody, since neither name's lock is seen from the other", async () => {
    const place = await newPlace();
    const other = join(place.directory, "other.db");
    try {
      const store = await openSqliteStore({ file: place.file });
      await link(place.file, other);
      const told = (error: unknown): boolean => error instanceof StoreOwnedError && error.message.includes("hard links");
      await assert.rejects(openSqliteStore({ file: other }), told);
      assert.throws(() => openSqliteReadOnly(other), told);
      await store.close();
      await assert.rejects(openSqliteStore({ file: place.file }), told);
      await unlink(other);
      await (await openSqliteStore({ file: place.file })).close();
    } finally {
      await place.remove();
    }
  });
});
