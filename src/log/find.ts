import type { Item, Store } from "#storage/index.ts";
import { bucketOf, entriesFromItem, entriesId, LOG_INDEX_TABLE, LOG_TABLE, MAX_SPAN, spanFromItem } from "./rows.ts";
import type { SealedEntry, Span } from "./rows.ts";
import { TILE_WIDTH } from "./tiles.ts";
import { LogTamperedError } from "./trusted-state.ts";
import { isObject } from "./verify-wrong.ts";

/** Queries at once. */
const PARALLEL = 16;
/** Pages of one bucket: a million stretches of 32 milliseconds. */
const MAX_PAGES = 1_000;
const PAGE = 1_000;
/** Rows read at once: some megabytes. */
const ROWS = 100;

/** The rows of the log with these ids, in their order. */
export async function readRows(store: Store, ids: readonly string[]): Promise<readonly (Item | undefined)[]> {
  const found: (Item | undefined)[] = [];
  for (let at = 0; at < ids.length; at += ROWS)
    found.push(...(await store.getMany(ids.slice(at, at + ROWS).map((hash) => ({ table: LOG_TABLE, key: { hash } })))));
  return found;
}

/** The rows of entries with these numbers, some at a time: stretches of somebody else's may lead over more of the log than memory takes. */
export async function* rowsOfEntries(
  store: Store,
  rows: Iterable<number>,
): AsyncGenerator<{ readonly row: number; readonly entries: readonly SealedEntry[] }, void, undefined> {
  const wanted = [...rows];
  for (let at = 0; at < wanted.length; at += ROWS) {
    const numbers = wanted.slice(at, at + ROWS);
    const items = await readRows(store, numbers.map(entriesId));
    for (const [n, row] of numbers.entries()) {
      const item = items[n];
      if (item !== undefined) yield { row, entries: entriesFromItem(item) };
    }
  }
}

/** The stretches of the log that hold ids of these buckets. */
export async function findSpans(store: Store, buckets: readonly string[]): Promise<readonly Span[]> {
  const spans: Span[] = [];
  for (let at = 0; at < buckets.length; at += PARALLEL) {
    const found = await Promise.all(buckets.slice(at, at + PARALLEL).map((bucket) => spansOf(store, bucket)));
    spans.push(...found.flat());
  }
  return spans;
}

async function spansOf(store: Store, bucket: string): Promise<Span[]> {
  const spans: Span[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const range = { table: LOG_INDEX_TABLE, hash: bucket, order: "ascending", limit: PAGE } as const;
    const found = await store.query({ ...range, ...(cursor === undefined ? {} : { cursor }) });
    // What is no row of this program is as good as none: whoever can write one can as well delete one.
    for (const item of found.items) if (isObject(item)) spans.push(spanFromItem(item));
    cursor = found.cursor;
    if (cursor === undefined) return spans;
  }
  throw new LogTamperedError(`the bucket ${bucket} of the log's index has no end`);
}

/**
 * The numbers of the rows of a log of `size` that the stretches lie in. What leads out of it, or over more of it than one step seals,
 * was not written by this program.
 */
export function rowsIn(spans: readonly Span[], size: number): ReadonlySet<number> {
  const rows = new Set<number>();
  for (const { first, last } of spans) {
    if (last - first >= MAX_SPAN) continue;
    const end = Math.min(last, size - 1);
    for (let row = Math.floor(Math.max(first, 0) / TILE_WIDTH); row <= Math.floor(end / TILE_WIDTH); row++) rows.add(row);
  }
  return rows;
}

/** Where an event is in a log of `size`, and what opens it; `undefined` while it is not sealed. */
export async function findEvent(
  store: Store,
  eventId: string,
  size: number,
): Promise<(SealedEntry & { readonly index: number }) | undefined> {
  const spans = await findSpans(store, [bucketOf(eventId)]);
  for await (const { row, entries } of rowsOfEntries(store, rowsIn(spans, size))) {
    const place = entries.findIndex((entry) => entry.eventId === eventId);
    const entry = entries[place];
    const index = row * TILE_WIDTH + place;
    if (entry !== undefined && index < size) return { ...entry, index };
  }
  return undefined;
}
