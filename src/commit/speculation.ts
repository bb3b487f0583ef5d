import type { Item, Write } from "#storage/index.ts";
import { tableDefinition } from "#storage/index.ts";
import type { Loaded } from "./load-group.ts";
import { slotName } from "./unit.ts";

/**
 * What the commits in flight will have made true, for a store that applies commits in the order in which
 * they are handed in. The next group is decided on top of it instead of waiting. That is sound because its
 * own commit stands under the versions it assumes (written or checked): when one of the former commits fails, so does it, and
 * everybody is decided anew. No reply is given before its own commit is durable.
 */
export interface Speculation {
  /** Puts what is in flight over what was loaded. */
  over(loaded: Loaded): Loaded;
  /** Adds a commit that is handed to the store right now; the result takes it away again. */
  add(writes: readonly Write[]): () => void;
}

/** Creates an empty speculation. */
export function createSpeculation(): Speculation {
  const assumed = new Map<string, { readonly item: Item; readonly commit: number }>();
  let commits = 0;
  return {
    over(loaded) {
      if (assumed.size === 0) return loaded;
      const combined = new Map(loaded);
      for (const [name, { table }] of loaded) {
        const newer = assumed.get(name);
        if (newer !== undefined) combined.set(name, { table, item: newer.item, speculated: true });
      }
      return combined;
    },
    add(writes) {
      const commit = ++commits;
      const names: string[] = [];
      for (const write of writes) {
        // What is only ever added is looked up by nobody before its reply is out.
        if (write.op !== "put" || write.condition === "none" || write.item.version === undefined) continue;
        const { hash, range } = tableDefinition(write.table);
        const key = { hash: String(write.item[hash]), ...(range === undefined ? {} : { range: String(write.item[range]) }) };
        const name = slotName(write.table, key);
        assumed.set(name, { item: write.item, commit });
        names.push(name);
      }
      return () => {
        for (const name of names) if (assumed.get(name)?.commit === commit) assumed.delete(name);
      };
    },
  };
}
