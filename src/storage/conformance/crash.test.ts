import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { systemRandom } from "#kernel/random.ts";
import { crashRounds, type CrashReport } from "./crash.ts";
import { openJournalStore } from "./journal-store.ts";

async function crash(fault: string, rounds: number): Promise<CrashReport> {
  const directory = await mkdtemp(join(tmpdir(), "crash-"));
  const path = join(directory, "journal");
  try {
    return await crashRounds({
      script: new URL("./journal-crash-child.ts", import.meta.url),
      args: [path, fault],
      rounds,
      reopen: async () => openJournalStore(path, fault),
      random: systemRandom(),
      maxMs: 60,
      lagMs: 50,
    });
  } finally {
    await rm(directory, { recursive: true });
  }
}

void describe("the crash driver", () => {
  void it("passes a store that keeps what it acknowledges", async () => {
    const report = await crash("", 3);
    assert.ok(report.acknowledged >= 3);
  });

  void it("notices acknowledged commits that are lost", async () => {
    await assert.rejects(crash("early", 5), /was acknowledged and is lost/);
  });

  void it("notices commits that are there by half", async () => {
    await assert.rejects(crash("halves", 8), /is there by half/);
  });

  void it("notices a feed that changes its order", async () => {
    await assert.rejects(crash("reorders", 2), /another order than before/);
  });

  void it("notices a child that does nothing", async () => {
    const script = new URL("./crash.ts", import.meta.url);
    const nothing = { script, args: [], rounds: 1, reopen: async () => openJournalStore("", ""), random: systemRandom() };
    await assert.rejects(crashRounds(nothing), /acknowledged nothing/);
  });
});
