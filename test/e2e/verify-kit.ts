import assert from "node:assert/strict";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Verifier } from "#log/index.ts";
import { verifyStore } from "#log/index.ts";
import { openSqliteReadOnly } from "#storage/sqlite/index.ts";
import { toldCollections } from "#told-collections.ts";

let copies = 0;

/** What the verifier says of a copy of `<folder>/good`, a stopped server's data, after somebody has edited it: `OK` or what is wrong. */
export async function verdictOf(folder: string, log: Verifier, edit: (db: DatabaseSync) => void): Promise<string> {
  copies += 1;
  const copy = join(folder, `copy-${copies}`);
  cpSync(join(folder, "good"), copy, { recursive: true });
  const db = new DatabaseSync(join(copy, "smartfinance.db"));
  edit(db);
  db.close();
  const store = openSqliteReadOnly(join(copy, "smartfinance.db"));
  try {
    const report = await verifyStore({ store, log, told: toldCollections });
    if (report.ok) assert.equal(report.untold, 0);
    return report.ok ? "OK" : report.what;
  } finally {
    await store.close();
    rmSync(copy, { recursive: true });
  }
}
