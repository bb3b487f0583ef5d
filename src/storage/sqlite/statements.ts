import type { DatabaseSync, StatementSync } from "node:sqlite";
import { columnOf, type Layout } from "./layout.ts";

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
  const match = keys.map((key) => `${key} = ?`).join(" AND ");
  return {
    insert: db.prepare(`${insert} ON CONFLICT DO NOTHING`),
    upsert: db.prepare(
      `${insert} ON CONFLICT (${keys.join(", ")}) DO UPDATE SET ${mutable.map((column) => `${column} = excluded.${column}`).join(", ")}`,
    ),
    update: db.prepare(`UPDATE ${sql} SET ${mutable.map((column) => `${column} = ?`).join(", ")} WHERE ${match} AND version = ?`),
    remove: db.prepare(`DELETE FROM ${sql} WHERE ${match}`),
    removeVersion: db.prepare(`DELETE FROM ${sql} WHERE ${match} AND version = ?`),
    version: db.prepare(`SELECT version FROM ${sql} WHERE ${match}`),
  };
}

/** The statements that bring an entry of one journal slot to its place in one table; both take the entry's `seq`. */
export interface FoldStatements {
  /** Parameters: seq, seq, hash. */
  readonly update: StatementSync;
  /** Parameter: seq. Also replaces a row that is there. */
  readonly insert: StatementSync;
}

/** Prepares folding from `slot` into a deferred table. */
export function prepareFold(db: DatabaseSync, layout: Layout, slot: number): FoldStatements {
  const extra = layout.columns.map((attribute) => ({
    column: columnOf(layout, attribute),
    value: `json_extract(body, '$."${attribute}"')`,
  }));
  const mutable = ["version", "body", ...layout.changing.map((position) => extra[position]?.column ?? "")];
  return {
    update: db.prepare(
      `UPDATE ${layout.sql} SET version = (SELECT version FROM journal_${slot} WHERE seq = ?), body = (SELECT body FROM journal_${slot} WHERE seq = ?) WHERE hash = ?`,
    ),
    insert: db.prepare(
      `INSERT INTO ${layout.sql} (hash, version, body${extra.map(({ column }) => `, ${column}`).join("")})
       SELECT hash, version, body${extra.map(({ value }) => `, ${value}`).join("")} FROM journal_${slot} WHERE seq = ?
       ON CONFLICT (hash) DO UPDATE SET ${mutable.map((column) => `${column} = excluded.${column}`).join(", ")}`,
    ),
  };
}
