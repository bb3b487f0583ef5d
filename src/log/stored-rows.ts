import type { Item, Store, TableName } from "#storage/index.ts";
import { entriesFromItem, entriesId, MAX_SPAN, spanFromItem, spanToItem, tileFromItem, tileId } from "./rows.ts";
import { TILE_WIDTH } from "./tiles.ts";

interface StoredRow {
  /** The key by which the store finds it, which the item need not say as well. */
  readonly hash: string;
  readonly range?: string;
  readonly item: unknown;
}

/** A store of which every row can be read where it lies, as that of a stopped server can. A row may be given more than once. */
export type VerifiedStore = Store & {
  rows?(table: TableName): Iterable<StoredRow> | AsyncIterable<StoredRow>;
  /** With `rows`: the feed may tell an event again all the same, as one over streams does. */
  readonly repeats?: boolean;
};

/** Whether the feed of a store may tell an event more than once without anything being wrong. */
export function mayRepeat(store: VerifiedStore): boolean {
  return store.rows === undefined || store.repeats === true;
}

/**
 * Holds every row of the audit table against the key under which it is found, and counts them. What the API shows is found by key:
 * a row under another key is hidden, and one that the feed does not tell would be shown beside the sealed ones.
 * @returns in words what is wrong; `undefined` when there are as many rows as `told` and each lies under its own key
 */
export async function wrongEventRow(store: VerifiedStore, told: number): Promise<string | undefined> {
  if (store.rows === undefined) return undefined;
  let count = 0;
  for await (const { hash, range, item } of store.rows("smartfinance-audit-logs")) {
    count += 1;
    if (typeof item !== "object" || item === null || Array.isArray(item)) return `the event kept as ${range ?? ""} cannot be read`;
    const { partition, event_id } = item as Item;
    if (partition !== hash || event_id !== range) return `event ${String(event_id)} is kept under the key of ${range ?? ""} in ${hash}`;
  }
  return count === told ? undefined : `the audit table has ${count} events, the feed tells ${told}`;
}

const SINGLE_ROWS: ReadonlySet<string> = new Set(["state", "key", "cosigned"]);

/**
 * Holds the rows of the log against its size: what lies behind its end would become part of it.
 * @returns in words what is wrong
 */
export async function wrongLogRow(store: VerifiedStore, size: number): Promise<string | undefined> {
  if (store.rows === undefined) return undefined;
  for await (const { hash, item } of store.rows("smartfinance-log")) {
    if (SINGLE_ROWS.has(hash)) continue;
    if (typeof item !== "object" || item === null || (item as Item).id !== hash) return `the row ${hash} of the log is malformed`;
    const [, level = "", index = ""] = /^(entries|tile\/[1-9])\/(0|[1-9][0-9]*)$/.exec(hash) ?? [];
    const height = level.startsWith("tile/") ? Number(level.slice("tile/".length)) : 0;
    const expected = Math.min(TILE_WIDTH, Math.floor(size / TILE_WIDTH ** height) - Number(index) * TILE_WIDTH);
    const id = height === 0 ? entriesId(Number(index)) : tileId(height, Number(index));
    if (level === "" || id !== hash || expected < 1) return `the log has no row ${hash}: somebody has added it`;
    if (heldBy(item as Item, height) !== expected)
      return `the row ${hash} of the log does not have ${expected} ${height === 0 ? "entries" : "hashes"}`;
  }
  return undefined;
}

function heldBy(row: Item, height: number): number | undefined {
  try {
    return (height === 0 ? entriesFromItem(row) : tileFromItem(row)).length;
  } catch {
    return undefined;
  }
}

/**
 * Holds every row of the log's index against the log's size: that each leaf is found by it is checked with the leaf, and what leads
 * out of the log would be gone after by whoever asks for an event.
 * @returns in words what is wrong
 */
export async function wrongIndexRow(store: VerifiedStore, size: number): Promise<string | undefined> {
  if (store.rows === undefined) return undefined;
  for await (const { hash, range = "", item } of store.rows("smartfinance-log-index")) {
    if (isSpan(hash, range, item, size)) continue;
    return `the index of the log has a row ${range} of ${hash} that is none of its own: somebody has changed or added it`;
  }
  return undefined;
}

function isSpan(bucket: string, range: string, item: unknown, size: number): boolean {
  if (typeof item !== "object" || item === null || Array.isArray(item)) return false;
  const { first, last } = spanFromItem(item as Item);
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(last) || first < 0 || first > last || last >= size || last - first >= MAX_SPAN)
    return false;
  return (item as Item).bucket === bucket && spanToItem(bucket, { first, last }).first === range;
}
