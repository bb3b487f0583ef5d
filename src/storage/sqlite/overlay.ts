import { type Layout, layouts } from "./layout.ts";

/**
 * Where the calling thread finds rows whose key is indexed later (deferred.ts): for each acknowledged row its key and
 * number. Bounded, because the writer folds a generation before the next one is full.
 */
export interface Overlay {
  /** The `seq` of the row last acknowledged under a key, unless its entry is known to be in the file. */
  find(layout: Layout, hash: string): number | undefined;
  /** A row of `generation` was acknowledged. Generations never go back. */
  appended(generation: number, layout: Layout, hash: string, seq: number): void;
  /** A delete was acknowledged. */
  removed(layout: Layout, hash: string): void;
  /** All keys of `generation` are indexed. */
  folded(generation: number): void;
}

interface Generation {
  readonly number: number;
  readonly entries: readonly Map<string, number>[];
}

/** An overlay that starts with every key indexed, as the writer leaves them when it has opened a file. */
export function createOverlay(): Overlay {
  const start = (number: number): Generation => ({ number, entries: layouts.map(() => new Map()) });
  let newer = start(0);
  let older: Generation | undefined;
  return {
    find: (layout, hash) => newer.entries[layout.number]?.get(hash) ?? older?.entries[layout.number]?.get(hash),
    appended(generation, layout, hash, seq) {
      if (generation !== newer.number) {
        older = newer;
        newer = start(generation);
      }
      newer.entries[layout.number]?.set(hash, seq);
    },
    removed(layout, hash) {
      newer.entries[layout.number]?.delete(hash);
      older?.entries[layout.number]?.delete(hash);
    },
    folded(generation) {
      if (older !== undefined && older.number <= generation) older = undefined;
      if (newer.number <= generation) newer = start(generation + 1);
    },
  };
}
