import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Random } from "#kernel/random.ts";
import type { FeedPage, Item, Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { checkpointText } from "./checkpoint.ts";
import { findSpans, readRows, rowsIn, rowsOfEntries } from "./find.ts";
import type { Hash } from "./hashing.ts";
import { entryOf, SALT_BYTES } from "./leaf.ts";
import type { Opening } from "./leaf.ts";
import { formatNote } from "./note.ts";
import type { Signer } from "./note-keys.ts";
import { bucketOf, LOG_TABLE, logKeyKey, MAX_SPAN } from "./rows.ts";
import type { LogState, SealedEntry } from "./rows.ts";
import { neededRows, sealWrites } from "./seal-writes.ts";
import type { Sealing } from "./seal-writes.ts";
import { isSame, isSealedAs } from "./same-event.ts";
import { signState } from "./state-seal.ts";
import { TILE_WIDTH } from "./tiles.ts";
import { parseVkey, signaturesOf } from "./note-keys.ts";
import { EMPTY_EDGE, rootOf } from "./tree.ts";
import type { Anchor } from "./trusted-state.ts";
import { LogTamperedError, trustedState, unreadable } from "./trusted-state.ts";
import { isObject } from "./verify-wrong.ts";

export { LogTamperedError };

export interface SealerDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly signer: Signer;
  /** The most events of one step, at least 256; some milliseconds of work where absent. */
  readonly eventsPerStep?: number;
  /** What is kept of the newest checkpoint outside the store, where there is a place for it. */
  readonly anchor?: Anchor | undefined;
  /** How long the log was when this process saw it last, for sealers that follow each other; of this one alone where absent. */
  readonly longest?: { size: number };
}

export interface Sealed {
  /** Events that are in the log now by this step. */
  readonly events: number;
  /** Whether another step would find something to do. */
  readonly more: boolean;
}

/** The machine's clock is behind what was sealed last. Nothing is signed until it is right again. */
export class ClockSkewError extends Error {
  override readonly name = "ClockSkewError";
}

/** The log has another key by now: whoever seals has to open it anew. Nothing is wrong. */
export class LogKeyChangedError extends Error {
  override readonly name = "LogKeyChangedError";
}

/** Events of one step where more wait: some milliseconds of work. */
const STEP = 2 * TILE_WIDTH;
/** The most that a store gives in one page. */
const PAGE = 1_000;
/** Pages of one step, which seals no more than the index can tell of one. */
const MAX_PAGES = MAX_SPAN / PAGE;
/** Rows of a step besides those of the index: entries, tiles of every level, the state. */
const OTHER_ROWS = 12;
/** How far the clock may be behind the last checkpoint (AUD-12), ms. */
export const MAX_SKEW_MS = 60_000;
const MAX_HALVINGS = 12;

/** The entry of an event. @throws LogTamperedError for one that no version of this program has written: half a character, a depth beyond all */
function entryFor(item: Item, opening: Opening): Hash {
  try {
    return entryOf(item, opening);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new LogTamperedError(`event ${String(item.event_id)} has no text that a leaf commits to: ${why}`, { cause: error });
  }
}

/** What an event is found by. @throws LogTamperedError for what is no name at all */
function nameIn(item: Item, member: "event_id" | "organisation_id"): string {
  const name = item[member];
  if (name === "" || (typeof name === "object" && name !== null))
    throw new LogTamperedError(`the feed has an event whose ${member} is none`);
  return String(name);
}

function writesFor(sealing: Sealing): ReturnType<typeof sealWrites> {
  try {
    return sealWrites(sealing);
  } catch (error) {
    return unreadable(error);
  }
}

/**
 * Seals the feed into the log, step by step. A step reads the state, the feed behind it, and writes the new entries, the tiles
 * they complete, where to find them and the new state in one commit, under the condition that the state is the one it read.
 * So any number of sealers may run: of those that start from one state one wins, and what the others made, checkpoints
 * included, was never shown to anyone. A kill at any point leaves the state before or the one after; the next step is the recovery.
 */
export function createSealer(deps: SealerDeps): { step(): Promise<Sealed> } {
  const { store, clock, random, signer, anchor, eventsPerStep = STEP, longest = { size: 0 } } = deps;
  /** The state as this process left it; whoever else seals makes the next commit fail, and then it is read anew. */
  let known: LogState | undefined;

  const readState = async (): Promise<LogState | undefined> => {
    const state = await trustedState(store, signer.verifier, anchor, signer.retired).catch(async (error: unknown) => {
      // A state that another key has signed: after a rotation that is how it has to be.
      const key = error instanceof LogTamperedError ? await store.get(LOG_TABLE, logKeyKey) : undefined;
      const present = typeof key?.public_key === "string" ? parseVkey(key.public_key) : undefined;
      if (present !== undefined && present.vkey !== signer.verifier.vkey) throw new LogKeyChangedError("the log has a new key");
      throw error;
    });
    const size = state?.size ?? 0;
    if (size < longest.size) throw new LogTamperedError(`the log was cut back from ${longest.size} to ${size}`);
    longest.size = size;
    return state;
  };

  const sign = (size: number, root: Buffer, at: number): string => {
    const text = checkpointText({ origin: signer.verifier.name, size, root });
    return formatNote({ text, signatures: signaturesOf(signer, text, at) });
  };

  /** The items of a page that the log does not have yet, each once: a feed may give an item again. */
  const unsealed = async (items: readonly Item[], size: number): Promise<Item[]> => {
    const fresh = new Map<string, Item>();
    for (const item of items) {
      if (!isObject(item)) throw new LogTamperedError("the feed has a row that is no event");
      const id = nameIn(item, "event_id");
      const before = fresh.get(id);
      if (before !== undefined && !isSame(before, item)) throw new LogTamperedError(`there are two events ${id}`);
      fresh.set(id, item);
    }
    if (size === 0) return [...fresh.values()];
    const spans = await findSpans(store, [...new Set([...fresh.keys()].map(bucketOf))]);
    for await (const { entries } of rowsOfEntries(store, rowsIn(spans, size)))
      for (const sealed of entries) {
        const again = fresh.get(sealed.eventId);
        if (again === undefined) continue;
        if (!isSealedAs(again, sealed)) throw new LogTamperedError(`there is another event ${sealed.eventId} than the sealed one`);
        fresh.delete(sealed.eventId);
      }
    return [...fresh.values()];
  };

  /** What the feed has behind `from`, up to `limit`. A page without events is not its end where the cursor moved: they are gone from the table. */
  const pages = async (from: string | undefined, limit: number): Promise<FeedPage> => {
    let page: FeedPage | undefined;
    const items: Item[] = [];
    for (let read = 0; read < MAX_PAGES && items.length < limit; read++) {
      const before = page === undefined ? from : page.cursor;
      page = await store.feed(before, Math.min(PAGE, limit - items.length));
      items.push(...page.items);
      if (page.cursor === before) break;
    }
    invariant(page !== undefined, "a step has room for an event");
    return { items, cursor: page.cursor };
  };

  const step = async (): Promise<Sealed> => {
    known ??= await readState();
    const state = known;
    const size = state?.size ?? 0;
    const now = clock.now();
    if (state !== undefined && now < state.sealedAt - MAX_SKEW_MS)
      throw new ClockSkewError(`the clock is ${state.sealedAt - now} ms behind the last checkpoint: nothing is sealed`);
    // Where more wait, a step ends with a full row.
    let limit = eventsPerStep - (size % TILE_WIDTH);
    for (let halving = 0; halving < MAX_HALVINGS; halving++) {
      const page = await pages(state?.cursor, limit).catch(unreadable);
      // A log at its beginning, and a feed without an event, are not worth a step; a cursor that moved over nothing is.
      if (page.items.length === 0 && (state?.cursor === undefined || page.cursor === state.cursor)) return { events: 0, more: false };
      const items = await unsealed(page.items, size).catch(unreadable);
      const buckets = new Set(items.map(({ event_id }) => bucketOf(String(event_id)))).size;
      if (buckets + OTHER_ROWS > store.limits.writesPerCommit) {
        limit = Math.max(1, Math.floor(limit / 2));
        continue;
      }
      const salts = Buffer.from(random.bytes(SALT_BYTES * items.length));
      const entries = items.map((item, n): SealedEntry => {
        const opening = salts.subarray(n * SALT_BYTES, (n + 1) * SALT_BYTES);
        return {
          organisationId: nameIn(item, "organisation_id"),
          eventId: String(item.event_id),
          entry: entryFor(item, opening),
          opening,
        };
      });
      const ids = neededRows(size);
      const rows = await readRows(store, ids).catch(unreadable);
      const { next, writes } = writesFor({
        edge: state ?? EMPTY_EDGE,
        rows: new Map(ids.flatMap((id, n) => (rows[n] === undefined ? [] : [[id, rows[n]]]))),
        entries,
        state: (edge) =>
          signState(signer, {
            ...edge,
            cursor: page.cursor,
            checkpoint: sign(edge.size, rootOf(edge), now),
            sealedAt: Math.max(now, state?.sealedAt ?? 0),
            version: (state?.version ?? 0) + 1,
          }),
      });
      const result = await store.commit(writes);
      if (result.outcome === "unavailable") throw new StoreUnavailableError("the log cannot be written", { cause: result.cause });
      // Somebody else sealed first, or it is not known: the state says how it went.
      known = result.outcome === "committed" ? next : undefined;
      if (known !== undefined) {
        longest.size = known.size;
        anchor?.keep(known.checkpoint);
      }
      const more = known === undefined || page.items.length === limit;
      return { events: known === undefined ? 0 : entries.length, more };
    }
    invariant(false, "a step of one event does not fit a commit");
  };

  return {
    async step() {
      try {
        return await step();
      } catch (error) {
        // What is believed of the log may be what is wrong: the next step reads it anew.
        known = undefined;
        throw error;
      }
    },
  };
}
