import type { Key, Store, TableName } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { IDEMPOTENCY_TABLE } from "./idempotency.ts";
import { createKeyed } from "./keyed.ts";
import type { Pending } from "./pending.ts";
import type { Loaded, Slot } from "./slot.ts";

/** The most keys one read round asks for: the port's own bound. */
const MAX_REFS = 1000;

/**
 * LOAD: everything the group's commands named, and their idempotency records, each key once.
 *
 * @param optimistic The idempotency records are not read but taken to be absent, as they nearly always are. Their own
 *   condition guards that: a commit that finds one there fails, and its commands are loaded again, then with a look.
 * @returns `undefined` when the store cannot be read
 */
export async function loadGroup(store: Store, group: readonly Pending[], optimistic: boolean): Promise<Loaded | undefined> {
  const loaded = createKeyed<Slot>();
  const wanted: Slot[] = [];
  const want = (table: TableName, key: Key): void => {
    if (loaded.get(table, key) !== undefined) return;
    const slot: Slot = { table, key, item: undefined, speculated: false, record: undefined, collection: undefined, dirty: false };
    loaded.set(table, key, slot);
    wanted.push(slot);
  };
  for (const { command } of group) {
    if (command.idempotency !== undefined && !optimistic) want(IDEMPOTENCY_TABLE, { hash: command.idempotency.id });
    if (command.after !== undefined && !optimistic) want(IDEMPOTENCY_TABLE, { hash: command.after });
    for (const need of command.needs) want(need.collection.table, need.key);
  }
  try {
    for (let start = 0; start < wanted.length; start += MAX_REFS) {
      const part = wanted.slice(start, start + MAX_REFS);
      const items = await store.getMany(part);
      for (const [i, slot] of part.entries()) slot.item = items[i];
    }
  } catch (error) {
    if (error instanceof StoreUnavailableError) return undefined;
    throw error;
  }
  return loaded;
}
