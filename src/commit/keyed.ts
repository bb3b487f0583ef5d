import type { Key, TableName } from "#storage/index.ts";

/** Values under tables and keys. A map in a map: joining table and key to one text for each look-up cost a fifth of a batch. */
export interface Keyed<T> {
  get(table: TableName, key: Key): T | undefined;
  set(table: TableName, key: Key, value: T): void;
  values(): T[];
}

const textOf = (key: Key): string => (key.range === undefined ? key.hash : `${key.hash}/${key.range}`);

/** Creates an empty collection. */
export function createKeyed<T>(): Keyed<T> {
  const tables = new Map<TableName, Map<string, T>>();
  return {
    get: (table, key) => tables.get(table)?.get(textOf(key)),
    set(table, key, value) {
      let values = tables.get(table);
      if (values === undefined) {
        values = new Map();
        tables.set(table, values);
      }
      values.set(textOf(key), value);
    },
    // Not a generator: one that is made anew for each collection gets a hidden class of its own when it is called, and V8 keeps that where only
    // a full collection finds it, together with all that the generator can see. Measured: half of what a transfer allocates outlived it.
    values() {
      const all: T[] = [];
      for (const values of tables.values()) for (const value of values.values()) all.push(value);
      return all;
    },
  };
}
