import type { Item, Ref } from "../port.ts";
import { StoreUnavailableError } from "../port.ts";
import { type TableName, tableDefinition } from "../tables.ts";
import { keyOf, refText, validateRefs } from "../validate-commit.ts";
import { type Attributes, fromAttributes } from "./attributes.ts";
import type { Reader } from "./read.ts";
import type { Backoff } from "./retry.ts";
import { keyAttributes } from "./transact-items.ts";

interface Wanted {
  readonly [table: string]: { readonly Keys: readonly Attributes[]; readonly ConsistentRead: true };
}

interface Answer {
  readonly Responses?: Readonly<Record<string, readonly Attributes[]>>;
  readonly UnprocessedKeys?: Wanted;
}

/** What `BatchGetItem` takes at most. */
const BATCH = 100;
/** Rounds in a row that may bring no item at all before the read gives up. */
const IDLE_ROUNDS = 6;

/**
 * Strongly consistent reads of up to 1,000 items, in the order of `refs`.
 * @throws StoreUnavailableError when keys stay unprocessed, InvariantError when a ref is malformed.
 */
export async function getMany(
  read: Reader,
  backoff: Backoff,
  physical: (table: string) => string,
  refs: readonly Ref[],
): Promise<readonly (Item | undefined)[]> {
  validateRefs(refs);
  // DynamoDB refuses a key that comes twice in a batch.
  const distinct = new Map(refs.map((ref) => [refText(ref.table, ref.key), ref]));
  const logical = new Map(refs.map(({ table }) => [physical(table), table]));
  const wanted = [...distinct.values()];
  const found = new Map<string, Item>();
  const collect = (table: TableName, items: readonly Attributes[]): void => {
    for (const attributes of items) {
      const item = fromAttributes(attributes);
      found.set(refText(table, keyOf(table, item)), item);
    }
  };
  const batch = async (chunk: readonly Ref[]): Promise<void> => {
    let rest: Wanted = request(chunk, physical);
    let idle = 0;
    // Each round brings at least one item or is idle, so there are at most BATCH * IDLE_ROUNDS.
    while (Object.keys(rest).length > 0) {
      const { Responses = {}, UnprocessedKeys = {} }: Answer = await read("BatchGetItem", { RequestItems: rest });
      for (const [name, items] of Object.entries(Responses)) {
        const table = logical.get(name);
        if (table !== undefined) collect(table, items);
      }
      const shrank = keyCount(UnprocessedKeys) < keyCount(rest);
      rest = UnprocessedKeys;
      idle = shrank ? 0 : idle + 1;
      if (idle >= IDLE_ROUNDS) throw new StoreUnavailableError(`${keyCount(rest)} keys of a batch stayed unprocessed`);
      if (idle > 0) await backoff(idle, 20, 500);
    }
  };
  const chunks: Promise<void>[] = [];
  for (let i = 0; i < wanted.length; i += BATCH) chunks.push(batch(wanted.slice(i, i + BATCH)));
  await Promise.all(chunks);
  return refs.map((ref) => found.get(refText(ref.table, ref.key)));
}

function request(refs: readonly Ref[], physical: (table: string) => string): Wanted {
  const tables: Record<string, { Keys: Attributes[]; ConsistentRead: true }> = {};
  for (const { table, key } of refs) {
    const entry = (tables[physical(table)] ??= { Keys: [], ConsistentRead: true });
    entry.Keys.push(keyAttributes(tableDefinition(table), key));
  }
  return tables;
}

function keyCount(wanted: Wanted): number {
  return Object.values(wanted).reduce((sum, { Keys }) => sum + Keys.length, 0);
}
