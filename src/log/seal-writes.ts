import { invariant } from "#kernel/assert.ts";
import type { Item, Write } from "#storage/index.ts";
import { leafHash } from "./hashing.ts";
import type { Hash } from "./hashing.ts";
import {
  bucketOf,
  entriesFromItem,
  entriesId,
  entriesToItem,
  LOG_INDEX_TABLE,
  LOG_TABLE,
  spanToItem,
  stateToItem,
  tileFromItem,
  tileId,
  tileToItem,
} from "./rows.ts";
import type { LogState, SealedEntry, Span } from "./rows.ts";
import { TILE_HEIGHT, TILE_WIDTH } from "./tiles.ts";
import { append } from "./tree.ts";
import type { Edge } from "./tree.ts";

/** Levels of tiles that a tree of less than 2^53 leaves can have. */
const LEVELS = 7;

/** The rows that are begun and not full in a log of `size`: what is appended to it continues them. */
export function neededRows(size: number): readonly string[] {
  const ids = size % TILE_WIDTH === 0 ? [] : [entriesId(Math.floor(size / TILE_WIDTH))];
  for (let level = 1; level < LEVELS; level++) {
    const hashes = Math.floor(size / TILE_WIDTH ** level);
    if (hashes % TILE_WIDTH !== 0) ids.push(tileId(level, Math.floor(hashes / TILE_WIDTH)));
  }
  return ids;
}

export interface Sealing {
  readonly edge: Edge;
  /** Those of `neededRows`, by their id. */
  readonly rows: ReadonlyMap<string, Item>;
  readonly entries: readonly SealedEntry[];
  /** The state of the log with the entries in it. */
  readonly state: (edge: Edge) => LogState;
}

/** Everything that one commit writes to seal `entries`, in order, behind what the log has. Pure. */
export function sealWrites({ edge, rows, entries, state }: Sealing): { readonly next: LogState; readonly writes: readonly Write[] } {
  const { size } = edge;
  const changed = new Map<string, Item>();
  for (let at = 0; at < entries.length; ) {
    const row = Math.floor((size + at) / TILE_WIDTH);
    const before = (size + at) % TILE_WIDTH;
    const begun = before === 0 ? [] : entriesFromItem(rowOf(rows, entriesId(row))).slice(0, before);
    invariant(begun.length === before, `the row ${entriesId(row)} is shorter than the log`);
    const taken = entries.slice(at, at + TILE_WIDTH - before);
    changed.set(entriesId(row), entriesToItem(row, [...begun, ...taken]));
    at += taken.length;
  }

  const tiles = new Map<string, { readonly level: number; readonly index: number; readonly hashes: Hash[] }>();
  const onNode = (height: number, index: number, node: Hash): void => {
    if (height === 0 || height % TILE_HEIGHT !== 0) return;
    const level = height / TILE_HEIGHT;
    const place = index % TILE_WIDTH;
    const tile = Math.floor(index / TILE_WIDTH);
    const id = tileId(level, tile);
    let held = tiles.get(id);
    if (held === undefined) {
      const begun = place === 0 ? [] : tileFromItem(rowOf(rows, id)).slice(0, place);
      held = { level, index: tile, hashes: [...begun] };
      tiles.set(id, held);
    }
    invariant(held.hashes.length === place, `the row ${id} is shorter than the log`);
    held.hashes.push(node);
  };
  const next = state(
    append(
      edge,
      entries.map(({ entry }) => leafHash(entry)),
      onNode,
    ),
  );
  for (const [id, { level, index, hashes }] of tiles) changed.set(id, tileToItem(level, index, hashes));

  const spans = new Map<string, Span>();
  for (const [n, { eventId }] of entries.entries()) {
    const bucket = bucketOf(eventId);
    const first = spans.get(bucket)?.first ?? size + n;
    spans.set(bucket, { first, last: size + n });
  }
  return {
    next,
    writes: [
      {
        op: "put",
        table: LOG_TABLE,
        item: stateToItem(next),
        condition: next.version === 1 ? "absent" : { version: next.version - 1 },
      },
      ...[...changed.values()].map((item): Write => ({ op: "put", table: LOG_TABLE, item, condition: "none" })),
      ...[...spans].map(
        ([bucket, span]): Write => ({ op: "put", table: LOG_INDEX_TABLE, item: spanToItem(bucket, span), condition: "none" }),
      ),
    ],
  };
}

function rowOf(rows: ReadonlyMap<string, Item>, id: string): Item {
  const row = rows.get(id);
  invariant(row !== undefined, `the log lacks its row ${id}`);
  return row;
}
