import type { Item } from "#storage/index.ts";
import { createBalanceFold } from "./balance-fold.ts";
import { findEvent } from "./find.ts";
import { leafHash } from "./hashing.ts";
import type { Hash } from "./hashing.ts";
import { SALT_BYTES } from "./leaf.ts";
import { wrongEventRow, wrongIndexRow, wrongLogRow } from "./stored-rows.ts";
import { TILE_HEIGHT } from "./tiles.ts";
import { append, EMPTY_EDGE, rootOf } from "./tree.ts";
import type { Edge } from "./tree.ts";
import { checkEvent, checkRepeat, checkShown, checkTail, explain, feedOf } from "./verify-feed.ts";
import type { VerifyHeadsOptions } from "./verify-heads.ts";
import { comparePeaks, pinnedHeads, signedState } from "./verify-heads.ts";
import { createStateFold } from "./verify-state.ts";
import type { ToldCollection } from "./verify-state.ts";
import { checkTile, createIndexCheck, createRows } from "./verify-rows.ts";
import { LogTamperedError } from "./trusted-state.ts";
import { Wrong } from "./verify-wrong.ts";

export interface VerifyStoreOptions extends VerifyHeadsOptions {
  /** The collections that the audit log is told of: what is stored there is held against the events. Only balances are where absent. */
  readonly told?: readonly ToldCollection[];
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
      /** Objects from before events told of them, of which not everything could be compared. */
      readonly untold: number;
      /** How far each of the witnesses asked for has cosigned. */
      readonly cosigned: readonly { readonly witness: string; readonly size: number }[];
    }
  | {
      readonly ok: false;
      /** The first leaf that is wrong, where one can be named. */
      readonly index?: number;
      readonly what: string;
    };

const PAGE = 1_000;

/**
 * Goes through a whole store and believes nothing in it but what the log's key has signed: recomputes every checksum, leaf,
 * tile and the root, compares the order of the feed with that of the log, the balances of all accounts with the sum of
 * the events' entries, the objects on which money and access depend with what the events say of them, and names the first leaf or
 * object that is wrong.
 * @throws StoreUnavailableError
 */
export async function verifyStore(options: VerifyStoreOptions): Promise<VerifyReport> {
  try {
    return await verify(options);
  } catch (error) {
    // What is stored is JSON, until somebody has changed it.
    if (error instanceof SyntaxError) return { ok: false, what: `a row of the store cannot be read any more: ${error.message}` };
    if (error instanceof LogTamperedError) return { ok: false, what: error.message };
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
  const objects = createStateFold(store, options.told ?? []);
  const feed = feedOf(store);
  let edge: Edge = EMPTY_EDGE;
  let erased = 0;
  let spare: Item | undefined;

  const take = async (): Promise<Item | undefined> => {
    const item = spare ?? (await feed.next()).value;
    spare = undefined;
    return item ?? undefined;
  };

  /** @param leaf where it is sealed */
  const count = async (item: Item, leaf: number | undefined): Promise<void> => {
    try {
      fold.add(item);
      await objects.add(item, leaf !== undefined);
    } catch (error) {
      // Whatever else it is, such as a right that is lacking, says nothing of the event.
      if (!(error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError)) throw error;
      // Put into the feed by somebody before it was sealed, it may say anything, also what no event says.
      throw new Wrong(`what event ${String(item.event_id)} says of accounts and objects is malformed`, leaf);
    }
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
    await count(item, leaf);
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
  const unsealed = await checkTail(store, state, take, (item) => count(item, undefined));
  await rows.checkEnd();
  const events = await wrongEventRow(store, state.size + unsealed);
  const row = events ?? (await wrongLogRow(store, state.size)) ?? (await wrongIndexRow(store, state.size));
  if (row !== undefined) throw new Wrong(row);
  const bad = await fold.compare(store);
  if (bad !== undefined) throw new Wrong(bad);
  await objects.compare();
  onProgress?.(state.size, state.size);
  const found = { unsealed, erased, accounts: fold.accounts, untold: objects.untold, cosigned };
  return { ok: true, size: state.size, root: rootOf(edge), ...found };
}
