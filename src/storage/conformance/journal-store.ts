import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { createMemoryDatabase } from "../memory/database.ts";
import { openMemoryStore } from "../memory/memory-store.ts";
import type { Store, Write } from "../port.ts";

const BUFFERED = 40;

/**
 * The memory store with a journal of its commits in a file, for the test of the crash driver only. It survives
 * the end of its process, or with a fault fails to, so that the driver is seen to notice:
 * - `early`: acknowledges commits that are still in the process.
 * - `halves`: keeps each write by itself and lets go in between, so that a commit may be there in part.
 * - `reorders`: replays the journal backwards when opened.
 */
export function openJournalStore(path: string, fault: string): Store {
  const database = createMemoryDatabase();
  const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
  for (const line of fault === "reorders" ? lines.toReversed() : lines) database.apply(JSON.parse(line) as Write[]);
  const store = openMemoryStore(database);
  let buffer = "";
  let buffered = 0;
  return {
    ...store,
    async commit(writes) {
      const result = await store.commit(writes);
      if (result.outcome !== "committed") return result;
      const parts = fault === "halves" ? writes.map((write) => [write]) : [writes];
      for (const part of parts) {
        buffer += `${JSON.stringify(part)}\n`;
        buffered += 1;
        if (fault === "early" && buffered < BUFFERED) continue;
        appendFileSync(path, buffer);
        buffer = "";
        buffered = 0;
        await new Promise(setImmediate);
      }
      return result;
    },
  };
}
