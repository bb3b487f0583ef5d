import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { signerOf } from "#log/index.ts";
import type { Store } from "#storage/index.ts";
import { openSqliteStore } from "#storage/sqlite/index.ts";
import type { Config } from "./config.ts";
import { openSealer } from "./open-sealer.ts";
import { buildEvent } from "#audit/index.ts";
import { actorOf, newId, T0 } from "#test/support/builders.ts";

/** Threads of this process besides the first. */
const threads = (): number => (process.report.getReport() as unknown as { workers: unknown[] }).workers.length;

it("AUD-04 ends the sealing thread whose commit failed, and tries again with another", async () => {
  const folder = mkdtempSync(join(tmpdir(), "smartfinance-thread-"));
  const real = await openSqliteStore({ file: join(folder, "smartfinance.db") });
  const item = buildEvent({ id: newId("event"), type: "user.created", objectId: "u" }, actorOf(), T0).item;
  await real.commit([{ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" }]);
  // Names of remote ends would be looked up, one by one.
  Object.assign(process.report, { excludeNetwork: true });
  const before = threads();
  // The sealing thread keeps no process alive; a server has other things that do.
  const alive = setInterval(() => undefined, 1_000);
  let commits = 0;
  const store: Store = { ...real, commit: () => Promise.reject(new Error(`refused ${(commits += 1)}`)) };
  const open = openSealer({ store: "sqlite", dataDir: folder } as Config, store);
  const sealer = open?.(signerOf("bank.example/audit", "signature", Buffer.alloc(32, 7)));
  assert.ok(sealer);
  for (const attempt of [1, 2]) {
    await assert.rejects(sealer.step(), new RegExp(`refused ${attempt}`), "a new thread tries again");
    for (let poll = 0; poll < 200 && threads() > before; poll++) await sleep(10);
    assert.equal(threads(), before, "the thread is gone");
  }
  clearInterval(alive);
  await real.close();
  rmSync(folder, { recursive: true, force: true });
});
