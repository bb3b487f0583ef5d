import { Type } from "typebox";
import { invariant } from "#kernel/assert.ts";
import { parseTimestamp } from "#kernel/clock.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Query } from "#storage/index.ts";
import { PAGE_LIMIT } from "./pattern-words.ts";

const DEFAULT_LIMIT = 20;
export const MAX_CURSOR_LENGTH = 4096;

/**
 * The query parameters of every list, to be spread into a route's `querystring` object (with
 * `additionalProperties: false`). Query values are strings and stay strings; `readPage` converts.
 */
export const pageParameters = {
  limit: Type.Optional(
    Type.String({ pattern: PAGE_LIMIT, description: "How many items at most, 1 to 100; 20 when absent.", examples: ["20"] }),
  ),
  cursor: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: MAX_CURSOR_LENGTH,
      description: "`next_cursor` of the page before. Opaque: only what a list gave is understood.",
    }),
  ),
};

/** The query of a list without filters. */
export const pageSchema = Type.Object(pageParameters, { additionalProperties: false });

export interface PageRequest {
  /** 1 to 100. */
  readonly limit: number;
  readonly cursor?: string;
}

/** Converts a query that passed its schema. */
export function readPage(query: { readonly limit?: string; readonly cursor?: string }): PageRequest {
  const limit = query.limit === undefined ? DEFAULT_LIMIT : Number(query.limit);
  invariant(Number.isInteger(limit) && limit >= 1 && limit <= 100, "a page's limit passed its schema");
  return query.cursor === undefined ? { limit } : { limit, cursor: query.cursor };
}

/** The store's query for a page of one hash value of an index, newest first. */
export function newestFirst(table: Query["table"], index: string, hash: string, { limit, cursor }: PageRequest): Query {
  return { table, index, hash, order: "descending", limit, ...(cursor === undefined ? {} : { cursor }) };
}

/** The times of a query, in ms, under the names of their parameters. */
type Times<T> = { readonly [K in keyof T]: number | undefined };

/** Converts times that passed `timeParameter`. Refuses a day or an hour that no calendar has. */
export function readTimes<T extends Readonly<Record<string, string | undefined>>>(
  query: T,
): { readonly ok: true; readonly times: Times<T> } | Refusal {
  const times: Record<string, number | undefined> = {};
  for (const [name, text] of Object.entries(query)) {
    const time = text === undefined ? undefined : parseTimestamp(text);
    if (Number.isNaN(time)) return refuse("invalid_request", name, "There is no such time.");
    times[name] = time;
  }
  return { ok: true, times: times as Times<T> };
}

/** The answer of a list: `data`, `has_more`, `next_cursor`. */
export function listOf<T>(items: readonly T[], nextCursor: string | undefined) {
  return { object: "list" as const, data: items, has_more: nextCursor !== undefined, next_cursor: nextCursor ?? null };
}
