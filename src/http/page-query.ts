import { Type } from "typebox";
import { invariant } from "#kernel/assert.ts";

const DEFAULT_LIMIT = 20;
export const MAX_CURSOR_LENGTH = 4096;

/**
 * The query parameters of every list, to be spread into a route's `querystring` object (with
 * `additionalProperties: false`). Query values are strings and stay strings; `readPage` converts.
 */
export const pageParameters = {
  limit: Type.Optional(
    Type.String({ pattern: "^([1-9][0-9]?|100)$", description: "How many items at most, 1 to 100; 20 when absent.", examples: ["20"] }),
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

/** The answer of a list: `data`, `has_more`, `next_cursor`. */
export function listOf<T>(items: readonly T[], nextCursor: string | undefined) {
  return { object: "list" as const, data: items, has_more: nextCursor !== undefined, next_cursor: nextCursor ?? null };
}
