import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Verifier } from "#log/index.ts";
import { verifyStore } from "#log/index.ts";
import { editedCopy } from "#log/testing/edited-copy.ts";
import { openSqliteReadOnly } from "#storage/sqlite/index.ts";
import { toldCollections } from "#told-collections.ts";

/** What the verifier says of a copy of `<folder>/good`, a stopped server's data, after somebody has edited it: `OK` or what is wrong. */
export async function verdictOf(folder: string, log: Verifier, edit: (db: DatabaseSync) => void): Promise<string> {
  const file = editedCopy(folder, edit);
  const store = openSqliteReadOnly(file);
  try {
    const report = await verifyStore({ store, log, told: toldCollections });
    if (report.ok) assert.equal(report.untold, 0);
    return report.ok ? "OK" : report.what;
  } finally {
    await store.close();
    rmSync(dirname(file), { recursive: true });
  }
}
