import { createHash } from "node:crypto";
import type { MemoryDatabase } from "#storage/memory/database.ts";

/** What is no request's doing: kept replies, of which a refused request may leave its own, and what the delivery of webhooks writes. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  "smartfinance-idempotency",
  "smartfinance-webhook-queue",
  "smartfinance-webhook-deliveries",
  "smartfinance-webhook-state",
]);

/** A hash of everything else that a memory store keeps. */
export function contentsOf(database: MemoryDatabase | undefined): string {
  if (database === undefined) throw new Error("this app has no memory store");
  const lines: string[] = [];
  for (const { table, item } of database.dump()) if (!LEFT_OUT.has(table)) lines.push(JSON.stringify([table, item]));
  const hash = createHash("sha256");
  for (const line of lines.sort()) hash.update(line);
  return hash.digest("hex");
}
