import { invariant } from "#kernel/assert.ts";
import { InvalidCursorError } from "../port.ts";
import type { Condition, FeedCursor, FeedPage, Item, Key, Page, Query, Write } from "../port.ts";
import type { TableItem } from "../state-hash.ts";
import { FEED_TABLE, type TableName, tableDefinition, tableNames } from "../tables.ts";
import { keyOf, refText } from "../validate-commit.ts";
import { createOrderedBucket, type OrderedBucket } from "./ordered-bucket.ts";

/** The data several memory stores ("nodes") share. Everything in it happens at once: no awaits, no clock. */
export interface MemoryDatabase {
  read(table: TableName, key: Key): Item | undefined;
  query(query: Query): Page;
  feed(cursor: FeedCursor | undefined, limit: number): FeedPage;
  /** Applies a commit whole when all conditions hold; otherwise gives the indexes of the writes that failed. */
  apply(writes: readonly Write[]): number[];
  /** Keeps a commit back until `operations` more operations have begun; its conditions are looked at then. */
  applyLater(writes: readonly Write[], operations: number): void;
  /** An operation of any node begins: commits that were kept back long enough come through. */
  beginOperation(): void;
  /** Lets every commit that was kept back come through now: for the end of a simulation. */
  settle(): void;
  /** Items of time-to-live tables that had expired by `nowSeconds`, at most `limit`. */
  expired(nowSeconds: number, limit: number): { readonly table: TableName; readonly key: Key }[];
  dump(): Iterable<TableItem>;
}

interface Table {
  readonly items: Map<string, Item>;
  /** By index name (the empty name is the primary key), then by hash value. */
  readonly ordered: ReadonlyMap<string, OrderedIndex>;
}

interface OrderedIndex {
  readonly hash: string;
  readonly range: string | undefined;
  readonly buckets: Map<string, OrderedBucket>;
}

interface Later {
  readonly writes: readonly Write[];
  operations: number;
}

const PRIMARY = "";
/** Commits kept back at the same time; beyond it the oldest come through early. */
const MAX_LATER = 1_000;

function createTable(name: TableName): Table {
  const { hash, range, indexes } = tableDefinition(name);
  const ordered = new Map<string, OrderedIndex>([[PRIMARY, { hash, range, buckets: new Map() }]]);
  for (const index of indexes) ordered.set(index.name, { hash: index.hash, range: index.range, buckets: new Map() });
  return { items: new Map(), ordered };
}

/** An empty database. Items handed to `apply` are kept as they are: the store freezes them before. */
export function createMemoryDatabase(): MemoryDatabase {
  const tables = new Map(tableNames.map((name) => [name, createTable(name)] as const));
  const feed: Item[] = [];
  let kept: Later[] = [];

  const tableOf = (name: TableName): Table => {
    const table = tables.get(name);
    invariant(table !== undefined, `there is no table ${String(name)}`);
    return table;
  };

  const place = (table: Table, ref: string, item: Item, present: boolean): void => {
    for (const { hash, range, buckets } of table.ordered.values()) {
      const value = item[hash];
      const position = range === undefined ? "" : item[range];
      // Sparse: an item without both attributes is not in the index.
      if (typeof value !== "string" || typeof position !== "string") continue;
      let bucket = buckets.get(value);
      if (present) {
        if (bucket === undefined) {
          bucket = createOrderedBucket();
          buckets.set(value, bucket);
        }
        bucket.set({ range: position, ref }, item);
      } else if (bucket !== undefined) {
        bucket.remove({ range: position, ref });
        if (bucket.size === 0) buckets.delete(value);
      }
    }
  };

  const replace = (name: TableName, key: Key, item: Item | undefined): void => {
    const table = tableOf(name);
    const ref = refText(name, key);
    const old = table.items.get(ref);
    if (old !== undefined) place(table, ref, old, false);
    if (item === undefined) {
      table.items.delete(ref);
    } else {
      table.items.set(ref, item);
      place(table, ref, item, true);
    }
  };

  const read = (table: TableName, key: Key): Item | undefined => tableOf(table).items.get(refText(table, key));

  const apply = (writes: readonly Write[]): number[] => {
    const keys = writes.map((write) => (write.op === "put" ? keyOf(write.table, write.item) : write.key));
    const failing = writes.flatMap((write, n) => {
      const key = keys[n];
      return key === undefined || holds(write.condition, read(write.table, key)) ? [] : [n];
    });
    if (failing.length > 0) return failing;
    for (const [n, write] of writes.entries()) {
      const key = keys[n];
      if (key === undefined || write.op === "check") continue;
      replace(write.table, key, write.op === "put" ? write.item : undefined);
      if (write.op === "put" && write.table === FEED_TABLE) feed.push(write.item);
    }
    return [];
  };

  return {
    read,
    apply,
    query(query) {
      const index = tableOf(query.table).ordered.get(query.index ?? PRIMARY);
      return (index?.buckets.get(query.hash) ?? createOrderedBucket()).page(query);
    },
    feed(cursor, limit) {
      const start = cursor === undefined ? 0 : Number(cursor);
      if (!Number.isSafeInteger(start) || start < 0 || start > feed.length) throw new InvalidCursorError("not a cursor of this feed");
      const items = feed.slice(start, start + limit);
      return { items, cursor: String(start + items.length) };
    },
    applyLater(writes, operations) {
      kept.push({ writes, operations });
      const oldest = kept.length > MAX_LATER ? kept.shift() : undefined;
      if (oldest !== undefined) apply(oldest.writes);
    },
    beginOperation() {
      if (kept.length === 0) return;
      for (const later of kept) later.operations -= 1;
      const due = kept.filter(({ operations }) => operations <= 0);
      kept = kept.filter(({ operations }) => operations > 0);
      // A conflict now means that the commit never happened, which its caller was told may be.
      for (const { writes } of due) apply(writes);
    },
    settle() {
      const due = kept;
      kept = [];
      for (const { writes } of due) apply(writes);
    },
    expired(nowSeconds, limit) {
      const found: { table: TableName; key: Key }[] = [];
      for (const [name, table] of tables) {
        const { ttl } = tableDefinition(name);
        if (ttl === undefined) continue;
        for (const item of table.items.values()) {
          if (found.length >= limit) return found;
          const expires = item[ttl];
          if (typeof expires === "number" && expires < nowSeconds) found.push({ table: name, key: keyOf(name, item) });
        }
      }
      return found;
    },
    *dump() {
      for (const [table, { items }] of tables) for (const item of items.values()) yield { table, item };
    },
  };
}

function holds(condition: Condition, item: Item | undefined): boolean {
  if (condition === "none") return true;
  if (condition === "absent") return item === undefined;
  return item?.["version"] === condition.version;
}
