import { invariant } from "#kernel/assert.ts";
import type { Layout } from "./layout.ts";

/** `version` of an item that has none, and of a key without an item. Versions proper are positive. */
export const UNVERSIONED = -1;
export const NONE = 0;
/** `generation` of an entry whose truth is at its place. */
export const AT_PLACE = -1;

/** What the writer knows of one key of a table with deferral. */
export interface Entry {
  readonly hash: string;
  version: number;
  /** The row or journal entry that holds the item, while `generation` is not `AT_PLACE`. */
  seq: number;
  generation: number;
}

/** How much had been done at a point inside a transaction. */
export interface Mark {
  readonly undo: number;
  readonly lengths: readonly number[];
  readonly count: number;
  readonly characters: number;
}

export interface Sealed {
  readonly number: number;
  /** All numbers up to this one were given to this generation or to earlier ones. */
  readonly upTo: number;
  readonly lists: readonly (readonly Entry[])[];
}

/**
 * The writer's memory of what is not at its place yet (deferred.ts): the entries of the generation that grows and of
 * the sealed one, and, as far as there is room, of keys that are at their place, so that their versions need
 * not be looked up. Every change can be undone until its transaction is committed.
 */
export interface Generations {
  find(layout: Layout, hash: string): Entry | undefined;
  /** Remembers what the row at its place says. */
  learn(layout: Layout, hash: string, version: number): void;
  /** The truth of a key is now `seq`, in the current generation. */
  defer(layout: Layout, hash: string, seq: number, version: number, size: number): void;
  /** The version changed and nothing else. */
  restate(entry: Entry, version: number): void;
  /** The truth of a key is now at its place; true when it was not before. */
  place(layout: Layout, hash: string, version: number): boolean;
  current(): number;
  /** Entries given to the current generation so far, those superseded within it included. */
  count(): number;
  isFull(): boolean;
  sealed(): Sealed | undefined;
  /** Begins the next generation unless nothing was deferred or one is sealed already. */
  seal(): boolean;
  /** Everything of the sealed generation is at its place. */
  drop(): void;
  mark(): Mark;
  backTo(mark: Mark): void;
  /** After COMMIT: nothing before can be undone any more. */
  keep(): void;
}

export interface GenerationLimits {
  /** A generation is full at this many entries … */
  readonly entries: number;
  /** … or at this many characters of items. */
  readonly characters: number;
  /** How many keys of each hot table are remembered while they are at their place. */
  readonly known: number;
}

interface Step {
  readonly map: Map<string, Entry>;
  readonly entry: Entry;
  readonly added: boolean;
  readonly version: number;
  readonly seq: number;
  readonly generation: number;
}

/** Starts with everything at its place. */
export function createGenerations(layouts: readonly Layout[], limits: GenerationLimits): Generations {
  const maps = layouts.map(() => new Map<string, Entry>());
  const newLists = (): Entry[][] => layouts.map(() => []);
  let lists = newLists();
  let sealed: Sealed | undefined;
  let number = 0;
  let count = 0;
  let characters = 0;
  let lastSeq = 0;
  let undo: Step[] = [];

  const mapOf = (layout: Layout): Map<string, Entry> => {
    const map = maps[layout.number];
    invariant(map !== undefined, `there is no table ${layout.name}`);
    return map;
  };
  const change = (layout: Layout, hash: string): Entry => {
    const map = mapOf(layout);
    let entry = map.get(hash);
    const added = entry === undefined;
    if (entry === undefined) {
      entry = { hash, version: NONE, seq: 0, generation: AT_PLACE };
      map.set(hash, entry);
    }
    undo.push({ map, entry, added, version: entry.version, seq: entry.seq, generation: entry.generation });
    return entry;
  };

  /** Whether a key that is at its place may be added; makes room by forgetting the one known longest, if that is at its place. */
  const hasRoom = (map: Map<string, Entry>): boolean => {
    if (map.size < limits.known) return true;
    for (const [hash, { generation }] of map) return generation === AT_PLACE && map.delete(hash);
    return false;
  };

  return {
    find: (layout, hash) => mapOf(layout).get(hash),
    learn(layout, hash, version) {
      if (hasRoom(mapOf(layout))) change(layout, hash).version = version;
    },
    defer(layout, hash, seq, version, size) {
      const entry = change(layout, hash);
      if (entry.generation !== number) lists[layout.number]?.push(entry);
      entry.version = version;
      entry.seq = seq;
      entry.generation = number;
      lastSeq = seq;
      count += 1;
      characters += size;
    },
    restate(entry, version) {
      undo.push({ map: new Map(), entry, added: false, version: entry.version, seq: entry.seq, generation: entry.generation });
      entry.version = version;
    },
    place(layout, hash, version) {
      const map = mapOf(layout);
      if (!map.has(hash) && !(layout.hot && hasRoom(map))) return false;
      const entry = change(layout, hash);
      const deferred = entry.generation !== AT_PLACE;
      entry.version = version;
      entry.generation = AT_PLACE;
      return deferred;
    },
    current: () => number,
    count: () => count,
    isFull: () => count >= limits.entries || characters >= limits.characters,
    sealed: () => sealed,
    seal() {
      if (sealed !== undefined || count === 0) return false;
      sealed = { number, upTo: lastSeq, lists };
      number += 1;
      lists = newLists();
      count = 0;
      characters = 0;
      return true;
    },
    drop() {
      if (sealed === undefined) return;
      for (const layout of layouts) {
        const map = mapOf(layout);
        const room = layout.hot ? limits.known : 0;
        for (const entry of sealed.lists[layout.number] ?? []) {
          if (entry.generation === sealed.number) entry.generation = AT_PLACE;
          if (entry.generation === AT_PLACE && map.size > room && map.get(entry.hash) === entry) map.delete(entry.hash);
        }
      }
      sealed = undefined;
    },
    mark: () => ({ undo: undo.length, lengths: lists.map((list) => list.length), count, characters }),
    backTo(mark) {
      while (undo.length > mark.undo) {
        const step = undo.pop();
        if (step === undefined) break;
        // One that was changed may have been forgotten afterwards, and what is not at its place is found here only.
        if (step.added) step.map.delete(step.entry.hash);
        else step.map.set(step.entry.hash, step.entry);
        step.entry.version = step.version;
        step.entry.seq = step.seq;
        step.entry.generation = step.generation;
      }
      for (const [position, list] of lists.entries()) list.length = mark.lengths[position] ?? 0;
      count = mark.count;
      characters = mark.characters;
    },
    keep() {
      undo = [];
    },
  };
}
