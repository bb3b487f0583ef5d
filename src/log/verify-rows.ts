import type { Store } from "#storage/index.ts";
import { findSpans } from "./find.ts";
import type { Hash } from "./hashing.ts";
import { bucketOf, entriesFromItem, entriesId, LOG_TABLE, tileFromItem, tileId } from "./rows.ts";
import type { SealedEntry, Span } from "./rows.ts";
import { TILE_HEIGHT, TILE_WIDTH } from "./tiles.ts";
import { wellFormed, Wrong } from "./verify-wrong.ts";

/** The log's entries, row by row. */
export interface Rows {
  entry(index: number): Promise<SealedEntry>;
  /** That no row says more than the log is long. */
  checkEnd(): Promise<void>;
}

export function createRows(store: Store, size: number): Rows {
  let number = -1;
  let held: readonly SealedEntry[] = [];
  const read = async (row: number): Promise<void> => {
    const item = await store.get(LOG_TABLE, { hash: entriesId(row) });
    const first = row * TILE_WIDTH;
    if (item === undefined) throw new Wrong(`the row ${entriesId(row)} of the log is gone`, first);
    held = wellFormed(`the row ${entriesId(row)} of the log`, first, () => entriesFromItem(item));
    number = row;
  };
  return {
    async entry(index) {
      const row = Math.floor(index / TILE_WIDTH);
      if (row !== number) await read(row);
      const entry = held[index % TILE_WIDTH];
      if (entry === undefined) throw new Wrong(`the row ${entriesId(row)} of the log is cut short`, index);
      return entry;
    },
    async checkEnd() {
      const last = Math.ceil(size / TILE_WIDTH) - 1;
      if (last >= 0 && number === last && held.length > size - last * TILE_WIDTH)
        throw new Wrong("the log was cut back: there are leaves behind its end", size);
      if ((await store.get(LOG_TABLE, { hash: entriesId(last + 1) })) !== undefined)
        throw new Wrong("the log was cut back: there are leaves behind its end", size);
    },
  };
}

/** Buckets whose stretches are remembered: neighbours in the log mostly are of one. */
const BUCKETS = 64;

/** That each leaf is found by the index that the API finds it by. */
export function createIndexCheck(store: Store): { check(eventId: string, index: number): Promise<void> } {
  const held = new Map<string, readonly Span[]>();
  return {
    async check(eventId, index) {
      const bucket = bucketOf(eventId);
      let spans = held.get(bucket);
      if (spans === undefined) {
        spans = await findSpans(store, [bucket]);
        if (held.size >= BUCKETS) held.clear();
        held.set(bucket, spans);
      }
      if (!spans.some(({ first, last }) => first <= index && index <= last))
        throw new Wrong(`event ${eventId} is not in the index of the log`, index);
    },
  };
}

/** Holds a node that is a whole tile below against the stored tile above. */
export async function checkTile(store: Store, height: number, at: number, node: Hash): Promise<void> {
  const level = height / TILE_HEIGHT;
  const id = tileId(level, Math.floor(at / TILE_WIDTH));
  const first = at * TILE_WIDTH ** level;
  const item = await store.get(LOG_TABLE, { hash: id });
  if (item === undefined) throw new Wrong(`the row ${id} of the log is gone`, first);
  const hashes = wellFormed(`the row ${id} of the log`, first, () => tileFromItem(item));
  if (hashes[at % TILE_WIDTH]?.equals(node) !== true)
    throw new Wrong(
      `leaves ${first} to ${first + TILE_WIDTH ** level - 1} are not those of the row ${id}: event and leaf were both changed, or the row was`,
      first,
    );
}
