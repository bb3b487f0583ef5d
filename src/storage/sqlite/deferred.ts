import type { DatabaseSync } from "node:sqlite";
import { invariant } from "#kernel/assert.ts";
import { createGenerations, type Entry, type Generations } from "./generations.ts";
import { type Layout, layouts } from "./layout.ts";
import { keyTable, type LateKeyStatements, prepareLateKey, prepareUpdates, type UpdateStatements } from "./statements.ts";

/**
 * Deferral. What costs the writer most is not a row but a page that one row dirties: it is checksummed,
 * written to the log, and copied to the file. The two accounts, the profile and the random idempotency key of a transfer
 * lie in four pages that no other transfer of the group touches. So these writes are appended first,
 * many to a page and durable with their commit, and brought to their place later, sorted, when
 * neighbours share a page and an account that changed a hundred times is written once.
 *
 * - Updates of hot tables are appended to a *journal* table. The newest entry of a key is the truth.
 * - Rows of late-indexed tables are appended to their own table; only the entry of their key follows later (at once where one row
 *   replaces another, so that no reader misses both).
 *
 * Both belong to a *generation*. When one is full it is sealed, the next begins, and the sealed one is *folded* in
 * small portions inside the transactions of the commits that follow. With the last portion its journal table (two take
 * turns) is emptied at one stroke and the generation is dropped. A generation is always folded before the
 * next one is full, so what is deferred is bounded.
 *
 * After a crash `recover` does in one transaction what was left: of the journal the last entry of each key
 * by `seq`, and the keys of all rows behind `indexed_to`. A journal entry without a body says that the row at its
 * place is newer than the entries before it (a delete, or a put without a version condition).
 */
export interface Deferred {
  readonly generations: Generations;
  updates(layout: Layout): UpdateStatements;
  lateKey(layout: Layout): LateKeyStatements;
  /** Folds up to `portion` keys of the sealed generation; its number if that was the last of it. */
  fold(portion: number): number | undefined;
  committed(): void;
  rolledBack(): void;
  /** To be called first in a transaction. */
  begin(): void;
  /** The first number that no row and no entry has. */
  readonly nextSeq: number;
}

export interface DeferredLimits {
  /** Entries after which a generation is sealed: some 30,000 transfers. */
  readonly entries: number;
}

export const DEFERRED_LIMITS: DeferredLimits = { entries: 131_072 };
const GENERATION_CHARACTERS = 128 * 2 ** 20;
const KNOWN_KEYS = 200_000;

/** Where in the sealed generation the folding is: a table, and a position in its sorted keys. */
interface Progress {
  readonly table: number;
  readonly position: number;
}

function foldUpdate(statements: UpdateStatements, seq: number, hash: string): void {
  // The row is nearly always there, and then its index attributes need not be read.
  if (statements.fold.run(seq, hash).changes === 0) statements.insert.run(seq);
}

/** Brings everything a crash has left to its place, in one transaction, and gives the largest `seq` found. */
function recover(db: DatabaseSync, updates: ReadonlyMap<Layout, readonly UpdateStatements[]>, lateKeys: Iterable<Layout>): number {
  let largest = 0;
  const named = new Map([...updates.keys()].map((layout) => [layout.name as string, layout]));
  const last = new Map<string, { slot: number; seq: number; layout: Layout; hash: string; handed: boolean }>();
  const rows = db.prepare(
    `SELECT 0 AS slot, seq, name, hash, body IS NULL AS handed FROM journal_0
     UNION ALL SELECT 1, seq, name, hash, body IS NULL FROM journal_1 ORDER BY seq`,
  );
  db.exec("BEGIN IMMEDIATE");
  for (const row of rows.iterate()) {
    const [name, hash, seq] = [String(row["name"]), String(row["hash"]), Number(row["seq"])];
    const layout = named.get(name);
    invariant(layout !== undefined, `the journal has an entry of ${name}, whose updates are not deferred`);
    last.set(`${name}/${hash}`, { slot: Number(row["slot"]), seq, layout, hash, handed: row["handed"] === 1 });
    largest = seq;
  }
  for (const { slot, seq, layout, hash, handed } of last.values()) {
    const statements = updates.get(layout)?.[slot];
    if (!handed && statements !== undefined) foldUpdate(statements, seq, hash);
  }
  db.exec("DELETE FROM journal_0; DELETE FROM journal_1");
  for (const layout of lateKeys) {
    db.prepare(
      `INSERT INTO ${keyTable(layout)} (hash, seq) SELECT hash, seq FROM ${layout.sql}
       WHERE seq > (SELECT indexed_to FROM late_keys WHERE name = ?) ORDER BY hash ON CONFLICT (hash) DO UPDATE SET seq = excluded.seq`,
    ).run(layout.name);
    const rowSeq = Number(db.prepare(`SELECT coalesce(max(seq), 0) AS seq FROM ${layout.sql}`).get()?.["seq"]);
    db.prepare("UPDATE late_keys SET indexed_to = max(indexed_to, ?) WHERE name = ?").run(rowSeq, layout.name);
    const indexedTo = Number(db.prepare("SELECT indexed_to FROM late_keys WHERE name = ?").get(layout.name)?.["indexed_to"]);
    largest = Math.max(largest, indexedTo);
  }
  db.exec("COMMIT");
  return largest;
}

/** Recovers a migrated file and prepares its deferral. */
export function openDeferred(db: DatabaseSync, limits: DeferredLimits = DEFERRED_LIMITS): Deferred {
  const hot = layouts.filter(({ deferral }) => deferral === "updates");
  const late = layouts.filter(({ deferral }) => deferral === "key");
  const updates = new Map(hot.map((layout) => [layout, [0, 1].map((slot) => prepareUpdates(db, layout, slot))] as const));
  const lateKeys = new Map(late.map((layout) => [layout, prepareLateKey(db, layout)] as const));
  const nextSeq = recover(db, updates, late) + 1;
  const indexedTo = db.prepare("UPDATE late_keys SET indexed_to = ?");
  const clear = [0, 1].map((slot) => db.prepare(`DELETE FROM journal_${slot}`));
  const generations = createGenerations(layouts, { entries: limits.entries, characters: GENERATION_CHARACTERS, known: KNOWN_KEYS });
  const start: Progress = { table: 0, position: 0 };
  let progress = start;
  let progressBefore = start;
  let before = generations.mark();
  let sorted: { readonly table: number; readonly keys: readonly Entry[] } | undefined;
  let done = false;

  const updatesOf = (layout: Layout, number: number): UpdateStatements => {
    const statements = updates.get(layout)?.[number & 1];
    invariant(statements !== undefined, `updates of ${layout.name} are not deferred`);
    return statements;
  };
  const lateKeyOf = (layout: Layout): LateKeyStatements => {
    const statements = lateKeys.get(layout);
    invariant(statements !== undefined, `${layout.name} is not indexed late`);
    return statements;
  };
  const foldOne = (layout: Layout, number: number, { hash, seq }: Entry): void => {
    if (layout.deferral === "key") lateKeyOf(layout).addKey.run(hash, seq);
    else foldUpdate(updatesOf(layout, number), seq, hash);
  };
  /** One table's keys at a time, so that no transaction waits for all of them to be sorted. */
  const keysOf = (table: number): readonly Entry[] => {
    if (sorted?.table !== table) {
      const list = generations.sealed()?.lists[table] ?? [];
      const byHash = new Map(list.map((entry) => [entry.hash, entry]));
      const keys = [...byHash.keys()].toSorted();
      sorted = { table, keys: keys.flatMap((hash) => byHash.get(hash) ?? []) };
    }
    return sorted.keys;
  };

  return {
    generations,
    nextSeq,
    updates: (layout) => updatesOf(layout, generations.current()),
    lateKey: lateKeyOf,
    begin() {
      if (generations.isFull()) generations.seal();
      before = generations.mark();
      progressBefore = progress;
    },
    fold(portion) {
      const sealed = generations.sealed();
      if (sealed === undefined) return undefined;
      let { table, position } = progress;
      for (let room = portion; table < layouts.length; table++, position = 0) {
        const layout = layouts[table];
        const keys = sealed.lists[table]?.length === 0 ? [] : keysOf(table);
        for (; position < keys.length && room > 0; position++) {
          const entry = keys[position];
          // A key that was written again belongs to the next generation, or is at its place already.
          if (layout === undefined || entry === undefined || entry.generation !== sealed.number) continue;
          foldOne(layout, sealed.number, entry);
          room -= 1;
        }
        if (position < keys.length) break;
      }
      progress = { table, position };
      if (table < layouts.length) return undefined;
      clear[sealed.number & 1]?.run();
      indexedTo.run(sealed.upTo);
      done = true;
      return sealed.number;
    },
    committed() {
      generations.keep();
      if (done) {
        generations.drop();
        done = false;
        sorted = undefined;
        progress = start;
      }
      before = generations.mark();
      progressBefore = progress;
    },
    rolledBack() {
      generations.backTo(before);
      progress = progressBefore;
      done = false;
    },
  };
}
