import { invariant } from "#kernel/assert.ts";
import type { Item, Store } from "#storage/index.ts";
import { findEvent, readRows } from "./find.ts";
import { leafHash } from "./hashing.ts";
import type { Hash } from "./hashing.ts";
import type { Opening } from "./leaf.ts";
import { entriesFromItem, entriesId, LOG_TABLE, stateFromItem, stateKey, tileFromItem, tileId } from "./rows.ts";
import type { LogState } from "./rows.ts";
import { foldTile, formatBundle, joinHashes, tileOf, widthOf } from "./tiles.ts";
import type { TilePath } from "./tiles.ts";
import { consistencyPath, foldNodes, inclusionPath, nodesOf } from "./tree.ts";
import type { Stretch } from "./tree.ts";
import { readCosigned } from "./cosigned.ts";

/** That an event is in the log, with everything to check it by oneself. */
export interface EventProof {
  readonly index: number;
  /** Of the tree of the checkpoint. */
  readonly size: number;
  readonly leaf: Hash;
  readonly opening: Opening;
  readonly hashes: readonly Hash[];
  readonly checkpoint: string;
}

/** Reads the log. Everything @throws StoreUnavailableError. */
export interface LogReader {
  /** The newest checkpoint; the newest one that witnesses cosigned where asked for; `undefined` where there is none. */
  checkpoint(witnessed?: boolean): Promise<{ readonly size: number; readonly text: string } | undefined>;
  state(): Promise<LogState | undefined>;
  /**
   * The proof for an event by a checkpoint that witnesses cosigned, or by the newest one while they have not seen the
   * event. `undefined` while it is not sealed.
   */
  proof(eventId: string): Promise<EventProof | undefined>;
  /** Which leaf an event is; `undefined` while it is not sealed. */
  placeOf(eventId: string): Promise<number | undefined>;
  /** The consistency proof between two sizes; `undefined` where the log is not that large. */
  consistency(from: number, to: number): Promise<readonly Hash[] | undefined>;
  /** A tile or a bundle as it is served; `undefined` where the log has no such one. */
  tile(path: TilePath): Promise<Buffer | undefined>;
}

/** Reads the log out of the store, in a handful of rows whatever its size. */
export function createLogReader(store: Store): LogReader {
  const state = async (): Promise<LogState | undefined> => {
    const item = await store.get(LOG_TABLE, stateKey);
    return item === undefined ? undefined : stateFromItem(item);
  };

  /** The hashes of subtrees, each row read once. */
  const hashesOf = async (path: readonly Stretch[]): Promise<readonly Hash[]> => {
    const nodes = path.map((stretch) => nodesOf(stretch).map((node) => tileOf(node)));
    const ids = [...new Set(nodes.flat().map(({ level, index }) => (level === 0 ? entriesId(index) : tileId(level, index))))];
    const rows = await readRows(store, ids);
    const tiles = new Map(ids.map((id, n) => [id, hashesIn(id, rows[n])]));
    return nodes.map((parts) =>
      foldNodes(
        parts.map(({ level, index, from, count }) => {
          const hashes = tiles.get(level === 0 ? entriesId(index) : tileId(level, index)) ?? [];
          invariant(hashes.length >= from + count, "a tile of the log is shorter than the log");
          return foldTile(hashes, from, count);
        }),
      ),
    );
  };

  return {
    state,
    async checkpoint(witnessed = false) {
      if (witnessed) {
        const cosigned = await readCosigned(store);
        return cosigned === undefined ? undefined : { size: cosigned.size, text: cosigned.checkpoint };
      }
      const now = await state();
      return now === undefined ? undefined : { size: now.size, text: now.checkpoint };
    },
    async proof(eventId) {
      const [now, cosigned] = await Promise.all([state(), readCosigned(store)]);
      if (now === undefined) return undefined;
      const found = await findEvent(store, eventId, now.size);
      if (found === undefined) return undefined;
      const { index, entry, opening } = found;
      const by = cosigned !== undefined && index < cosigned.size ? cosigned : now;
      const hashes = await hashesOf(inclusionPath(index, by.size));
      return { index, size: by.size, leaf: leafHash(entry), opening, hashes, checkpoint: by.checkpoint };
    },
    async placeOf(eventId) {
      const now = await state();
      return now === undefined ? undefined : (await findEvent(store, eventId, now.size))?.index;
    },
    async consistency(from, to) {
      const now = await state();
      if (now === undefined || to > now.size || from > to) return undefined;
      return hashesOf(consistencyPath(from, to));
    },
    async tile({ level, index, width }) {
      const now = await state();
      const at = level === "entries" ? 0 : level;
      if (now === undefined || widthOf(at, index, now.size) < width) return undefined;
      const id = at === 0 ? entriesId(index) : tileId(at, index);
      const item = await store.get(LOG_TABLE, { hash: id });
      if (item === undefined) return undefined;
      if (level !== "entries") return joinHashes(hashesIn(id, item).slice(0, width));
      return formatBundle(
        entriesFromItem(item)
          .slice(0, width)
          .map(({ entry }) => entry),
      );
    },
  };
}

function hashesIn(id: string, item: Item | undefined): readonly Hash[] {
  invariant(item !== undefined, `the log lacks its row ${id}`);
  return id.startsWith("entries/") ? entriesFromItem(item).map(({ entry }) => leafHash(entry)) : tileFromItem(item);
}
