import { HASH_BYTES } from "./hashing.ts";
import type { Hash } from "./hashing.ts";
import type { NodeAt } from "./tree.ts";
import { foldNodes } from "./tree.ts";

/** Hashes in a full tile, and entries in a full bundle. C2SP tlog-tiles. */
export const TILE_WIDTH = 256;
/** Levels of the tree between two levels of tiles. */
export const TILE_HEIGHT = 8;

/** A tile, or with level `entries` a bundle of entries. */
export interface TilePath {
  readonly level: number | "entries";
  readonly index: number;
  /** How many hashes or entries; 256 for a full one. */
  readonly width: number;
}

const PATH = /^(entries|0|[1-9]|[1-5][0-9]|6[0-3])\/((?:x[0-9]{3}\/){0,4}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

/** Reads what follows `tile/`: `<L>/<N>[.p/<W>]`. @returns `undefined` for what no tile is called */
export function parseTilePath(path: string): TilePath | undefined {
  const [, level, groups, partial] = PATH.exec(path) ?? [];
  if (level === undefined || groups === undefined) return undefined;
  // Several elements with a first of zeroes would be a second name of a tile.
  if (groups.startsWith("x000/")) return undefined;
  const width = partial === undefined ? TILE_WIDTH : Number(partial);
  if (partial !== undefined && width >= TILE_WIDTH) return undefined;
  return { level: level === "entries" ? level : Number(level), index: Number(groups.replaceAll(/[x/]/g, "")), width };
}

/** The path that `parseTilePath` reads. */
export function formatTilePath({ level, index, width }: TilePath): string {
  const groups = [String(index % 1000).padStart(3, "0")];
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000))
    groups.unshift(`x${String(rest % 1000).padStart(3, "0")}`);
  return `${level}/${groups.join("/")}${width === TILE_WIDTH ? "" : `.p/${width}`}`;
}

/** How many hashes the tile `index` of `level` has in a tree of `size`; 0 where there is no such tile. */
export function widthOf(level: number, index: number, size: number): number {
  const hashes = Math.floor(size / TILE_WIDTH ** level);
  return Math.max(0, Math.min(TILE_WIDTH, hashes - index * TILE_WIDTH));
}

/** Where the hash of a perfect subtree is found: the tile, and the stretch of its hashes to be folded. */
export function tileOf({ height, index }: NodeAt): {
  readonly level: number;
  readonly index: number;
  readonly from: number;
  readonly count: number;
} {
  const level = Math.floor(height / TILE_HEIGHT);
  const count = 2 ** (height % TILE_HEIGHT);
  const first = index * count;
  return { level, index: Math.floor(first / TILE_WIDTH), from: first % TILE_WIDTH, count };
}

/** The hash of the perfect subtree over `count` neighbouring hashes of a tile. */
export function foldTile(hashes: readonly Hash[], from: number, count: number): Hash {
  let level = hashes.slice(from, from + count);
  while (level.length > 1) {
    const above: Hash[] = [];
    for (let n = 0; n + 1 < level.length; n += 2) above.push(foldNodes([level[n] as Hash, level[n + 1] as Hash]));
    level = above;
  }
  return foldNodes(level);
}

/** Hashes after each other, as tiles are served. */
export function joinHashes(hashes: readonly Hash[]): Buffer {
  return Buffer.concat(hashes, hashes.length * HASH_BYTES);
}

/** @returns `undefined` where the bytes are no whole number of hashes */
export function splitHashes(bytes: Buffer): readonly Hash[] | undefined {
  if (bytes.length % HASH_BYTES !== 0) return undefined;
  return Array.from({ length: bytes.length / HASH_BYTES }, (_, n) => bytes.subarray(n * HASH_BYTES, (n + 1) * HASH_BYTES));
}

/** An entry bundle: each entry behind its length in two bytes, big-endian. */
export function formatBundle(entries: readonly Uint8Array[]): Buffer {
  return Buffer.concat(entries.flatMap((entry) => [Buffer.of(entry.length >> 8, entry.length & 0xff), entry]));
}

/** @returns `undefined` for bytes that are no bundle */
export function parseBundle(bytes: Buffer): readonly Buffer[] | undefined {
  const entries: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 2 > bytes.length) return undefined;
    const end = at + 2 + bytes.readUInt16BE(at);
    if (end > bytes.length) return undefined;
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return entries;
}
