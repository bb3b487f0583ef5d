import { invariant, InvariantError } from "#kernel/assert.ts";
import { openCheckpoint } from "./checkpoint.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { readCosigned } from "./cosigned.ts";
import type { Verifier } from "./note-keys.ts";
import { LOG_TABLE, stateFromItem, stateKey } from "./rows.ts";
import type { LogState } from "./rows.ts";
import { stateHolds } from "./state-seal.ts";
import type { VerifiedStore } from "./stored-rows.ts";
import { rootOf } from "./tree.ts";
import type { Edge } from "./tree.ts";
import { wellFormed, Wrong } from "./verify-wrong.ts";

export interface VerifyHeadsOptions {
  readonly store: VerifiedStore;
  readonly log: Verifier;
  /** Each has to have cosigned a checkpoint; how far is told in the report. */
  readonly witnesses?: readonly Verifier[];
  /** A checkpoint kept from before: the log has to have grown from it. */
  readonly since?: string;
}

/** The state, where its checkpoint is signed by the log. */
export async function signedState({ store, log }: VerifyHeadsOptions): Promise<LogState> {
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

export interface Pinned extends Pick<Checkpoint, "size" | "root"> {
  readonly whose: string;
}

export interface Pins {
  readonly pinned: readonly Pinned[];
  readonly cosigned: readonly { readonly witness: string; readonly size: number }[];
}

/** Checkpoints beside the newest that the tree has to run through: the one handed in, and those that witnesses cosigned. */
export async function pinnedHeads({ store, log, witnesses = [], since }: VerifyHeadsOptions, size: number): Promise<Pins> {
  const pinned: Pinned[] = [];
  const pin = (text: string, whose: string, needed: readonly Verifier[]): number => {
    const opened = openCheckpoint(text, log, needed);
    if (!opened.ok) throw new Wrong(`the checkpoint of ${whose} is not to be believed: ${opened.fault}`);
    if (opened.checkpoint.size > size)
      throw new Wrong(`the log was cut back: the checkpoint of ${whose} has ${opened.checkpoint.size} leaves, the log ${size}`, size);
    pinned.push({ ...opened.checkpoint, whose });
    return opened.checkpoint.size;
  };
  if (since !== undefined) pin(since, "the earlier look", []);
  const kept = await readCosigned(store).catch((error: unknown) => {
    if (!(error instanceof InvariantError || error instanceof TypeError)) throw error;
    throw new Wrong("the checkpoint of the witnesses is malformed");
  });
  if (kept !== undefined) pin(kept.checkpoint, "the witnesses", []);
  // One that was not to be reached is behind the others: that is told, and is nothing wrong with the log.
  const cosigned = witnesses.map((witness) => {
    const own = kept?.by.find(({ name, keyId }) => name === witness.name && keyId === witness.keyId);
    if (own === undefined) throw new Wrong(`no checkpoint was cosigned by ${witness.name}`);
    // The size that the row says beside it is nobody's word.
    return { witness: witness.name, size: pin(own.checkpoint, witness.name, [witness]) };
  });
  return { pinned, cosigned };
}

/** The computed tree against the signed one: the first part that differs. */
export function comparePeaks(edge: Edge, state: LogState): void {
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
