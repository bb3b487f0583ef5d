import { DescribeTableCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Random } from "#kernel/random.ts";
import { type Item, type Key, type Store, StoreUnavailableError } from "../port.ts";
import type { InspectableStore, TableItem } from "../state-hash.ts";
import { FEED_TABLE, tableDefinition, tableNames } from "../tables.ts";
import { validateCommit, validateRefs } from "../validate-commit.ts";
import { type Attributes, fromAttributes } from "./attributes.ts";
import { type ClientOptions, openClients } from "./clients.ts";
import { createFeed } from "./feed.ts";
import { createFeedOrder } from "./feed-order.ts";
import { getMany } from "./get-many.ts";
import { addIndexes, createTable, enableTimeToLive, verifyTable } from "./provision.ts";
import { runQuery } from "./query.ts";
import { createReader, type Reader } from "./read.ts";
import { createBackoff } from "./retry.ts";
import { createTableInputs, type TableOptions } from "./schema.ts";
import { createTransact } from "./transact.ts";
import { keyAttributes, toTransactItems } from "./transact-items.ts";

export type DynamoStore = InspectableStore;

export interface DynamoStoreOptions extends ClientOptions, TableOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Creates what is missing. Otherwise a missing table is an error. */
  readonly createTables: boolean;
  /** How long one request may take, in milliseconds. Default 5,000 for a commit, 3,000 for a read. */
  readonly timeouts?: { readonly commitMs?: number; readonly readMs?: number };
}

// A batched transfer makes up to seven writes (two accounts, profile, device, transaction, review, event), its chunk one more.
const limits: Store["limits"] = { writesPerCommit: 100, commitBytes: 3_500_000, itemBytes: 390_000, commitsInFlight: 16, batchChunk: 14 };
const READ_ATTEMPTS = 4;
const PING_MS = 2_000;

/**
 * Opens the store on DynamoDB.
 * @throws TableMismatchError when a table is missing (without `createTables`) or keyed otherwise,
 * StoreUnavailableError when tables do not become active, the SDK's errors when the service cannot be reached.
 */
export async function openDynamoStore(options: DynamoStoreOptions): Promise<DynamoStore> {
  const { clock, random, tablePrefix = "", timeouts = {} } = options;
  const { client, wire, streamsWire, close } = openClients(options);
  const physical = (table: string): string => tablePrefix + table;
  const backoff = createBackoff(clock, random);
  const readMs = timeouts.readMs ?? 3_000;
  const read = createReader({ wire, backoff, timeoutMs: readMs, attempts: READ_ATTEMPTS });
  const readOnce = createReader({ wire, backoff, timeoutMs: Math.min(PING_MS, readMs), attempts: 1 });
  const readStream = createReader({ wire: streamsWire, backoff, timeoutMs: readMs, attempts: READ_ATTEMPTS });
  const transact = createTransact({ wire, backoff, random, timeoutMs: timeouts.commitMs ?? 5_000 });
  const order = createFeedOrder(read, transact, physical);
  const feed = createFeed({
    order,
    clock,
    read,
    readStream,
    physical,
    getMany: (refs) => getMany(read, backoff, physical, refs),
    streamArn: () => streamArn(client, physical(FEED_TABLE)),
  });

  try {
    const opened = Math.floor(clock.now() / 1_000);
    const createdFeed = await prepareTables(client, options);
    if (createdFeed) await feed.begin(opened);
  } catch (error) {
    close();
    throw error;
  }

  const inFlight = new Set<Promise<unknown>>();
  let closed = false;
  /** Runs an operation unless the store is closed, and lets `close` wait for it. */
  const run = <T>(work: () => Promise<T>): Promise<T> => {
    if (closed) return Promise.reject(new StoreUnavailableError("the store is closed"));
    const running = work();
    inFlight.add(running);
    const over = (): void => void inFlight.delete(running);
    running.then(over, over);
    return running;
  };

  return {
    limits,
    get: (table, key) => run(() => get(read, physical, table, key)),
    getMany: (refs) => run(() => getMany(read, backoff, physical, refs)),
    query: (query) => run(() => runQuery(read, physical, query)),
    async commit(writes) {
      validateCommit(writes, limits);
      if (closed) return { outcome: "unavailable", cause: new StoreUnavailableError("the store is closed") };
      const items = toTransactItems(writes, physical, limits.itemBytes);
      return run(() => transact(items));
    },
    feed: (cursor, limit) => run(() => feed.read(cursor, limit)),
    ping: () =>
      run(async () => {
        await readOnce("GetItem", { TableName: physical("smartfinance-meta"), Key: { id: { S: "ping" } }, ConsistentRead: true });
      }),
    // DynamoDB deletes by itself what its `ttl` attribute says has expired, within days.
    purgeExpired: () => run(() => Promise.resolve(0)),
    async close() {
      closed = true;
      await Promise.allSettled(inFlight);
      close();
    },
    dump: () => dump(read, physical),
  };
}

/** @returns whether this call created the feed table. */
async function prepareTables(client: DynamoDBClient, options: DynamoStoreOptions): Promise<boolean> {
  const inputs = createTableInputs(options);
  const created = await Promise.all(
    inputs.map(async (input) => {
      const isNew = options.createTables && (await createTable(client, input));
      if (options.createTables && !isNew) await addIndexes(client, options.clock, input);
      await verifyTable(client, options.clock, input);
      if (options.createTables) await enableTimeToLive(client, input);
      return isNew && input.create.TableName === (options.tablePrefix ?? "") + FEED_TABLE;
    }),
  );
  return created.includes(true);
}

async function streamArn(client: DynamoDBClient, TableName: string): Promise<string> {
  let arn: string | undefined;
  try {
    const { Table } = await client.send(new DescribeTableCommand({ TableName }));
    arn = Table?.LatestStreamArn;
  } catch (cause) {
    throw new StoreUnavailableError(`table ${TableName} cannot be described`, { cause });
  }
  if (arn === undefined) throw new StoreUnavailableError(`table ${TableName} has no stream`);
  return arn;
}

/** One item by its key, strongly consistent. */
export async function get(
  read: Reader,
  physical: (table: string) => string,
  table: Parameters<Store["get"]>[0],
  key: Key,
): Promise<Item | undefined> {
  validateRefs([{ table, key }]);
  const Key = keyAttributes(tableDefinition(table), key);
  const { Item: found }: { Item?: Attributes } = await read("GetItem", { TableName: physical(table), Key, ConsistentRead: true });
  return found === undefined ? undefined : fromAttributes(found);
}

const DUMP_PAGES_MAX = 1_000_000;

async function* dump(read: Reader, physical: (table: string) => string): AsyncGenerator<TableItem> {
  for (const table of tableNames) for await (const item of scan(read, physical(table))) yield { table, item };
}

/** Every item of a table, in no order. */
export async function* scan(read: Reader, TableName: string): AsyncGenerator<Item> {
  let from: Attributes | undefined;
  for (let page = 0; ; page++) {
    invariant(page < DUMP_PAGES_MAX, "the scan does not end");
    const answer: { Items?: Attributes[]; LastEvaluatedKey?: Attributes } = await read("Scan", {
      TableName,
      ConsistentRead: true,
      ExclusiveStartKey: from,
    });
    for (const attributes of answer.Items ?? []) yield fromAttributes(attributes);
    from = answer.LastEvaluatedKey;
    if (from === undefined) return;
  }
}
