import { createHash } from "node:crypto";
import type { MemoryDatabase } from "#storage/memory/database.ts";

/** A hash of everything a memory store keeps but the kept replies: a refused request may leave its own record, nothing else. */
export function contentsOf(database: MemoryDatabase | undefined): string {
  if (database === undefined) throw new Error("this app has no memory store");
  const lines: string[] = [];
  for (const { table, item } of database.dump()) if (table !== "smartfinance-idempotency") lines.push(JSON.stringify([table, item]));
  const hash = createHash("sha256");
  for (const line of lines.sort()) hash.update(line);
  return hash.digest("hex");
}
