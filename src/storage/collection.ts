import type { JsonObject } from "#kernel/json.ts";
import type { Item, Key } from "./port.ts";
import type { TableName } from "./tables.ts";

/** A kind of record and how it is kept: the typed view of one table. Records are immutable values. */
export interface Collection<T extends Versioned> {
  readonly table: TableName;
  keyOf(record: T): Key;
  toItem(record: T): Item;
  fromItem(item: Item): T;
  /** Of records on which money or access depends: what the audit log is told of each change, without anybody having to think of it. */
  readonly told?: Told<T>;
}

/**
 * The facts of a record that the audit log tells, so that a verifier can hold what is stored against what was told. They are named
 * by the stored record's own members where they are such, so that who reads the two side by side finds them.
 */
export interface Told<T> {
  /** What the ids of such objects begin with. */
  readonly prefix: string;
  /** Where an object that an event speaks of is kept. */
  keyOf(organisationId: string, id: string): Key;
  /** Names to values; `null` and absent are the same. Never personal data, never a secret. */
  facts(record: T): JsonObject;
  /** Whether two records have the same facts, found out cheaply; `false` where it takes a closer look. */
  isSame?(before: T, after: T): boolean;
  /** Facts of a new record that its event says anyway: they are not told a second time. */
  readonly implied?: Implied<T>;
}

/** What an event says of an object by its own members, so that the most frequent events need not say it twice. */
export interface Implied<T> {
  /** Whether the event of its creation says all the facts of this record. */
  has(record: T): boolean;
  /** The facts that an event says of its object when it is created; `undefined` where it says nothing of the kind. */
  of(event: Item): JsonObject | undefined;
}

/** Every stored record counts its changes, starting at 1; the count guards the next write. */
export interface Versioned {
  readonly version: number;
}
