import type { Item, Ref, Store, TableName } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { IDEMPOTENCY_TABLE } from "./idempotency.ts";
import type { Pending } from "./queue.ts";
import { slotName } from "./unit.ts";

/** What a group was loaded with. `speculated`: the item is of a commit still in flight. */
export type Loaded = ReadonlyMap<string, { readonly table: TableName; readonly item: Item | undefined; readonly speculated?: true }>;

/** The most keys one read round asks for: the port's own bound. */
const MAX_REFS = 1000;

/**
 * LOAD: everything the group's commands named, and their idempotency records, each key once.
 * @returns `undefined` when the store cannot be read
 */
export async function loadGroup(store: Store, group: readonly Pending[]): Promise<Loaded | undefined> {
  const refs = new Map<string, Ref>();
  for (const { command } of group) {
    if (command.idempotency !== undefined) addRef(refs, { table: IDEMPOTENCY_TABLE, key: { hash: command.idempotency.id } });
    for (const need of command.needs) addRef(refs, { table: need.collection.table, key: need.key });
  }
  const names = [...refs.keys()];
  const list = [...refs.values()];
  const loaded = new Map<string, { table: TableName; item: Item | undefined }>();
  try {
    for (let start = 0; start < list.length; start += MAX_REFS) {
      const part = list.slice(start, start + MAX_REFS);
      const items = await store.getMany(part);
      part.forEach((ref, i) => {
        loaded.set(names[start + i] ?? "", { table: ref.table, item: items[i] });
      });
    }
  } catch (error) {
    if (error instanceof StoreUnavailableError) return undefined;
    throw error;
  }
  return loaded;
}

function addRef(refs: Map<string, Ref>, ref: Ref): void {
  refs.set(slotName(ref.table, ref.key), ref);
}
