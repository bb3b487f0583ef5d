import { timeOf } from "#audit/index.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import { partitionOf } from "#kernel/ids.ts";
import type { Ref, Store } from "#storage/index.ts";
import { FEED_TABLE } from "#storage/index.ts";
import { readRows } from "./find.ts";
import { sha256 } from "./hashing.ts";
import { leafText } from "./leaf.ts";
import { entriesFromItem, entriesId } from "./rows.ts";
import { TILE_WIDTH } from "./tiles.ts";
import { LogTamperedError } from "./trusted-state.ts";

/** A sealed event as its leaf commits to it: the SHA-256 of the text is the log's entry, and no personal data is in it. */
export interface SealedText {
  readonly index: number;
  readonly eventId: string;
  /** RFC 8785 text without line breaks. It never changes, also when the caller's address is erased. */
  readonly text: string;
  /** When the event was committed, ms; 0 where it tells no time. */
  readonly at: number;
}

/** Events read at once: what the store takes in one call. */
const READ_MAX = 1_000;

/**
 * The texts of the leaves from `from` up to and without `to`, at most 1,000 of them, each held against its entry.
 * @throws LogTamperedError where an event is not there any more or not the sealed one; StoreUnavailableError
 */
export async function readSealedTexts(store: Store, from: number, to: number): Promise<readonly SealedText[]> {
  const end = Math.min(to, from + READ_MAX);
  if (end <= from) return [];
  const firstRow = Math.floor(from / TILE_WIDTH);
  const ids = Array.from({ length: Math.ceil(end / TILE_WIDTH) - firstRow }, (_, n) => entriesId(firstRow + n));
  const rows = await readRows(store, ids);
  const sealed = Array.from({ length: end - from }, (_, n) => {
    const row = Math.floor((from + n) / TILE_WIDTH) - firstRow;
    const item = rows[row];
    if (item === undefined) throw new LogTamperedError(`the log lacks its row ${ids[row] ?? ""}`);
    return { row, place: (from + n) % TILE_WIDTH };
  });
  const entries = rows.map((item) => (item === undefined ? [] : entriesFromItem(item)));
  const leaves = sealed.map(({ row, place }) => {
    const entry = entries[row]?.[place];
    if (entry === undefined) throw new LogTamperedError("a row of the log is shorter than the log");
    return entry;
  });
  const refs = leaves.map(
    ({ organisationId, eventId }): Ref => ({
      table: FEED_TABLE,
      key: { hash: partitionOf(organisationId as OrganisationId, eventId), range: eventId },
    }),
  );
  const events = await store.getMany(refs);
  return leaves.map(({ eventId, opening, entry }, n) => {
    const event = events[n];
    const index = from + n;
    if (event === undefined) throw new LogTamperedError(`event ${eventId} of leaf ${index} is not in the store`);
    const text = leafText(event, opening);
    if (!sha256(text).equals(entry)) throw new LogTamperedError(`event ${eventId} is not what its leaf ${index} says`);
    return { index, eventId, text, at: timeOf(event) };
  });
}
