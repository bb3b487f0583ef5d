import type { DatabaseSync } from "node:sqlite";
import { invariant } from "#kernel/assert.ts";
import { type Layout, layouts } from "./layout.ts";
import { type FoldStatements, prepareFold } from "./statements.ts";

/**
 * The journal: where writes that would dirty a page each (updates of accounts at random places, inserts under random
 * keys) are appended instead, many to a page, and durable with their commit. Later they are *folded*: the last
 * entry of each key is brought to its place, in order of the keys, so that neighbours share a page and
 * an account that changed a hundred times is written once. Without it a transfer dirties five
 * pages and costs 105 µs of the writer; with it about a third of that.
 *
 * Two journal tables take turns. A *generation* fills one; then it is sealed, the next generation fills the other, and
 * the sealed one is folded in small portions, each inside the transaction of some group of commits. Once all of it
 * is at its place its table is emptied at one stroke, in the same transaction as the last portion.
 *
 * The newest entry of a key is the truth; without one, the row at its place is. An entry without a body hands the
 * truth back to the row (after a direct write). `seq` grows for ever within a process, so after a crash
 * the entries of both tables in the order of `seq`, last one wins, give the same truth: `recover`.
 */
export interface Journal {
  /** The `seq` of the newest entry of a key and the slot it is in, if it has one. */
  find(layout: Layout, hash: string): number | undefined;
  /** The version in the entry `seq` that `find` gave. */
  versionAt(seq: number): number | null;
  append(layout: Layout, hash: string, seq: number, version: number | null, body: string): void;
  /** Notes that the row at its place is newer than every entry of the key; to be called before the row is written. */
  hand(layout: Layout, hash: string, seq: number): void;
  /** The number of the generation that takes entries now. */
  generation(): number;
  /** Entries that are not at their place yet, superseded ones included. */
  size(): number;
  /** To be called first in a transaction: seals a full generation. */
  begin(): void;
  /** Folds up to `portion` keys of the sealed generation; the generation if that was the last of it. */
  fold(portion: number): number | undefined;
  /** Entries appended in this transaction. */
  appended(): number;
  /** Seals the current generation although it is not full. False when there is nothing or one is sealed already. */
  seal(): boolean;
  isSealed(): boolean;
  /** After COMMIT. */
  committed(): void;
  /** After ROLLBACK: forgets what the transaction did. */
  rolledBack(): void;
  /** A point to go back to inside the transaction, together with SQLite's. */
  mark(): JournalMark;
  backTo(mark: JournalMark): void;
}

/** How much had been done at a point inside a transaction. */
export interface JournalMark {
  readonly undo: number;
  readonly count: number;
}

type Entries = readonly Map<string, number>[];
const noEntries = (): Entries => layouts.map(() => new Map());

/** A generation is sealed at this many entries: about 50 MB, and folded well within the next one. */
export const GENERATION_ENTRIES = 131_072;

interface Sealed {
  readonly number: number;
  readonly entries: Entries;
  /** The keys to fold, in order; the last comes first, so that they can be popped. */
  readonly keys: readonly (readonly [Layout, readonly string[]])[];
}

/** Brings what a crash left in the journal to its place. In the caller's transaction. */
function recover(db: DatabaseSync, folds: ReadonlyMap<Layout, readonly FoldStatements[]>): void {
  const last = new Map<string, { slot: number; seq: number; layout: Layout; hash: string; void: boolean }>();
  const named = new Map(layouts.map((layout) => [layout.name as string, layout]));
  const rows = db.prepare(
    `SELECT 0 AS slot, seq, name, hash, body IS NULL AS void FROM journal_0
     UNION ALL SELECT 1, seq, name, hash, body IS NULL FROM journal_1 ORDER BY seq`,
  );
  for (const row of rows.iterate()) {
    const layout = named.get(String(row["name"]));
    invariant(layout !== undefined, `the journal names the unknown table ${String(row["name"])}`);
    const hash = String(row["hash"]);
    last.set(`${layout.number}/${hash}`, { slot: Number(row["slot"]), seq: Number(row["seq"]), layout, hash, void: row["void"] === 1 });
  }
  for (const { slot, seq, layout, hash, void: isVoid } of last.values()) {
    if (isVoid) continue;
    const statements = folds.get(layout)?.[slot];
    invariant(statements !== undefined, `${layout.name} is not a deferred table`);
    foldOne(statements, layout, seq, hash);
  }
  db.exec("DELETE FROM journal_0; DELETE FROM journal_1");
}

function foldOne(statements: FoldStatements, layout: Layout, seq: number, hash: string): void {
  // Where only updates are deferred the row is nearly always there, and reading its index attributes is not needed.
  if (layout.deferral === "updates" && statements.update.run(seq, seq, hash).changes !== 0) return;
  statements.insert.run(seq);
}

/** Opens the journal of a migrated file and folds what is in it. */
export function openJournal(db: DatabaseSync, generationEntries: number = GENERATION_ENTRIES): Journal {
  const deferred = layouts.filter(({ deferral }) => deferral !== "nothing");
  const folds = new Map(deferred.map((layout) => [layout, [0, 1].map((slot) => prepareFold(db, layout, slot))] as const));
  db.exec("BEGIN IMMEDIATE");
  recover(db, folds);
  db.exec("COMMIT");

  const inserts = [0, 1].map((slot) => db.prepare(`INSERT INTO journal_${slot} (seq, name, hash, version, body) VALUES (?, ?, ?, ?, ?)`));
  const versions = [0, 1].map((slot) => db.prepare(`SELECT version FROM journal_${slot} WHERE seq = ?`));
  let generation = 0;
  let current = noEntries();
  let count = 0;
  let sealed: Sealed | undefined;
  let foldedKeys = 0;
  let dropping = false;
  // What the transaction changed, to be undone from the end: the map, the key, its former entry.
  let undo: [Map<string, number>, string, number | undefined][] = [];
  let before = { count: 0, foldedKeys: 0 };

  const insertRow = (layout: Layout, hash: string, seq: number, version: number | null, body: string | null): void => {
    inserts[generation & 1]?.run(seq, layout.name, hash, version, body);
    count += 1;
  };
  const entriesOf = (entries: Entries | undefined, layout: Layout): Map<string, number> | undefined => entries?.[layout.number];
  const undoTo = (length: number): void => {
    while (undo.length > length) {
      const [map, hash, former] = undo.pop() ?? [new Map<string, number>(), "", undefined];
      if (former === undefined) map.delete(hash);
      else map.set(hash, former);
    }
  };

  const seal = (): boolean => {
    if (sealed !== undefined || count === 0) return false;
    // In order of the keys, because keys made at one time lie together: at the place of the rows or of their index.
    const keys = deferred.map((layout) => [layout, [...(current[layout.number]?.keys() ?? [])].toSorted()] as const);
    sealed = { number: generation, entries: current, keys };
    foldedKeys = 0;
    generation += 1;
    current = noEntries();
    count = 0;
    before = { count, foldedKeys };
    return true;
  };

  return {
    find: (layout, hash) => entriesOf(current, layout)?.get(hash) ?? entriesOf(sealed?.entries, layout)?.get(hash),
    versionAt(seq) {
      // The table of the current generation first; a number is in one of the two only.
      const row = versions[generation & 1]?.get(seq) ?? versions[(generation + 1) & 1]?.get(seq);
      invariant(row !== undefined, `journal entry ${seq} is missing`);
      return row["version"] as number | null;
    },
    append(layout, hash, seq, version, body) {
      insertRow(layout, hash, seq, version, body);
      const map = entriesOf(current, layout);
      invariant(map !== undefined, "every table has a map");
      undo.push([map, hash, map.get(hash)]);
      map.set(hash, seq);
    },
    hand(layout, hash, seq) {
      let found = false;
      for (const map of [entriesOf(current, layout), entriesOf(sealed?.entries, layout)]) {
        const former = map?.get(hash);
        if (map === undefined || former === undefined) continue;
        undo.push([map, hash, former]);
        map.delete(hash);
        found = true;
      }
      if (found) insertRow(layout, hash, seq, null, null);
    },
    generation: () => generation,
    size: () => count + (sealed === undefined ? 0 : sealed.keys.reduce((sum, [, keys]) => sum + keys.length, 0) - foldedKeys),
    begin() {
      before = { count, foldedKeys };
      if (count >= generationEntries) seal();
    },
    appended: () => count - before.count,
    fold(portion) {
      if (sealed === undefined) return undefined;
      const { number, entries, keys } = sealed;
      let first = 0;
      const end = foldedKeys + portion;
      for (const [layout, hashes] of keys) {
        const statements = folds.get(layout)?.[number & 1];
        invariant(statements !== undefined, `${layout.name} is not a deferred table`);
        for (let i = Math.max(0, foldedKeys - first); i < hashes.length && foldedKeys < end; i++, foldedKeys++) {
          const hash = hashes[i] ?? "";
          const seq = entriesOf(entries, layout)?.get(hash);
          // A key with an entry in the current generation is folded with that one; a handed key not at all.
          if (seq === undefined || entriesOf(current, layout)?.has(hash)) continue;
          foldOne(statements, layout, seq, hash);
        }
        first += hashes.length;
      }
      if (foldedKeys < first) return undefined;
      db.exec(`DELETE FROM journal_${number & 1}`);
      dropping = true;
      return number;
    },
    seal,
    isSealed: () => sealed !== undefined,
    committed() {
      undo = [];
      if (dropping) sealed = undefined;
      dropping = false;
    },
    rolledBack() {
      undoTo(0);
      ({ count, foldedKeys } = before);
      dropping = false;
    },
    mark: () => ({ undo: undo.length, count }),
    backTo(mark) {
      undoTo(mark.undo);
      count = mark.count;
    },
  };
}
