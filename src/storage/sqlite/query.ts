import type { StatementSync } from "node:sqlite";
import { InvalidCursorError } from "../port.ts";
import type { Item, Page, Query } from "../port.ts";
import { columnOf, type Layout } from "./layout.ts";

/** Prepared statements by their place and order. */
export interface QueryStatements {
  readonly statements: Map<string, StatementSync>;
  prepare(sql: string): StatementSync;
}

/** The last row of a page: its range value, and its row number where an index may hold a range value twice. */
interface Position {
  readonly range: string;
  readonly seq: number | null;
}

function encodeCursor({ range, seq }: Position): string {
  return Buffer.from(JSON.stringify([range, seq])).toString("base64url");
}

function decodeCursor(cursor: string): Position {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(cursor, "base64url").toString());
  } catch {
    value = undefined;
  }
  const [range, seq, ...rest] = Array.isArray(value) ? (value as unknown[]) : [];
  if (typeof range !== "string" || (seq !== null && !Number.isSafeInteger(seq)) || rest.length > 0)
    throw new InvalidCursorError("the cursor is not one of this query");
  return { range, seq: seq as number | null };
}

/** A blob is after every text in SQLite's order, so an empty one is an upper bound that excludes nothing. */
const AFTER_ALL_TEXTS = new Uint8Array(0);

function statementFor(prepared: QueryStatements, layout: Layout, index: string | undefined, ascending: boolean): StatementSync {
  const name = `${layout.name}/${index ?? ""}/${ascending ? "a" : "d"}`;
  const found = prepared.statements.get(name);
  if (found !== undefined) return found;
  const declared = layout.indexes.find((one) => one.name === index);
  const hash = declared === undefined ? "hash" : columnOf(layout, declared.hash);
  const range = declared === undefined ? "range" : columnOf(layout, declared.range);
  // An index that begins with the name holds the parts side by side: the range is found in it, and the hash read from it.
  const part = index === undefined && layout.nameOf !== undefined ? ` AND ${layout.nameOf("hash")} = ${layout.nameOf("?1")}` : "";
  const [after, order] = ascending ? [">", "ASC"] : ["<", "DESC"];
  // Without a cursor its two parameters are null: `range IS NOT null` holds. The last condition is null, so false, after
  // a cursor of the primary key, whose range values are unique.
  const statement = prepared.prepare(
    `SELECT seq, hash, ${range} AS position, body FROM ${layout.sql} WHERE ${hash} = ?1${part} AND ${range} >= ?2 AND ${range} <= ?3
       AND (${range} IS NOT ?4 OR seq ${after} ?5) ORDER BY ${range} ${order}${index === undefined ? "" : `, seq ${order}`} LIMIT ?6`,
  );
  prepared.statements.set(name, statement);
  return statement;
}

/** One page; `itemOf` makes the item of a row from its hash and body. */
export function runQuery(prepared: QueryStatements, layout: Layout, query: Query, itemOf: (hash: string, body: string) => Item): Page {
  const { index, hash, from, to, limit } = query;
  const ascending = query.order === "ascending";
  const start = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
  const lower = ascending && start !== undefined ? start.range : (from ?? "");
  const upper = !ascending && start !== undefined ? start.range : (to ?? AFTER_ALL_TEXTS);
  // One row more than asked tells whether there is another page.
  const rows = statementFor(prepared, layout, index, ascending).all(
    hash,
    lower,
    upper,
    start?.range ?? null,
    start?.seq ?? null,
    limit + 1,
  );
  const more = rows.length > limit;
  if (more) rows.pop();
  const items = rows.map((row) => itemOf(row["hash"] as string, row["body"] as string));
  const last = rows.at(-1);
  if (!more || last === undefined) return { items };
  return { items, cursor: encodeCursor({ range: last["position"] as string, seq: index === undefined ? null : (last["seq"] as number) }) };
}
