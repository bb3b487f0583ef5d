import type { Item, Key } from "./port.ts";
import type { TableName } from "./tables.ts";

/** A kind of record and how it is kept: the typed view of one table. Records are immutable values. */
export interface Collection<T extends Versioned> {
  readonly table: TableName;
  keyOf(record: T): Key;
  toItem(record: T): Item;
  fromItem(item: Item): T;
}

/** Every stored record counts its changes, starting at 1; the count guards the next write. */
export interface Versioned {
  readonly version: number;
}
