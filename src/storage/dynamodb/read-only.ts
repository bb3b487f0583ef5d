import type { Clock } from "#kernel/clock.ts";
import type { Random } from "#kernel/random.ts";
import type { FeedPage, Item, Store } from "../port.ts";
import { StoreUnavailableError } from "../port.ts";
import type { TableName } from "../tables.ts";
import { FEED_TABLE, tableDefinition } from "../tables.ts";
import { keyOf } from "../validate-commit.ts";
import type { ClientOptions } from "./clients.ts";
import { openClients } from "./clients.ts";
import { createFeed } from "./feed.ts";
import { createFeedOrder } from "./feed-order.ts";
import { getMany } from "./get-many.ts";
import { runQuery } from "./query.ts";
import { createReader } from "./read.ts";
import { createBackoff } from "./retry.ts";
import type { TableOptions } from "./schema.ts";
import { get, scan } from "./store.ts";

export interface DynamoReadOnlyOptions extends ClientOptions, Pick<TableOptions, "tablePrefix"> {
  readonly clock: Clock;
  readonly random: Random;
}

interface Row {
  readonly hash: string;
  readonly range?: string;
  readonly item: Item;
}

/** The tables of stopped servers, to be looked at as a whole. */
export type DynamoReadOnlyStore = Store & {
  /** Every item of a table, by scanning it. */
  rows(table: TableName): AsyncIterable<Row>;
  /** The order has an event twice where a stream told it twice. */
  readonly repeats: true;
};

const READ_ATTEMPTS = 8;
const READ_MS = 10_000;
const TAIL = "tail.";

/**
 * Opens the tables to look at them. Asks for nothing but GetItem, BatchGetItem, Query and Scan, so it can be given rights to no more.
 * Its feed is the order as the servers have left it, and behind it what they have committed and not put into the order, in no order.
 * While servers write, what is looked at first and what is looked at last may not go together.
 */
export function openDynamoReadOnly(options: DynamoReadOnlyOptions): DynamoReadOnlyStore {
  const { clock, random, tablePrefix = "" } = options;
  const { wire, close } = openClients(options);
  const physical = (table: string): string => tablePrefix + table;
  const backoff = createBackoff(clock, random);
  const read = createReader({ wire, backoff, timeoutMs: READ_MS, attempts: READ_ATTEMPTS });
  const no = { outcome: "unavailable", cause: new StoreUnavailableError("the store was opened for reading only") } as const;
  const order = createFeedOrder(read, () => Promise.resolve(no), physical);
  const many: Store["getMany"] = (refs) => getMany(read, backoff, physical, refs);
  const unused = (): never => {
    throw new StoreUnavailableError("the store was opened for reading only");
  };
  const ordered = createFeed({ order, clock, read, readStream: unused, physical, getMany: many, streamArn: unused, frozen: true });

  /** Events that are in the table and not in the order: kept, so that every reading of the feed finds the same ones. */
  const findTail = async (): Promise<readonly Item[]> => {
    const known = await keysInOrder();
    const found: Item[] = [];
    for await (const item of scan(read, physical(FEED_TABLE))) {
      const { hash, range = "" } = keyOf(FEED_TABLE, item);
      if (known.get(range.slice(-1))?.has(`${hash}\n${range}`) !== true) found.push(item);
    }
    return found;
  };
  /** By the last character of the event's id, because one set takes no more than 2^24 members. */
  const keysInOrder = async (): Promise<ReadonlyMap<string, ReadonlySet<string>>> => {
    const known = new Map<string, Set<string>>();
    const end = (await order.head())?.next ?? 0;
    for (let position = 0; position < end; ) {
      const stretches = await order.stretches(position, 10_000);
      if (stretches.length === 0) throw new StoreUnavailableError("the feed's order has a gap");
      for (const stretch of stretches) {
        for (const [hash, range] of stretch.keys) {
          const set = known.get(range.slice(-1)) ?? new Set();
          known.set(range.slice(-1), set.add(`${hash}\n${range}`));
        }
        position = stretch.position + stretch.keys.length;
      }
    }
    return known;
  };
  let tail: Promise<readonly Item[]> | undefined;

  return {
    limits: { writesPerCommit: 0, itemBytes: 0, commitsInFlight: 1, batchChunk: 1 },
    get: (table, key) => get(read, physical, table, key),
    getMany: many,
    query: (query) => runQuery(read, physical, query),
    commit: () => Promise.resolve(no),
    async feed(cursor, limit): Promise<FeedPage> {
      const start = cursor?.startsWith(TAIL) === true ? Number(cursor.slice(TAIL.length)) : undefined;
      if (start === undefined) {
        const page = await ordered.read(cursor, limit);
        if (page.items.length > 0) return page;
      }
      tail ??= findTail();
      const items = (await tail).slice(start ?? 0, (start ?? 0) + limit);
      return { items, cursor: items.length === 0 ? (cursor ?? `${TAIL}0`) : `${TAIL}${(start ?? 0) + items.length}` };
    },
    ping: async () => void (await get(read, physical, "smartfinance-meta", { hash: "ping" })),
    purgeExpired: () => Promise.resolve(0),
    close: () => Promise.resolve(close()),
    repeats: true,
    async *rows(table) {
      const { hash, range } = tableDefinition(table);
      for await (const item of scan(read, physical(table)))
        yield { hash: String(item[hash]), ...(range === undefined ? {} : { range: String(item[range]) }), item };
    },
  };
}
