import type { Item, Key, Ref, Store, TableName } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { IDEMPOTENCY_TABLE } from "./idempotency.ts";
import type { Keyed } from "./keyed.ts";
import { createKeyed } from "./keyed.ts";
import type { Pending } from "./queue.ts";

/** One key a group was loaded with. */
export interface LoadedItem {
  readonly table: TableName;
  readonly key: Key;
  item: Item | undefined;
  /** The item is of a commit still in flight. */
  speculated: boolean;
}

export type Loaded = Keyed<LoadedItem>;

/** The most keys one read round asks for: the port's own bound. */
const MAX_REFS = 1000;

/**
 * LOAD: everything the group's commands named, and their idempotency records, each key once.
 * @returns `undefined` when the store cannot be read
 */
export async function loadGroup(store: Store, group: readonly Pending[]): Promise<Loaded | undefined> {
  const loaded = createKeyed<LoadedItem>();
  const wanted: LoadedItem[] = [];
  const want = (table: TableName, key: Key): void => {
    if (loaded.get(table, key) !== undefined) return;
    const entry: LoadedItem = { table, key, item: undefined, speculated: false };
    loaded.set(table, key, entry);
    wanted.push(entry);
  };
  for (const { command } of group) {
    if (command.idempotency !== undefined) want(IDEMPOTENCY_TABLE, { hash: command.idempotency.id });
    for (const need of command.needs) want(need.collection.table, need.key);
  }
  try {
    for (let start = 0; start < wanted.length; start += MAX_REFS) {
      const part: readonly (LoadedItem & Ref)[] = wanted.slice(start, start + MAX_REFS);
      const items = await store.getMany(part);
      for (const [i, entry] of part.entries()) entry.item = items[i];
    }
  } catch (error) {
    if (error instanceof StoreUnavailableError) return undefined;
    throw error;
  }
  return loaded;
}
