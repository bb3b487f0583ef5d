import { InvariantError } from "#kernel/assert.ts";
import type { Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { readCosigned } from "./cosigned.ts";
import { anyOf } from "./note-keys.ts";
import type { Verifier } from "./note-keys.ts";
import { entriesFromItem, entriesId, LOG_TABLE, logKeyKey, stateFromItem, stateKey } from "./rows.ts";
import type { LogState } from "./rows.ts";
import { stateHolds } from "./state-seal.ts";
import { TILE_WIDTH } from "./tiles.ts";
import { rootOf } from "./tree.ts";

/** The state that is stored is not one that this log signed, or not its newest: somebody has changed it. Nothing is sealed on top of it. */
export class LogTamperedError extends Error {
  override readonly name = "LogTamperedError";
}

/** Of reading what is stored. @throws LogTamperedError for a row that no version of this program has written, or that is no JSON any more */
export function unreadable(error: unknown): never {
  if (!(error instanceof InvariantError || error instanceof SyntaxError)) throw error;
  throw new LogTamperedError(error.message, { cause: error });
}

/**
 * The newest checkpoint, kept where who writes to the database does not write. An older state is genuine, with its signature: only
 * from outside can be told that it is not the newest.
 */
export interface Anchor {
  read(): string | undefined;
  keep(checkpoint: string): void;
}

/** Another sealer may finish a step between two reads of ours. */
const MAX_READS = 5;

/**
 * The stored state, where it may be built upon; `undefined` for a log that never was.
 * @param retired keys of before: the checkpoint kept outside may still be of one of them, the state may not
 * @throws LogTamperedError, StoreUnavailableError
 */
export async function trustedState(
  store: Store,
  log: Verifier,
  anchor?: Anchor,
  retired: readonly Verifier[] = [],
): Promise<LogState | undefined> {
  return settledState(store, log, anchor, retired).catch(unreadable);
}

async function settledState(
  store: Store,
  log: Verifier,
  anchor: Anchor | undefined,
  retired: readonly Verifier[],
): Promise<LogState | undefined> {
  const ever = anyOf([log, ...retired]) ?? log;
  let before: LogState | undefined | null = null;
  let end: string | undefined;
  for (let read = 0; read < MAX_READS; read++) {
    // The anchor is read first: it is never ahead of a state that is read later.
    const kept = anchor?.read();
    const cosigned = await readCosigned(store);
    const state = await signedState(store, log);
    const size = state?.size ?? 0;
    if (kept !== undefined) compareAnchor(kept, ever, state);
    if (cosigned !== undefined && cosigned.size > size)
      throw new LogTamperedError(`witnesses have cosigned a log of ${cosigned.size}, the stored one has ${size}`);
    // State and rows are of one commit. The same state twice, and rows that are not its own, is nobody's step.
    if (before !== null && end !== undefined && before?.version === state?.version) throw new LogTamperedError(end);
    end = await wrongEnd(store, size);
    if (end === undefined) return state;
    before = state;
  }
  // Each was another state than the one before it: what moves is sealed by somebody, and nothing is said of it.
  throw new StoreUnavailableError("the log is sealed on by other nodes faster than it can be read");
}

async function signedState(store: Store, log: Verifier): Promise<LogState | undefined> {
  const item = await store.get(LOG_TABLE, stateKey);
  if (item === undefined) {
    // The first state is written together with the key.
    if ((await store.get(LOG_TABLE, logKeyKey)) !== undefined && (await store.get(LOG_TABLE, stateKey)) === undefined)
      throw new LogTamperedError("the log has its key and no state: the state was removed");
    return undefined;
  }
  const state = stateFromItem(item);
  const opened = openCheckpoint(state.checkpoint, log);
  if (!opened.ok) throw new LogTamperedError(`the stored checkpoint is ${opened.fault}`);
  const { size, root } = opened.checkpoint;
  if (size !== state.size || !root.equals(rootOf(state))) throw new LogTamperedError("the stored state is not the one of its checkpoint");
  if (!stateHolds(log, state)) throw new LogTamperedError("the stored state has a cursor, time or version that was not signed");
  return state;
}

function compareAnchor(kept: string, log: Verifier, state: LogState | undefined): void {
  const opened = openCheckpoint(kept, log);
  if (!opened.ok) throw new LogTamperedError(`the checkpoint kept beside the store is ${opened.fault}`);
  const { size, root } = opened.checkpoint;
  if (size > (state?.size ?? 0)) throw new LogTamperedError(`the log was cut back from ${size} to ${state?.size ?? 0}`);
  if (state !== undefined && size === state.size && !root.equals(rootOf(state)))
    throw new LogTamperedError("the log has another root than the checkpoint kept beside the store");
}

/** In words, where there are leaves behind the end of the log, or fewer than it has. */
async function wrongEnd(store: Store, size: number): Promise<string | undefined> {
  const row = Math.floor(size / TILE_WIDTH);
  const [last, next] = await store.getMany([row, row + 1].map((n) => ({ table: LOG_TABLE, key: { hash: entriesId(n) } })));
  const held = last === undefined ? 0 : entriesFromItem(last).length;
  if (next !== undefined || held > size % TILE_WIDTH) return `the log was cut back to ${size}: there are leaves behind its end`;
  return held < size % TILE_WIDTH ? `the log lacks leaves before its end of ${size}` : undefined;
}
