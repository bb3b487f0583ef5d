import type { Item } from "#storage/index.ts";
import { createKeyed } from "./keyed.ts";
import type { Loaded, Slot } from "./slot.ts";

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
  add(assumed: readonly Assumed[]): () => void;
}

/** A record that a commit replaces, and the item it puts there. */
export interface Assumed {
  readonly slot: Slot;
  readonly item: Item;
}

/** Creates an empty speculation. */
export function createSpeculation(): Speculation {
  const newest = createKeyed<Assumed>();
  let inFlight = 0;
  return {
    lay(loaded) {
      if (inFlight === 0) return;
      for (const slot of loaded.values()) {
        const newer = newest.get(slot.table, slot.key);
        if (newer === undefined) continue;
        slot.item = newer.item;
        slot.speculated = true;
        slot.record = newer.slot.record;
        slot.collection = newer.slot.collection;
      }
    },
    add(assumed) {
      for (const one of assumed) newest.set(one.slot.table, one.slot.key, one);
      inFlight += 1;
      return () => {
        inFlight -= 1;
        for (const one of assumed) {
          const { table, key } = one.slot;
          if (newest.get(table, key) === one) newest.delete(table, key);
        }
      };
    },
  };
}
