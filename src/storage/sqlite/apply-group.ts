import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { invariant } from "#kernel/assert.ts";
import type { Deferred } from "./deferred.ts";
import { NONE, UNVERSIONED } from "./generations.ts";
import { type Layout, layouts } from "./layout.ts";
import { ABSENT, ANYTHING, CHECK, type CommitMessage, DELETE, isDeferred, PUT, PUT_FIELDS, takesSeq, WRITE_FIELDS } from "./protocol.ts";
import { prepareTable, type TableStatements } from "./statements.ts";

/** Position of a commit in its group and the indexes of its writes whose condition failed. */
export type Failed = readonly (readonly [number, readonly number[]])[];

/** Runs groups of commits; the caller holds the transaction. */
export interface GroupApplier {
  /** Makes the writes of every commit whose conditions hold, in order; the others change nothing. First in its transaction. */
  apply(commits: readonly CommitMessage[]): Failed;
  /** Deletes up to `limit` rows whose time to live is over; how many. */
  purge(nowSeconds: number, limit: number): number;
}

/** Thrown when a condition failed after other writes of the same commit were made. */
class DirtyConflict extends Error {
  override readonly name = "DirtyConflict";
  readonly write: number;
  constructor(write: number) {
    super("a condition failed after a write");
    this.write = write;
  }
}

interface Table {
  readonly layout: Layout;
  readonly statements: TableStatements;
}

const versionOf = (row: Record<string, unknown> | undefined): number =>
  row === undefined ? NONE : ((row["version"] as number | null) ?? UNVERSIONED);

function holds(version: number, expected: number): boolean {
  if (expected === ANYTHING) return true;
  return expected === ABSENT ? version === NONE : version === expected;
}

/** Prepares the statements of all tables on the writer's connection. */
export function createGroupApplier(db: DatabaseSync, deferred: Deferred): GroupApplier {
  const { generations } = deferred;
  const tables = layouts.map((layout): Table => ({ layout, statements: prepareTable(db, layout) }));
  const savepoint = db.prepare("SAVEPOINT one");
  const backToSavepoint = db.prepare("ROLLBACK TO one");
  const release = db.prepare("RELEASE one");

  const tableAt = (number: unknown): Table => {
    const table = tables[number as number];
    invariant(table !== undefined, `there is no table ${String(number)}`);
    return table;
  };
  const fieldsOf = (layout: Layout, kind: number): number => (kind === PUT ? PUT_FIELDS + layout.columns.length : WRITE_FIELDS);
  /** version, body and columns of the put at `at`. */
  const valuesOf = (layout: Layout, message: CommitMessage, at: number): SQLInputValue[] =>
    message.slice(at + WRITE_FIELDS, at + fieldsOf(layout, PUT)) as SQLInputValue[];

  /** The version of the item under a key, wherever its truth lies. */
  const current = ({ layout, statements }: Table, message: CommitMessage, at: number): number => {
    const hash = message[at + 2] as string;
    if (layout.deferral === "nothing") {
      const range = message[at + 3] as string | null;
      return versionOf(range === null ? statements.version.get(hash) : statements.version.get(hash, range));
    }
    const entry = generations.find(layout, hash);
    if (entry !== undefined) return entry.version;
    if (layout.deferral === "key") return versionOf(deferred.lateKey(layout).find.get(hash));
    const version = versionOf(statements.version.get(hash));
    generations.learn(layout, hash, version);
    return version;
  };

  /** Looks at all conditions that are not part of a statement that writes. */
  const conflictsBefore = (message: CommitMessage): number[] => {
    const failing: number[] = [];
    for (let at = 1, index = 0; at < message.length; index++) {
      const table = tableAt(message[at + 1]);
      const kind = message[at] as number;
      const expected = message[at + 4] as number;
      const looked = table.layout.deferral !== "nothing" || kind === CHECK;
      if (looked && expected !== ANYTHING && !holds(current(table, message, at), expected)) failing.push(index);
      at += fieldsOf(table.layout, kind);
    }
    return failing;
  };

  /** A write to a table without deferral, together with its condition; false when that failed. */
  const writeDirectly = ({ layout, statements }: Table, message: CommitMessage, at: number): boolean => {
    const kind = message[at];
    const expected = message[at + 4] as number;
    const key = layout.range === undefined ? [message[at + 2] as string] : [message[at + 2] as string, message[at + 3] as string];
    if (kind === DELETE) {
      if (expected === ABSENT) return statements.version.get(...key) === undefined;
      if (expected > ABSENT) return statements.removeVersion.run(...key, expected).changes === 1;
      statements.remove.run(...key);
      return true;
    }
    if (expected > ABSENT) {
      const changing = layout.changing.map((position) => message[at + PUT_FIELDS + position] as string | null);
      return (
        statements.update.run(message[at + 5] as number | null, message[at + 6] as string, ...changing, ...key, expected).changes === 1
      );
    }
    return (expected === ABSENT ? statements.insert : statements.upsert).run(...key, ...valuesOf(layout, message, at)).changes === 1;
  };

  /** A write to a hot table whose condition holds. */
  const writeHot = ({ layout, statements }: Table, message: CommitMessage, at: number, seq: number): void => {
    const kind = message[at] as number;
    const hash = message[at + 2] as string;
    const version = (message[at + 5] as number | null | undefined) ?? null;
    if (isDeferred(layout, kind, message[at + 4] as number)) {
      const body = message[at + 6] as string;
      deferred.updates(layout).append.run(seq, layout.name, hash, version, body);
      generations.defer(layout, hash, seq, version ?? UNVERSIONED, body.length);
      return;
    }
    const known = kind === DELETE ? NONE : (version ?? UNVERSIONED);
    // The journal's entries of this key must not come back over the row after a crash.
    if (generations.place(layout, hash, known)) deferred.updates(layout).append.run(seq, layout.name, hash, null, null);
    if (kind === DELETE) statements.remove.run(hash);
    else statements.upsert.run(hash, ...valuesOf(layout, message, at));
  };

  /** A write to a late-indexed table whose condition holds. */
  const writeLate = ({ layout }: Table, message: CommitMessage, at: number, seq: number): void => {
    const kind = message[at] as number;
    const expected = message[at + 4] as number;
    const hash = message[at + 2] as string;
    const statements = deferred.lateKey(layout);
    let former: number | undefined;
    if (expected !== ABSENT) {
      const entry = generations.find(layout, hash);
      former =
        entry === undefined ? (statements.find.get(hash)?.["seq"] as number | undefined) : entry.version === NONE ? undefined : entry.seq;
      if (kind === PUT && expected > ABSENT) {
        invariant(former !== undefined, `${layout.name}: the row of a known version is missing`);
        statements.update.run(...valuesOf(layout, message, at), former);
        if (entry !== undefined) generations.restate(entry, (message[at + 5] as number | null) ?? UNVERSIONED);
        return;
      }
      if (former !== undefined) {
        statements.remove.run(former);
        statements.removeKey.run(hash);
        if (entry !== undefined) generations.place(layout, hash, NONE);
      }
    }
    if (kind === DELETE) return;
    const body = message[at + 6] as string;
    statements.append.run(seq, hash, ...valuesOf(layout, message, at));
    // Until this is acknowledged readers know of the former row only, and where that is gone they look for the key.
    if (former !== undefined) statements.addKey.run(hash, seq);
    generations.defer(layout, hash, seq, (message[at + 5] as number | null) ?? UNVERSIONED, body.length);
  };

  /**
   * The writes of one commit, or the indexes of those whose condition failed.
   * @throws DirtyConflict when one failed after others had been made.
   */
  const one = (message: CommitMessage): readonly number[] | undefined => {
    const failing = conflictsBefore(message);
    if (failing.length > 0) return failing;
    let written = false;
    let seq = message[0] as number;
    for (let at = 1, index = 0; at < message.length; index++) {
      const table = tableAt(message[at + 1]);
      const { layout } = table;
      const kind = message[at] as number;
      if (takesSeq(layout, kind)) {
        if (layout.deferral === "key") writeLate(table, message, at, seq);
        else writeHot(table, message, at, seq);
        seq += 1;
        written = true;
      } else if (kind !== CHECK) {
        if (!writeDirectly(table, message, at)) {
          if (written) throw new DirtyConflict(index);
          return [index];
        }
        written = true;
      }
      at += fieldsOf(layout, kind);
    }
    return undefined;
  };

  /** Each commit under a savepoint: for groups in which one has to be undone. */
  const carefully = (commits: readonly CommitMessage[]): Failed => {
    const failed: [number, readonly number[]][] = [];
    for (const [position, message] of commits.entries()) {
      savepoint.run();
      const mark = generations.mark();
      try {
        const failing = one(message);
        if (failing !== undefined) failed.push([position, failing]);
      } catch (error) {
        if (!(error instanceof DirtyConflict)) throw error;
        backToSavepoint.run();
        generations.backTo(mark);
        failed.push([position, [error.write]]);
      }
      release.run();
    }
    return failed;
  };

  return {
    apply(commits) {
      const failed: [number, readonly number[]][] = [];
      const mark = generations.mark();
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
      generations.backTo(mark);
      return carefully(commits);
    },
    purge(nowSeconds, limit) {
      let purged = 0;
      for (const { layout } of tables) {
        if (layout.deferral !== "key") continue;
        const statements = deferred.lateKey(layout);
        for (const { seq, hash } of statements.expired.all(nowSeconds, limit - purged)) {
          statements.remove.run(seq as number);
          statements.removeKey.run(hash as string);
          if (generations.find(layout, hash as string) !== undefined) generations.place(layout, hash as string, NONE);
          purged += 1;
        }
      }
      return purged;
    },
  };
}
