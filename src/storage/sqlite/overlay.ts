import { type Layout, layouts } from "./layout.ts";

/**
 * Where the calling thread finds what is in the journal (journal.ts): for each acknowledged entry its key and
 * number. Bounded, because the writer seals a generation at a fixed size and folds it before the next is full.
 */
export interface Overlay {
  /** The number of the newest acknowledged entry of a key that may not be at its place yet. */
  find(layout: Layout, hash: string): number | undefined;
  /** An entry of `generation` was acknowledged. Generations never go back. */
  appended(generation: number, layout: Layout, hash: string, seq: number): void;
  /** A write at the place of the row was acknowledged: it is newer than the entries before. */
  handed(layout: Layout, hash: string): void;
  /** Everything of `generation` is at its place. */
  folded(generation: number): void;
}

interface Generation {
  readonly number: number;
  readonly entries: readonly Map<string, number>[];
}

/** An overlay that starts with an empty journal, as the writer leaves it when it has opened a file. */
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
    handed(layout, hash) {
      newer.entries[layout.number]?.delete(hash);
      older?.entries[layout.number]?.delete(hash);
    },
    folded(generation) {
      if (older !== undefined && older.number <= generation) older = undefined;
      if (newer.number <= generation) newer = start(generation + 1);
    },
  };
}
