import type { Collection, Item, Key, TableName, Versioned } from "#storage/index.ts";
import type { Keyed } from "./keyed.ts";

/** One record of a group: as it was loaded, and as the group's commands have left it. */
export interface Slot {
  readonly table: TableName;
  readonly key: Key;
  /** As loaded; `undefined` where there is none. */
  item: Item | undefined;
  /** The item is of a commit still in flight. */
  speculated: boolean;
  /** The item decoded, or what a command has put in its place. */
  record: Versioned | undefined;
  collection: Collection<Versioned> | undefined;
  /** A command has changed it. */
  dirty: boolean;
}

/** Everything a group was loaded with, each key once. */
export type Loaded = Keyed<Slot>;

/** The stored version that the group builds on; 0 when absent. */
export function baseOf(slot: Slot): number {
  return slot.item === undefined ? 0 : Number(slot.item["version"]);
}
