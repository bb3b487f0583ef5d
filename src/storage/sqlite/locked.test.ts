import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { openSqliteStore } from "./index.ts";

const TABLE = "smartfinance-accounts";

void describe("a file that another program locks", () => {
  void it("loses nothing that was committed before the lock, nor what comes after it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "locked-"));
    const file = join(folder, "bank.db");
    try {
      const store = await openSqliteStore({ file, cacheItems: 2 });
      const put = (id: string, version: number, balance: number) =>
        store.commit([
          {
            op: "put",
            table: TABLE,
            item: { id, organisation_id: "o", balance, version },
            condition: version === 1 ? "absent" : { version: version - 1 },
          },
        ]);
      assert.equal((await put("one", 1, 100)).outcome, "committed");
      assert.equal((await put("two", 1, 0)).outcome, "committed");
      assert.equal((await put("one", 2, 999)).outcome, "committed");
      const other = new DatabaseSync(file);
      other.exec("BEGIN IMMEDIATE");
      assert.equal((await put("two", 2, 5)).outcome, "unavailable");
      other.exec("ROLLBACK");
      other.close();
      assert.equal((await put("two", 2, 7)).outcome, "committed");
      await store.close();
      const again = await openSqliteStore({ file });
      assert.equal((await again.get(TABLE, { hash: "one" }))?.balance, 999);
      assert.equal((await again.get(TABLE, { hash: "two" }))?.balance, 7);
      await again.close();
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
