import assert from "node:assert/strict";
import { after, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "#kernel/clock.ts";
import { createIds, type OrganisationId, partitionOf } from "#kernel/ids.ts";
import { systemRandom } from "#kernel/random.ts";
import type { CommitResult, FeedCursor, Item, Query, Ref, Store, Write } from "../port.ts";
import type { InspectableStore } from "../state-hash.ts";
import { FEED_TABLE, type TableName } from "../tables.ts";
import { keyOf } from "../validate-commit.ts";

/**
 * A fault an engine's test can bring about below the store.
 * - `written_timeout`: a commit is written but its acknowledgement is lost: `unknown`.
 * - `unwritten_timeout`: a commit is never written and no answer comes: `unknown`.
 * - `unavailable`: the engine refuses commits: `unavailable`, nothing written.
 * - `throttled`: concurrent transactions until the engine's own retries run out: `conflict` without writes.
 * - `read_unavailable`: `get`, `getMany`, `query`, `feed` and `ping` throw StoreUnavailableError.
 */
export type InjectableFault = "written_timeout" | "unwritten_timeout" | "unavailable" | "throttled" | "read_unavailable";

export interface Injector {
  /** The faults this engine can show; the others are not tested. */
  readonly offers: readonly InjectableFault[];
  /** From now on every operation concerned, the engine's own retries included, meets the fault. */
  arm(fault: InjectableFault): void;
  /** From now on nothing is injected. */
  disarm(): void;
}

/** One freshly opened, empty store and what its engine's test can do to it. */
export interface Harness {
  readonly store: InspectableStore;
  /** Closes `store` and opens the same data again. Left out where data does not outlive `close`. */
  reopen?(): Promise<InspectableStore>;
  readonly inject?: Injector;
  /** Closes whatever is open and removes the data. Called once, also after a failure. */
  dispose(): Promise<void>;
}

export interface ConformanceOptions {
  /** Random histories of the model test: fewer where the engine is slow. Default 50. */
  readonly runs?: number;
  /** How long index reads and the feed may lag behind commits, in milliseconds. Default 5,000. */
  readonly lagMs?: number;
  /** Whether a feed that is paged through may repeat items, as the port allows. Default `exactly_once`. */
  readonly feed?: "exactly_once" | "at_least_once";
  /** `engine` where the engine expires items by itself, so that `purgeExpired` may find nothing to do. Default `store`. */
  readonly expiry?: "store" | "engine";
}

/** What a section of the suite is given. */
export interface Section {
  readonly open: () => Promise<Harness>;
  readonly options: Required<ConformanceOptions>;
}

/** Opens one harness for all tests of the surrounding `describe`, so tests name keys of their own by `unique`. */
export function useHarness(section: Section): () => Harness {
  let harness: Harness | undefined;
  before(async () => {
    harness = await section.open();
  });
  after(async () => {
    await harness?.dispose();
  });
  return () => {
    assert.ok(harness !== undefined, "the harness is not open");
    return harness;
  };
}

const ids = createIds(systemClock, systemRandom());
export const organisation: OrganisationId = ids.next("organisation");
let counter = 0;

/** A text that no other test uses in a key. */
export function unique(prefix: string): string {
  counter += 1;
  return `${prefix}-${String(counter).padStart(6, "0")}`;
}

/** An account item; `user_id` and `organisation_id` are fixed attributes of its indexes, derived from the id. */
export function account(id: string, version: number, more: Item = {}): Item {
  return { id, organisation_id: `organisation-of-${id}`, user_id: `user-of-${id}`, version, ...more };
}

/** An item of the feed table. */
export function event(more: Item = {}): Item & { readonly event_id: string } {
  const id = ids.next("event");
  return { partition: partitionOf(organisation, id), event_id: id, organisation_id: organisation, ...more };
}

/** A string attribute. */
export function textOf(item: Item, name: string): string {
  const value = item[name];
  assert.ok(typeof value === "string", `${name} is no string`);
  return value;
}

export const eventId = (item: Item): string => textOf(item, "event_id");
export const putAbsent = (table: TableName, item: Item): Write => ({ op: "put", table, item, condition: "absent" });
export const put = (table: TableName, item: Item): Write => ({ op: "put", table, item, condition: "none" });
export const putVersion = (table: TableName, item: Item, version: number): Write => ({ op: "put", table, item, condition: { version } });
export const putEvent = (item: Item): Write => putAbsent(FEED_TABLE, item);
export const refOf = (table: TableName, item: Item): Ref => ({ table, key: keyOf(table, item) });

export function assertCommitted(result: CommitResult): void {
  assert.equal(
    result.outcome,
    "committed",
    `outcome ${JSON.stringify(result, (_, value) => (value instanceof Error ? String(value) : value))}`,
  );
}

/** Asserts a conflict that names some of `failing` and nothing else. */
export function assertConflict(result: CommitResult, failing: readonly number[]): void {
  assert.equal(result.outcome, "conflict");
  if (result.outcome !== "conflict") return;
  assert.ok(result.writes.length > 0, "the conflict names no write");
  for (const index of result.writes) assert.ok(failing.includes(index), `write ${index} did not fail, ${failing.join()} did`);
}

/** Puts many items, as many in one commit as the engine takes. */
export async function seed(store: Store, writes: readonly Write[]): Promise<void> {
  const size = Math.min(store.limits.writesPerCommit, 100);
  for (let i = 0; i < writes.length; i += size) assertCommitted(await store.commit(writes.slice(i, i + size)));
}

const POLL_MS = 25;

/** Repeats `check` until it passes; after `lagMs` its last failure is the test's. */
export async function eventually(lagMs: number, check: () => Promise<void>): Promise<void> {
  for (let attempt = Math.ceil(lagMs / POLL_MS); attempt > 0; attempt--) {
    try {
      await check();
      return;
    } catch {
      await sleep(POLL_MS);
    }
  }
  await check();
}

const MAX_PAGES = 5_000;

/** Follows a query's cursors to the end. */
export async function collect(store: Store, query: Query): Promise<Item[]> {
  const items: Item[] = [];
  let cursor = query.cursor;
  for (let page = 0; page < MAX_PAGES; page++) {
    const got = await store.query(cursor === undefined ? query : { ...query, cursor });
    assert.ok(got.items.length <= query.limit, "a page holds more than its limit");
    items.push(...got.items);
    if (got.cursor === undefined) return items;
    cursor = got.cursor;
  }
  return assert.fail("the query's cursors never end");
}

export interface Drained {
  readonly items: Item[];
  readonly cursor: FeedCursor;
}

/** Pages through the feed until a page is empty. */
export async function drain(store: Store, from: FeedCursor | undefined, limit: number): Promise<Drained> {
  const items: Item[] = [];
  let cursor = from;
  for (let page = 0; page < MAX_PAGES; page++) {
    const got = await store.feed(cursor, limit);
    assert.ok(got.items.length <= limit, "a feed page holds more than its limit");
    items.push(...got.items);
    cursor = got.cursor;
    if (got.items.length === 0) return { items, cursor };
  }
  return assert.fail("the feed never ends");
}

/** Drains until every one of `expected` ids was seen; fails after `lagMs` without. */
export async function drainUntil(
  store: Store,
  from: FeedCursor | undefined,
  limit: number,
  expected: Iterable<string>,
  lagMs: number,
): Promise<Drained> {
  const missing = new Set(expected);
  const items: Item[] = [];
  let cursor = from;
  for (let attempt = Math.ceil(lagMs / POLL_MS); ; attempt--) {
    const got: Drained = await drain(store, cursor, limit);
    items.push(...got.items);
    cursor = got.cursor;
    for (const item of got.items) missing.delete(eventId(item));
    if (missing.size === 0) return { items, cursor };
    assert.ok(attempt > 0, `the feed lacks ${missing.size} items, first ${[...missing][0]}`);
    await sleep(POLL_MS);
  }
}

/** Keeps the first of each event: what a reader of an at-least-once feed does. */
export function distinct(items: readonly Item[]): string[] {
  return [...new Set(items.map(eventId))];
}

/** Runs `work` for 0 … count-1, at most `lanes` at a time. */
export async function inLanes(count: number, lanes: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
