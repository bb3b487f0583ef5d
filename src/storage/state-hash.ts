import { createHash } from "node:crypto";
import { invariant } from "#kernel/assert.ts";
import { canonicalJson } from "#kernel/canonical-json.ts";
import type { Item, Store } from "./port.ts";
import type { TableName } from "./tables.ts";
import { keyOf, refText } from "./validate-commit.ts";

/** An item and the table it is in. */
export interface TableItem {
  readonly table: TableName;
  readonly item: Item;
}

/** A store whose whole content can be read: for tests and the state hash, never for requests. */
export interface InspectableStore extends Store {
  /** Every item of every table exactly once, in any order. Nothing else may be writing. */
  dump(): AsyncIterable<TableItem>;
}

/**
 * The sha-256 (hex) over the canonical JSON (RFC 8785) of every item, sorted by table and key. Two stores
 * that went through the same history have the same hash, whatever the engine.
 * @throws InvariantError when a key comes twice.
 */
export async function stateHash(dump: AsyncIterable<TableItem> | Iterable<TableItem>): Promise<string> {
  const lines = new Map<string, string>();
  for await (const { table, item } of dump) {
    const ref = refText(table, keyOf(table, item));
    invariant(!lines.has(ref), `the dump holds ${ref} twice`);
    lines.set(ref, canonicalJson([table, item]));
  }
  const hash = createHash("sha256");
  for (const ref of [...lines.keys()].toSorted()) hash.update(`${lines.get(ref)}\n`);
  return hash.digest("hex");
}
