import type { DatabaseSync, StatementSync } from "node:sqlite";
import { columnOf, keyCondition, type Layout } from "./layout.ts";

/** The writer's statements for one table. Those under a version take it as their last parameter. */
export interface TableStatements {
  /** hash[, range], version, body, …columns: changes nothing when the key is taken. */
  readonly insert: StatementSync;
  /** The same parameters: replaces version, body and the columns of indexes that may change. */
  readonly upsert: StatementSync;
  /** version, body, …changing columns, hash[, range], expected version. */
  readonly update: StatementSync;
  readonly remove: StatementSync;
  readonly removeVersion: StatementSync;
  readonly version: StatementSync;
}

/** Prepares the statements of a table. */
export function prepareTable(db: DatabaseSync, layout: Layout): TableStatements {
  const { sql, range, columns, changing } = layout;
  const keys = range === undefined ? ["hash"] : ["hash", "range"];
  const extra = columns.map((attribute) => columnOf(layout, attribute));
  const mutable = ["version", "body", ...changing.map((position) => extra[position] ?? "")];
  const all = [...keys, "version", "body", ...extra];
  const insert = `INSERT INTO ${sql} (${all.join(", ")}) VALUES (${all.map(() => "?").join(", ")})`;
  const numbered = keys.length + 1;
  return {
    insert: db.prepare(`${insert} ON CONFLICT DO NOTHING`),
    upsert: db.prepare(`${insert} ON CONFLICT DO UPDATE SET ${mutable.map((column) => `${column} = excluded.${column}`).join(", ")}`),
    update: db.prepare(
      `UPDATE ${sql} SET ${mutable.map((column, at) => `${column} = ?${at + 1}`).join(", ")}
       WHERE ${keyCondition(layout, mutable.length + 1)} AND version = ?${mutable.length + numbered}`,
    ),
    remove: db.prepare(`DELETE FROM ${sql} WHERE ${keyCondition(layout)}`),
    removeVersion: db.prepare(`DELETE FROM ${sql} WHERE ${keyCondition(layout)} AND version = ?${numbered}`),
    version: db.prepare(`SELECT version FROM ${sql} WHERE ${keyCondition(layout)}`),
  };
}

/** Statements for the journal entries of a hot table, one for each journal slot. */
export interface UpdateStatements {
  /** seq, name, hash, version, body. */
  readonly append: StatementSync;
  /** seq, hash: brings an entry to its row. */
  readonly fold: StatementSync;
  /** seq: the same where the row is missing. */
  readonly insert: StatementSync;
}

export function prepareUpdates(db: DatabaseSync, layout: Layout, slot: number): UpdateStatements {
  const journal = `journal_${slot}`;
  const extra = layout.columns.map((attribute) => ({
    column: columnOf(layout, attribute),
    value: `json_extract(body, '$."${attribute}"')`,
  }));
  return {
    append: db.prepare(`INSERT INTO ${journal} (seq, name, hash, version, body) VALUES (?, ?, ?, ?, ?)`),
    fold: db.prepare(`UPDATE ${layout.sql} SET (version, body) = (SELECT version, body FROM ${journal} WHERE seq = ?) WHERE hash = ?`),
    insert: db.prepare(
      `INSERT INTO ${layout.sql} (hash, version, body${extra.map(({ column }) => `, ${column}`).join("")})
       SELECT hash, version, body${extra.map(({ value }) => `, ${value}`).join("")} FROM ${journal} WHERE seq = ?`,
    ),
  };
}

/** Statements for a table whose key entries are made later. */
export interface LateKeyStatements {
  /** seq, hash, version, body, …columns. */
  readonly append: StatementSync;
  /** version, body, …columns, seq. */
  readonly update: StatementSync;
  readonly remove: StatementSync;
  readonly removeKey: StatementSync;
  /** hash, seq. */
  readonly addKey: StatementSync;
  /** Of a hash that has its entry: seq and version. */
  readonly find: StatementSync;
  /** seconds, limit: seq and hash. */
  readonly expired: StatementSync;
}

export function prepareLateKey(db: DatabaseSync, layout: Layout): LateKeyStatements {
  const { sql, columns, ttl } = layout;
  const extra = columns.map((attribute) => columnOf(layout, attribute));
  const all = ["seq", "hash", "version", "body", ...extra];
  return {
    append: db.prepare(`INSERT INTO ${sql} (${all.join(", ")}) VALUES (${all.map(() => "?").join(", ")})`),
    update: db.prepare(`UPDATE ${sql} SET ${["version", "body", ...extra].map((column) => `${column} = ?`).join(", ")} WHERE seq = ?`),
    remove: db.prepare(`DELETE FROM ${sql} WHERE seq = ?`),
    removeKey: db.prepare(`DELETE FROM ${keyTable(layout)} WHERE hash = ?`),
    addKey: db.prepare(`INSERT INTO ${keyTable(layout)} (hash, seq) VALUES (?, ?) ON CONFLICT (hash) DO UPDATE SET seq = excluded.seq`),
    find: db.prepare(`SELECT seq, version FROM ${sql} WHERE seq = (SELECT seq FROM ${keyTable(layout)} WHERE hash = ?)`),
    expired: db.prepare(`SELECT seq, hash FROM ${sql} WHERE ${columnOf(layout, ttl ?? "")} < ? LIMIT ?`),
  };
}

/** The table that is the index of a layout with late keys. */
export const keyTable = (layout: Layout): string => `"${layout.name}/key"`;
