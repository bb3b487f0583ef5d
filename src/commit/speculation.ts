import type { Item } from "#storage/index.ts";
import { createKeyed } from "./keyed.ts";
import type { Loaded, Slot } from "./slot.ts";

/**
 * What the commits in flight will have made true, for a store that applies commits in the order in which
 * they are handed in. The next group is decided on top of it instead of waiting. That is sound because its
 * own commit stands under the versions it assumes (written or checked): when one of the former commits fails, so does it, and
 * everybody is decided anew. No reply is given before its own commit is durable.
 *
 * A version tells a failed commit from the one that was there instead only where there was none: if a commit is decided on an old
 * read, its versions are those of a commit that did happen, and what is decided on it in turn finds them true. So no commit of this
 * queue may end between a read and what is laid over it (SQLite answers reads in the same turn), and records that commands change
 * and others are decided upon are changed by commands only.
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

/**
 * The newest commit in flight that writes a record. Emptied in its place and not taken out of the map, whose tables would
 * otherwise be replaced all the time: V8 lets a table that was outgrown point to the next one, so that one of them
 * that has grown old keeps alive, until a full collection, everything that ever was in those after it.
 */
interface Newest {
  assumed: Assumed | undefined;
}

/** Above this many records a new map takes over what is still in flight. */
const MOST_KEPT = 8_192;

/** Creates an empty speculation. */
export function createSpeculation(): Speculation {
  let newest = createKeyed<Newest>();
  let kept = 0;
  let inFlight = 0;

  const tidy = (): void => {
    if (kept <= MOST_KEPT) return;
    const former = newest;
    newest = createKeyed();
    kept = 0;
    for (const record of former.values()) {
      if (record.assumed === undefined) continue;
      const { table, key } = record.assumed.slot;
      newest.set(table, key, record);
      kept += 1;
    }
  };

  return {
    lay(loaded) {
      if (inFlight === 0) return;
      for (const slot of loaded.values()) {
        const newer = newest.get(slot.table, slot.key)?.assumed;
        if (newer === undefined) continue;
        slot.item = newer.item;
        slot.speculated = true;
        slot.record = newer.slot.record;
        slot.collection = newer.slot.collection;
      }
    },
    add(assumed) {
      const records = assumed.map((one) => {
        const { table, key } = one.slot;
        let record = newest.get(table, key);
        if (record === undefined) {
          record = { assumed: undefined };
          newest.set(table, key, record);
          kept += 1;
        }
        record.assumed = one;
        return record;
      });
      inFlight += 1;
      return () => {
        inFlight -= 1;
        for (const [n, record] of records.entries()) if (record.assumed === assumed[n]) record.assumed = undefined;
        tidy();
      };
    },
  };
}
