import type { Item } from "../port.ts";
import { type Layout, layouts } from "./layout.ts";

/**
 * The items of hot tables on the calling thread, decoded. Two things at once:
 *
 * - The only way to read an update that the writer still has in its journal (deferred.ts): such an item is *pinned*,
 *   it stays until its generation is folded. What is pinned is bounded by the writer's generations.
 * - A cache of `capacity` items more, of which those not used since they were last looked at are forgotten.
 *
 * Why it is never wrong: one process owns the file and all its commits pass through this thread, which changes an
 * entry when a commit is *acknowledged*, in the order of the commits; a conflict, a failure or an unknown
 * outcome changes none. An item read from the file is at least as new as everything acknowledged, because anything
 * not at its place is pinned here and would have been found; if it is newer, the acknowledgement that is on
 * its way sets the same item again, or first one in between, which no reader was yet promised to be gone.
 */
export interface HotItems {
  get(layout: Layout, hash: string): Item | undefined;
  /** A commit was acknowledged. `generation` of the journal, or undefined when the row itself was written. A text is decoded when it is asked for. */
  written(layout: Layout, hash: string, item: Item | string, generation: number | undefined): void;
  removed(layout: Layout, hash: string): void;
  /** The row was read from the file, after `get` had found nothing. */
  read(layout: Layout, hash: string, item: Item): void;
  /** The same of a row that nobody has asked for yet: its text is kept, and decoded when somebody does. Nothing where it is known already. */
  readAhead(layout: Layout, hash: string, text: string): void;
  folded(generation: number): void;
  /** Entries held, pinned ones included. */
  size(): number;
}

interface Entry {
  /** Text as long as nobody has asked for it. */
  item: Item | string;
  /** The newest generation that has an entry of this item. */
  generation: number;
  used: boolean;
}

/** Entries that one addition looks at to find some to forget. */
const LOOKS = 4;

/** Holds `capacity` items beside the pinned ones. */
export function createHotItems(capacity: number): HotItems {
  const maps = layouts.map(() => new Map<string, Entry>());
  const mapOf = (layout: Layout): Map<string, Entry> => maps[layout.number] ?? new Map<string, Entry>();
  let size = 0;
  let foldedTo = -1;

  /** The second chance: the oldest entry goes, unless it was used or is pinned; then it becomes the newest. */
  const forget = (map: Map<string, Entry>): void => {
    let looks = 0;
    for (const [hash, entry] of map) {
      if (size <= capacity || looks++ === LOOKS) return;
      map.delete(hash);
      if (entry.used || entry.generation > foldedTo) {
        entry.used = false;
        map.set(hash, entry);
      } else size -= 1;
    }
  };

  const set = (layout: Layout, hash: string, item: Item | string, generation: number): void => {
    const map = mapOf(layout);
    const entry = map.get(hash);
    if (entry !== undefined) {
      entry.item = item;
      entry.generation = generation;
      entry.used = true;
      return;
    }
    map.set(hash, { item, generation, used: false });
    size += 1;
    if (size > capacity) forget(map);
  };

  return {
    get(layout, hash) {
      const entry = mapOf(layout).get(hash);
      if (entry === undefined) return undefined;
      entry.used = true;
      if (typeof entry.item === "string") entry.item = JSON.parse(entry.item) as Item;
      return entry.item;
    },
    written: (layout, hash, item, generation) => set(layout, hash, item, generation ?? -1),
    removed(layout, hash) {
      if (mapOf(layout).delete(hash)) size -= 1;
    },
    read: (layout, hash, item) => set(layout, hash, item, -1),
    readAhead(layout, hash, text) {
      if (!mapOf(layout).has(hash)) set(layout, hash, text, -1);
    },
    folded(generation) {
      foldedTo = generation;
    },
    size: () => size,
  };
}
