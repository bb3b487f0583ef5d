import type { Item, Key, TableName, Write } from "#storage/index.ts";
import { tableDefinition } from "#storage/index.ts";
import { IDEMPOTENCY_TABLE } from "./idempotency.ts";
import { createKeyed } from "./keyed.ts";
import type { Loaded } from "./load-group.ts";

/**
 * What the commits in flight will have made true, for a store that applies commits in the order in which
 * they are handed in. The next group is decided on top of it instead of waiting. That is sound because its
 * own commit stands under the versions it assumes (written or checked): when one of the former commits fails, so does it, and
 * everybody is decided anew. No reply is given before its own commit is durable.
 */
export interface Speculation {
  /** Puts what is in flight over what was loaded. */
  lay(loaded: Loaded): void;
  /** Adds a commit that is handed to the store right now; the result takes it away again. */
  add(writes: readonly Write[]): () => void;
}

/** Creates an empty speculation. */
export function createSpeculation(): Speculation {
  const assumed = createKeyed<{ readonly item: Item; readonly commit: number }>();
  let commits = 0;
  let inFlight = 0;
  return {
    lay(loaded) {
      if (inFlight === 0) return;
      for (const entry of loaded.values()) {
        const newer = assumed.get(entry.table, entry.key);
        if (newer === undefined) continue;
        entry.item = newer.item;
        entry.speculated = true;
      }
    },
    add(writes) {
      const commit = ++commits;
      const keys: { readonly table: TableName; readonly key: Key }[] = [];
      for (const write of writes) {
        // What has no version is only ever added, and looked up by nobody before its reply is out. An idempotency
        // record is claimed inside the process until its commit has ended, and must never be replayed before.
        if (write.op !== "put" || write.item.version === undefined || write.table === IDEMPOTENCY_TABLE) continue;
        const { hash, range } = tableDefinition(write.table);
        const key = { hash: String(write.item[hash]), ...(range === undefined ? {} : { range: String(write.item[range]) }) };
        assumed.set(write.table, key, { item: write.item, commit });
        keys.push({ table: write.table, key });
      }
      inFlight += 1;
      return () => {
        inFlight -= 1;
        for (const { table, key } of keys) if (assumed.get(table, key)?.commit === commit) assumed.delete(table, key);
      };
    },
  };
}
