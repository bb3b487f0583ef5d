import { invariant } from "#kernel/assert.ts";
import type { Item } from "#storage/index.ts";
import { fromBase64, toBase64 } from "./base64.ts";
import type { Hash } from "./hashing.ts";
import type { Opening } from "./leaf.ts";
import { joinHashes, splitHashes } from "./tiles.ts";
import type { Edge } from "./tree.ts";
import { isObject } from "./verify-wrong.ts";

/** How the log lies in the store: rows of 256, so that sealing a thousand events writes a dozen. */
export const LOG_TABLE = "smartfinance-log";
export const LOG_INDEX_TABLE = "smartfinance-log-index";

const STATE = "state";

/** How far the log is sealed. The condition on its version is what lets one worker seal at a time. */
export interface LogState extends Edge {
  /** Up to where the feed was read; `undefined` for its beginning. */
  readonly cursor: string | undefined;
  /** The signed checkpoint of this very state. */
  readonly checkpoint: string;
  /** When it was sealed, ms. Never goes back. */
  readonly sealedAt: number;
  readonly version: number;
  /** The log's own signature over cursor, time, version and checkpoint (state-seal.ts), base64. */
  readonly seal: string;
}

export const stateKey = { hash: STATE } as const;
/** Where the log's wrapped key is kept (log-key.ts). It is written together with the first state. */
export const logKeyKey = { hash: "key" } as const;

export function stateToItem(state: LogState): Item {
  const { size, peaks, cursor, checkpoint, sealedAt, version, seal } = state;
  return { id: STATE, size, peaks: peaks.map(toBase64), cursor: cursor ?? null, checkpoint, sealed_at: sealedAt, version, seal };
}

/** @throws InvariantError for a row that was not written by `stateToItem` */
export function stateFromItem(item: Item): LogState {
  invariant(isObject(item), "the log's state is malformed");
  const { size, peaks, cursor, checkpoint, sealed_at, version, seal } = item;
  invariant(typeof size === "number" && Array.isArray(peaks) && typeof checkpoint === "string", "the log's state is malformed");
  invariant(typeof sealed_at === "number" && typeof version === "number", "the log's state is malformed");
  return {
    size,
    peaks: (peaks as unknown[]).map((peak) => bytesOf(peak)),
    cursor: typeof cursor === "string" ? cursor : undefined,
    checkpoint,
    sealedAt: sealed_at,
    version,
    // One without is what a forger writes: its signature does not hold.
    seal: typeof seal === "string" ? seal : "",
  };
}

function bytesOf(value: unknown): Buffer {
  const bytes = typeof value === "string" ? fromBase64(value) : undefined;
  invariant(bytes !== undefined, "a row of the log has no base64 where there must be some");
  return bytes;
}

/** Up to 256 hashes of one tile of level 1 and above. Level 0 is told by the entries. */
export const tileId = (level: number, index: number): string => `tile/${level}/${index}`;

export function tileToItem(level: number, index: number, hashes: readonly Hash[]): Item {
  return { id: tileId(level, index), hashes: toBase64(joinHashes(hashes)) };
}

/** @throws InvariantError for a row that was not written by `tileToItem` */
export function tileFromItem(item: Item): readonly Hash[] {
  invariant(isObject(item), "a tile is malformed");
  const hashes = splitHashes(bytesOf(item.hashes));
  invariant(hashes !== undefined, "a tile is no whole number of hashes");
  return hashes;
}

/** One sealed event. */
export interface SealedEntry {
  readonly organisationId: string;
  readonly eventId: string;
  readonly entry: Hash;
  readonly opening: Opening;
}

/** Up to 256 entries, from `256 * index` on. */
export const entriesId = (index: number): string => `entries/${index}`;

export function entriesToItem(index: number, entries: readonly SealedEntry[]): Item {
  const organisations = [...new Set(entries.map(({ organisationId }) => organisationId))];
  const place = new Map(organisations.map((id, n) => [id, n]));
  return {
    id: entriesId(index),
    organisations,
    events: entries.map(({ organisationId, eventId }) => [place.get(organisationId) ?? 0, eventId]),
    entries: toBase64(joinHashes(entries.map(({ entry }) => entry))),
    openings: entries.map(({ opening }) => toBase64(opening)),
  };
}

/** @throws InvariantError for a row that was not written by `entriesToItem` */
export function entriesFromItem(item: Item): readonly SealedEntry[] {
  invariant(isObject(item), "a row of entries is malformed");
  const { organisations, events, openings } = item;
  const entries = splitHashes(bytesOf(item.entries));
  invariant(entries !== undefined && Array.isArray(organisations), "a row of entries is malformed");
  invariant(Array.isArray(events) && Array.isArray(openings), "a row of entries is malformed");
  invariant(entries.length === events.length && entries.length === openings.length, "a row of entries is not of one length");
  return entries.map((entry, n) => {
    const event: unknown = events[n];
    invariant(Array.isArray(event), "a row of entries is malformed");
    const [place, eventId] = event as [number, unknown];
    const organisationId: unknown = organisations[place];
    invariant(typeof organisationId === "string" && typeof eventId === "string", "a row of entries is malformed");
    return { organisationId, eventId, entry, opening: bytesOf(openings[n]) };
  });
}

/*
 * Where an event is found in the log: under the time in its id, in portions of 32 ms, stand the stretches of the log that hold
 * ids of that time. So a batch writes a few rows and not one for each event, and a late event is found like any other.
 */

/** `evt_` and the first 45 bits of the time. */
const BUCKET_CHARACTERS = 13;
const INDEX_DIGITS = 16;

export const bucketOf = (eventId: string): string => eventId.slice(0, BUCKET_CHARACTERS);

/** Leaves `first` to `last`, both inclusive, of which some have an id of the bucket. */
export interface Span {
  readonly first: number;
  readonly last: number;
}

/** The most leaves of one stretch: those of one step of the sealer at its largest. */
export const MAX_SPAN = 100_000;

export function spanToItem(bucket: string, { first, last }: Span): Item {
  return { bucket, first: String(first).padStart(INDEX_DIGITS, "0"), last };
}

/** A stretch that leads nowhere for what was not written by `spanToItem`. */
export function spanFromItem({ first, last }: Item): Span {
  return { first: numberOf(first), last: numberOf(last) };
}

/** Some JSON throws where it is made a number. */
function numberOf(value: unknown): number {
  return typeof value === "number" || typeof value === "string" ? Number(value) : Number.NaN;
}
