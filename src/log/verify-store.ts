import { invariant } from "#kernel/assert.ts";
import { checksumOf } from "#audit/index.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import { partitionOf } from "#kernel/ids.ts";
import type { FeedPage, Item, Store } from "#storage/index.ts";
import { createBalanceFold } from "./balance-fold.ts";
import { openCheckpoint } from "./checkpoint.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { readCosigned } from "./cosigned.ts";
import { findEvent, findSpans } from "./find.ts";
import { leafHash } from "./hashing.ts";
import type { Hash } from "./hashing.ts";
import { entryOf, hasStoredMembers, SALT_BYTES } from "./leaf.ts";
import type { Verifier } from "./note-keys.ts";
import { bucketOf, entriesFromItem, entriesId, LOG_TABLE, stateFromItem, stateKey, tileFromItem, tileId } from "./rows.ts";
import type { LogState, SealedEntry, Span } from "./rows.ts";
import { isSame, isSealedAs } from "./same-event.ts";
import { stateHolds } from "./state-seal.ts";
import type { VerifiedStore } from "./stored-rows.ts";
import { wrongEventRow, wrongLogRow } from "./stored-rows.ts";
import { TILE_HEIGHT, TILE_WIDTH } from "./tiles.ts";
import { append, EMPTY_EDGE, rootOf } from "./tree.ts";
import type { Edge } from "./tree.ts";

export interface VerifyStoreOptions {
  readonly store: VerifiedStore;
  readonly log: Verifier;
  /** Each has to have cosigned a checkpoint; how far is told in the report. */
  readonly witnesses?: readonly Verifier[];
  /** A checkpoint kept from before: the log has to have grown from it. */
  readonly since?: string;
  readonly onProgress?: (verified: number, size: number) => void;
}

/** What was found. `ok` with the facts, or the first thing that is wrong. */
export type VerifyReport =
  | {
      readonly ok: true;
      readonly size: number;
      readonly root: Hash;
      /** Events that the log did not have sealed yet. */
      readonly unsealed: number;
      /** Events whose caller's address was erased. */
      readonly erased: number;
      readonly accounts: number;
      /** How far each of the witnesses asked for has cosigned. */
      readonly cosigned: readonly { readonly witness: string; readonly size: number }[];
    }
  | {
      readonly ok: false;
      /** The first leaf that is wrong, where one can be named. */
      readonly index?: number;
      readonly what: string;
    };

/** Something is wrong. Caught by `verifyStore`, so that the checks below read as a list. */
class Wrong extends Error {
  override readonly name = "Wrong";
  readonly index: number | undefined;
  constructor(what: string, index?: number) {
    super(what);
    this.index = index;
  }
}

const PAGE = 1_000;

/**
 * Goes through a whole store and believes nothing in it but what the log's key has signed: recomputes every checksum, leaf,
 * tile and the root, compares the order of the feed with that of the log, the balances of all accounts with the sum of
 * the events' entries, and names the first leaf that is wrong.
 * @throws StoreUnavailableError
 */
export async function verifyStore(options: VerifyStoreOptions): Promise<VerifyReport> {
  try {
    return await verify(options);
  } catch (error) {
    if (!(error instanceof Wrong)) throw error;
    return { ok: false, what: error.message, ...(error.index === undefined ? {} : { index: error.index }) };
  }
}

async function verify(options: VerifyStoreOptions): Promise<VerifyReport> {
  const { store, onProgress } = options;
  const state = await signedState(options);
  const { pinned, cosigned } = await pinnedHeads(options, state.size);
  const rows = createRows(store, state.size);
  const index = createIndexCheck(store);
  const fold = createBalanceFold();
  const feed = feedOf(store);
  let edge: Edge = EMPTY_EDGE;
  let erased = 0;
  let spare: Item | undefined;

  const take = async (): Promise<Item | undefined> => {
    const item = spare ?? (await feed.next()).value;
    spare = undefined;
    return item ?? undefined;
  };

  for (let leaf = 0; leaf < state.size; leaf++) {
    const sealed = await rows.entry(leaf);
    let item = await take();
    // A feed over streams may tell an event again; a file has it once. Nothing else may stand between two events of the log.
    while (item !== undefined && item.event_id !== sealed.eventId) {
      const where = await findEvent(store, String(item.event_id), state.size).catch(() => undefined);
      if (where === undefined || where.index >= leaf) break;
      checkRepeat(store, item, where, leaf);
      item = await take();
    }
    if (item === undefined || item.event_id !== sealed.eventId) throw await explain(store, state.size, leaf, sealed, item);
    checkEvent(item, sealed, leaf);
    await checkShown(store, item, leaf);
    await index.check(sealed.eventId, leaf);
    if (sealed.opening.length > SALT_BYTES) erased += 1;
    fold.add(item);
    const nodes: { readonly height: number; readonly at: number; readonly node: Hash }[] = [];
    edge = append(edge, [leafHash(sealed.entry)], (height, at, node) => {
      if (height > 0 && height % TILE_HEIGHT === 0) nodes.push({ height, at, node });
    });
    for (const { height, at, node } of nodes) await checkTile(store, height, at, node);
    for (const { size, root, whose } of pinned)
      if (edge.size === size && !rootOf(edge).equals(root))
        throw new Wrong(`the log is not the one of ${whose} of size ${size}: its first ${size} leaves differ`);
    if (leaf % PAGE === PAGE - 1) onProgress?.(leaf + 1, state.size);
  }
  comparePeaks(edge, state);
  const unsealed = await checkTail(store, state, take, (item) => fold.add(item));
  await rows.checkEnd();
  const row = wrongEventRow(store, state.size + unsealed) ?? wrongLogRow(store, state.size);
  if (row !== undefined) throw new Wrong(row);
  const bad = await fold.compare(store);
  if (bad !== undefined) throw new Wrong(bad);
  onProgress?.(state.size, state.size);
  return { ok: true, size: state.size, root: rootOf(edge), unsealed, erased, accounts: fold.accounts, cosigned };
}

/** The state, where its checkpoint is signed by the log. */
async function signedState({ store, log }: VerifyStoreOptions): Promise<LogState> {
  const item = await store.get(LOG_TABLE, stateKey);
  if (item === undefined) {
    if ((await store.feed(undefined, 1)).items.length === 0 || (await store.get(LOG_TABLE, { hash: "key" })) === undefined)
      throw new Wrong("nothing was sealed in this store yet: start the server on it, or the log was removed");
    throw new Wrong("the log's state is gone", 0);
  }
  const state = wellFormed("the log's state", undefined, () => stateFromItem(item));
  const opened = openCheckpoint(state.checkpoint, log);
  if (!opened.ok) throw new Wrong(`the stored checkpoint is not the log's: ${opened.fault}`);
  if (opened.checkpoint.size !== state.size) throw new Wrong("the log's state has another size than its signed checkpoint");
  if (!wellFormed("the log's state", undefined, () => rootOf(state)).equals(opened.checkpoint.root))
    throw new Wrong("the log's state has another root than its signed checkpoint");
  if (!stateHolds(log, state)) throw new Wrong("the log's state has a cursor, time or version that was not signed");
  return state;
}

interface Pinned extends Pick<Checkpoint, "size" | "root"> {
  readonly whose: string;
}

interface Pins {
  readonly pinned: readonly Pinned[];
  readonly cosigned: readonly { readonly witness: string; readonly size: number }[];
}

/** Checkpoints beside the newest that the tree has to run through: the one handed in, and those that witnesses cosigned. */
async function pinnedHeads({ store, log, witnesses = [], since }: VerifyStoreOptions, size: number): Promise<Pins> {
  const pinned: Pinned[] = [];
  const pin = (text: string, whose: string, needed: readonly Verifier[]): void => {
    const opened = openCheckpoint(text, log, needed);
    if (!opened.ok) throw new Wrong(`the checkpoint of ${whose} is not to be believed: ${opened.fault}`);
    if (opened.checkpoint.size > size)
      throw new Wrong(`the log was cut back: the checkpoint of ${whose} has ${opened.checkpoint.size} leaves, the log ${size}`, size);
    pinned.push({ ...opened.checkpoint, whose });
  };
  if (since !== undefined) pin(since, "the earlier look", []);
  const kept = await readCosigned(store).catch(() => undefined);
  if (kept !== undefined) pin(kept.checkpoint, "the witnesses", []);
  // One that was not to be reached is behind the others: that is told, and is nothing wrong with the log.
  const cosigned = witnesses.map((witness) => {
    const own = kept?.by.find(({ name, keyId }) => name === witness.name && keyId === witness.keyId);
    if (own === undefined) throw new Wrong(`no checkpoint was cosigned by ${witness.name}`);
    pin(own.checkpoint, witness.name, [witness]);
    return { witness: witness.name, size: own.size };
  });
  return { pinned, cosigned };
}

function wellFormed<T>(what: string, index: number | undefined, read: () => T): T {
  try {
    return read();
  } catch {
    throw new Wrong(`${what} is malformed`, index);
  }
}

interface Rows {
  entry(index: number): Promise<SealedEntry>;
  /** That no row says more than the log is long. */
  checkEnd(): Promise<void>;
}

function createRows(store: Store, size: number): Rows {
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

async function* feedOf(store: Store): AsyncGenerator<Item, undefined> {
  let cursor: string | undefined;
  let place = 0;
  for (let limit = PAGE; ; ) {
    let page: FeedPage;
    try {
      page = await store.feed(cursor, limit);
    } catch (error) {
      // One row that is no JSON any more spoils its page: the rows before it are read one by one.
      if (!(error instanceof SyntaxError)) throw error;
      if (limit === 1) throw new Wrong("the event there cannot be read", place);
      limit = 1;
      continue;
    }
    if (page.items.length === 0) return undefined;
    for (const item of page.items) {
      if (!isObject(item)) throw new Wrong("the event there cannot be read", place);
      yield item;
      place += 1;
    }
    cursor = page.cursor;
  }
}

/** JSON that is no object is no item, whatever the port says of a file that was edited. */
const isObject = (item: unknown): boolean => typeof item === "object" && item !== null && !Array.isArray(item);

function checkEvent(item: Item, sealed: SealedEntry, index: number): void {
  const { event_id, organisation_id, partition } = item;
  if (organisation_id !== sealed.organisationId || partition !== partitionOf(sealed.organisationId as OrganisationId, sealed.eventId))
    throw new Wrong(`event ${String(event_id)} is not the organisation's that the log says`, index);
  checkMembers(item, index);
  if (!wellFormed(`the leaf of ${String(event_id)}`, index, () => entryOf(item, sealed.opening)).equals(sealed.entry))
    throw new Wrong(`event ${String(event_id)} is not what its leaf says`, index);
}

/** That an event has the members of an event and no others, and its checksum. */
function checkMembers(item: Item, index: number, which = ""): void {
  const name = `event ${String(item.event_id)}${which}`;
  if (item.checksum !== wellFormed(name, index, () => checksumOf(item))) throw new Wrong(`${name} does not have its checksum`, index);
  if (!hasStoredMembers(item)) throw new Wrong(`${name} has other members than events have`, index);
}

/** An event told again has to be the sealed one, and no file tells one again. */
function checkRepeat(store: VerifiedStore, item: Item, where: SealedEntry & { readonly index: number }, at: number): void {
  if (store.rows === undefined && isSealedAs(item, where)) return;
  throw new Wrong(`event ${where.eventId}, which is leaf ${where.index}, is there a second time`, at);
}

/** What the API finds by the event's key has to be what the feed tells. */
async function checkShown(store: Store, item: Item, index: number): Promise<void> {
  const key = { hash: String(item.partition), range: String(item.event_id) };
  const shown: unknown = await store.get("smartfinance-audit-logs", key).catch(() => undefined);
  if (shown === undefined) throw new Wrong(`event ${String(item.event_id)} is not found by its key`, index);
  if (!isObject(shown) || !isSame(shown as Item, item))
    throw new Wrong(`another event is found by the key of ${String(item.event_id)}`, index);
}

/** Buckets whose stretches are remembered: neighbours in the log mostly are of one. */
const BUCKETS = 64;

/** That each leaf is found by the index that the API finds it by. */
function createIndexCheck(store: Store): { check(eventId: string, index: number): Promise<void> } {
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
async function checkTile(store: Store, height: number, at: number, node: Hash): Promise<void> {
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

/** The computed tree against the signed one: the first part that differs. */
function comparePeaks(edge: Edge, state: LogState): void {
  invariant(edge.size === state.size, "as many leaves were read as the log has");
  let first = 0;
  for (const [n, peak] of state.peaks.entries()) {
    const own = edge.peaks[n];
    let width = 1;
    while (width * 2 <= state.size - first) width *= 2;
    if (own === undefined || !own.equals(peak))
      throw new Wrong(`leaves ${first} to ${first + width - 1} are not those that were signed: event and leaf were both changed`, first);
    first += width;
  }
}

/** What the feed has behind the log: only what the sealing has not come to yet. */
async function checkTail(
  store: VerifiedStore,
  state: LogState,
  take: () => Promise<Item | undefined>,
  add: (item: Item) => void,
): Promise<number> {
  const rest: Item[] = [];
  for (let item = await take(); item !== undefined; item = await take()) {
    const again = await findEvent(store, String(item.event_id), state.size).catch(() => undefined);
    if (again !== undefined) checkRepeat(store, item, again, state.size);
    else rest.push(item);
  }
  const waiting = new Set<string>();
  let cursor = state.cursor;
  for (;;) {
    const page = await store.feed(cursor, PAGE);
    if (page.items.length === 0) break;
    for (const { event_id } of page.items) waiting.add(String(event_id));
    cursor = page.cursor;
  }
  const counted = new Set<string>();
  for (const item of rest) {
    const id = String(item.event_id);
    if (!waiting.has(id)) throw new Wrong(`event ${id} was inserted behind the last sealed one`, state.size);
    if (counted.has(id)) {
      if (store.rows !== undefined) throw new Wrong(`event ${id}, not sealed yet, is there a second time`, state.size);
      continue;
    }
    const index = state.size + counted.size;
    checkMembers(item, index, ", not sealed yet,");
    await checkShown(store, item, index);
    counted.add(id);
    add(item);
  }
  return counted.size;
}

/** Why the event at this place of the feed is not the one that the log has there. */
async function explain(store: Store, size: number, index: number, sealed: SealedEntry, found: Item | undefined): Promise<Wrong> {
  const { eventId, organisationId } = sealed;
  const key = { hash: partitionOf(organisationId as OrganisationId, eventId), range: eventId };
  const stored: unknown = await store.get("smartfinance-audit-logs", key).catch(() => undefined);
  if (!isObject(stored) || (stored as Item).event_id !== eventId) return new Wrong(`event ${eventId} was deleted`, index);
  if (found === undefined) return new Wrong(`event ${eventId} is not where it was`, index);
  const other = String(found.event_id);
  const elsewhere = await findEvent(store, other, size).catch(() => undefined);
  return elsewhere === undefined
    ? new Wrong(`event ${other} was inserted before ${eventId}`, index)
    : new Wrong(`event ${other} stands where ${eventId} was: events were put in another order`, index);
}
