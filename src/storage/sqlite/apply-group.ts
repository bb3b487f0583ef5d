import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { invariant } from "#kernel/assert.ts";
import { createGenerationalCache } from "./generational-cache.ts";
import type { Journal } from "./journal.ts";
import { type Layout, layouts } from "./layout.ts";
import { ABSENT, ANYTHING, CHECK, type CommitMessage, DELETE, isJournaled, PUT, PUT_FIELDS, takesSeq, WRITE_FIELDS } from "./protocol.ts";
import { prepareTable } from "./statements.ts";

/** Position of a commit in its group and the indexes of its writes whose condition failed. */
export type Failed = readonly (readonly [number, readonly number[]])[];

/** Runs groups of commits; the caller holds the transaction. */
export interface GroupApplier {
  /** Makes the writes of every commit whose conditions hold, in order; the others change nothing. First in its transaction. */
  apply(commits: readonly CommitMessage[]): Failed;
  /** After ROLLBACK. */
  rolledBack(): void;
  /** Deletes up to `limit` rows whose time to live is over; how many. */
  purge(nowSeconds: number, limit: number): number;
}

/** How many versions of hot items the writer remembers, so that it need not look for them. */
const KNOWN_VERSIONS = 200_000;
/** What `current` says of a key without an item. Versions are positive; an item may be without one. */
const NONE = 0;
const UNVERSIONED = -1;

class DirtyConflict {
  readonly writes: readonly number[];
  constructor(writes: readonly number[]) {
    this.writes = writes;
  }
}

/** Prepares the statements of all tables on the writer's connection. */
export function createGroupApplier(db: DatabaseSync, journal: Journal): GroupApplier {
  const tables = layouts.map((layout) => ({ layout, statements: prepareTable(db, layout) }));
  const savepoint = db.prepare("SAVEPOINT one");
  const backToSavepoint = db.prepare("ROLLBACK TO one");
  const release = db.prepare("RELEASE one");
  // This thread makes every write of the file, so what it remembers of a key is the truth until it writes it again.
  const known = layouts.map(({ hot }) => createGenerationalCache<number>(hot ? KNOWN_VERSIONS : 0));
  const parameters: SQLInputValue[] = [];
  const expired = layouts
    .filter(({ ttl }) => ttl !== undefined)
    .map((layout) => ({ layout, select: db.prepare(`SELECT hash FROM ${layout.sql} WHERE "x_${layout.ttl}" < ? LIMIT ?`) }));

  const tableAt = (number: unknown): (typeof tables)[number] => {
    const table = tables[number as number];
    invariant(table !== undefined, `there is no table ${String(number)}`);
    return table;
  };
  const sizeOfWrite = (layout: Layout, kind: number): number => (kind === PUT ? PUT_FIELDS + layout.columns.length : WRITE_FIELDS);

  /** The version of the item in a table with deferral, wherever its truth lies. */
  const current = ({ layout, statements }: (typeof tables)[number], hash: string): number => {
    const remembered = known[layout.number]?.get(hash);
    if (remembered !== undefined) return remembered;
    const seq = journal.find(layout, hash);
    if (seq !== undefined) return journal.versionAt(seq) ?? UNVERSIONED;
    const row = statements.version.get(hash);
    return row === undefined ? NONE : ((row["version"] as number | null) ?? UNVERSIONED);
  };

  const holds = (version: number, expected: number): boolean =>
    expected === ANYTHING || (expected === ABSENT ? version === NONE : version === expected);

  const direct = (table: (typeof tables)[number], message: CommitMessage, at: number): boolean => {
    const { layout, statements } = table;
    const kind = message[at];
    const expected = message[at + 4] as number;
    const hash = message[at + 2] as string;
    const keyed = layout.range !== undefined;
    parameters.length = 0;
    if (kind === PUT && expected > ABSENT) {
      parameters.push(message[at + 5] as number | null, message[at + 6] as string);
      for (const position of layout.changing) parameters.push(message[at + PUT_FIELDS + position] as string | null);
    }
    parameters.push(hash);
    if (keyed) parameters.push(message[at + 3] as string);
    if (expected > ABSENT) {
      parameters.push(expected);
      return (kind === PUT ? statements.update : statements.removeVersion).run(...parameters).changes === 1;
    }
    if (kind === DELETE) {
      if (expected === ABSENT) return statements.version.get(...parameters) === undefined;
      statements.remove.run(...parameters);
      return true;
    }
    const end = at + PUT_FIELDS + layout.columns.length;
    for (let i = at + WRITE_FIELDS; i < end; i++) parameters.push(message[i] as string | number | null);
    return (expected === ABSENT ? statements.insert : statements.upsert).run(...parameters).changes === 1;
  };

  /** First looks at all conditions that can be looked at without writing. */
  const conflictsBefore = (message: CommitMessage): number[] => {
    const failing: number[] = [];
    for (let at = 1, index = 0; at < message.length; index++) {
      const table = tableAt(message[at + 1]);
      const kind = message[at] as number;
      const expected = message[at + 4] as number;
      const hash = message[at + 2] as string;
      if (table.layout.deferral !== "nothing") {
        if (expected !== ANYTHING && !holds(current(table, hash), expected)) failing.push(index);
      } else if (kind === CHECK) {
        const range = message[at + 3];
        const row = range === null ? table.statements.version.get(hash) : table.statements.version.get(hash, range as string);
        const version = row === undefined ? NONE : ((row["version"] as number | null) ?? UNVERSIONED);
        if (!holds(version, expected)) failing.push(index);
      }
      at += sizeOfWrite(table.layout, kind);
    }
    return failing;
  };

  /**
   * The writes of one commit, or the indexes of those whose condition failed.
   * @throws DirtyConflict when one failed after others had been made.
   */
  const one = (message: CommitMessage): readonly number[] | undefined => {
    const failing = conflictsBefore(message);
    if (failing.length > 0) return failing;
    let written = false;
    for (let at = 1, index = 0; at < message.length; index++) {
      const table = tableAt(message[at + 1]);
      const kind = message[at] as number;
      if (table.layout.deferral === "nothing" && kind !== CHECK) {
        if (!direct(table, message, at)) {
          if (written) throw new DirtyConflict([index]);
          return [index];
        }
        written = true;
      }
      at += sizeOfWrite(table.layout, kind);
    }
    let seq = message[0] as number;
    for (let at = 1; at < message.length; ) {
      const table = tableAt(message[at + 1]);
      const { layout, statements } = table;
      const kind = message[at] as number;
      if (takesSeq(layout, kind)) {
        const expected = message[at + 4] as number;
        const hash = message[at + 2] as string;
        const version = message[at + 5] as number | null;
        if (isJournaled(layout, kind, expected)) {
          journal.append(layout, hash, seq, version, message[at + 6] as string);
        } else {
          // The condition was looked at above, and the row at its place may be older than that.
          journal.hand(layout, hash, seq);
          if (kind === DELETE) statements.remove.run(hash);
          else statements.upsert.run(hash, version, ...(message.slice(at + 6, at + PUT_FIELDS + layout.columns.length) as SQLInputValue[]));
        }
        if (layout.hot) known[layout.number]?.set(hash, kind === DELETE ? NONE : (version ?? UNVERSIONED));
        seq += 1;
      }
      at += sizeOfWrite(layout, kind);
    }
    return undefined;
  };

  const forget = (): void => {
    for (const versions of known) versions.clear();
  };

  /** Each commit under a savepoint: for groups in which one has to be undone. */
  const carefully = (commits: readonly CommitMessage[]): Failed => {
    const failed: [number, readonly number[]][] = [];
    for (const [position, message] of commits.entries()) {
      savepoint.run();
      const mark = journal.mark();
      try {
        const failing = one(message);
        if (failing !== undefined) failed.push([position, failing]);
      } catch (error) {
        if (!(error instanceof DirtyConflict)) throw error;
        backToSavepoint.run();
        journal.backTo(mark);
        failed.push([position, error.writes]);
      }
      release.run();
    }
    return failed;
  };

  return {
    apply(commits) {
      const failed: [number, readonly number[]][] = [];
      const mark = journal.mark();
      try {
        for (const [position, message] of commits.entries()) {
          const failing = one(message);
          if (failing !== undefined) failed.push([position, failing]);
        }
        return failed;
      } catch (error) {
        if (!(error instanceof DirtyConflict)) throw error;
      }
      // A savepoint makes SQLite keep a copy of every page that is touched, so at first there is none: a
      // conflict behind a write is rare, and then the whole group is done again, each commit by itself.
      db.exec("ROLLBACK; BEGIN IMMEDIATE");
      journal.backTo(mark);
      forget();
      return carefully(commits);
    },
    rolledBack: forget,
    purge(nowSeconds, limit) {
      let purged = 0;
      for (const { layout, select } of expired) {
        for (const row of select.all(nowSeconds, limit - purged)) {
          const hash = String(row["hash"]);
          // The row may be older than an entry of the journal that moved the time to live.
          if (journal.find(layout, hash) !== undefined) continue;
          tables[layout.number]?.statements.remove.run(hash);
          purged += 1;
        }
      }
      return purged;
    },
  };
}
