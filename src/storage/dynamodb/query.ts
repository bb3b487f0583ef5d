import { invariant } from "#kernel/assert.ts";
import type { Item, Page, Query } from "../port.ts";
import { tableDefinition } from "../tables.ts";
import { validateQuery } from "../validate-commit.ts";
import { type Attribute, type Attributes, fromAttributes } from "./attributes.ts";
import { InvalidCursorError } from "../port.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import type { Reader } from "./read.ts";

interface Answer {
  readonly Items?: readonly Attributes[];
  readonly LastEvaluatedKey?: Attributes;
}

/** DynamoDB ends a page at 1 MB: of items of up to 400 KB each page holds two, so a limit of 1,000 takes 500 at most. */
const PAGES_MAX = 501;

/**
 * Runs a port query; further pages are fetched until the limit is reached.
 * @throws InvalidCursorError, InvariantError, StoreUnavailableError.
 */
export async function runQuery(read: Reader, physical: (table: string) => string, query: Query): Promise<Page> {
  validateQuery(query);
  const plan = planOf(query);
  const start = query.cursor === undefined ? undefined : startKey(plan, query, query.cursor);
  // DynamoDB calls crossed bounds a mistake; they hold nothing.
  if (query.from !== undefined && query.to !== undefined && compareBytes(query.from, query.to) > 0) return { items: [] };
  const request = { TableName: physical(query.table), ...plan.request, ScanIndexForward: query.order === "ascending" };
  const items: Item[] = [];
  let from: Attributes | undefined = start;
  for (let page = 0; page < PAGES_MAX; page++) {
    const answer: Answer = await read("Query", { ...request, Limit: query.limit - items.length, ExclusiveStartKey: from });
    for (const attributes of answer.Items ?? []) items.push(fromAttributes(attributes));
    from = answer.LastEvaluatedKey;
    // A table without a range attribute has one item to a hash, and DynamoDB a key to go on from all the same.
    if (from === undefined || plan.range === undefined) return { items };
    if (items.length >= query.limit) break;
  }
  return { items, cursor: encodeCursor(plan.cursorAttributes.map((name) => text(from?.[name]))) };
}

interface Plan {
  readonly hash: string;
  readonly range: string | undefined;
  /** What a cursor has to hold, beside the hash that every query names itself. The range comes first. */
  readonly cursorAttributes: readonly string[];
  readonly request: Readonly<Record<string, unknown>>;
}

function planOf(query: Query): Plan {
  const definition = tableDefinition(query.table);
  const index = definition.indexes.find(({ name }) => name === query.index);
  const { hash, range } = index ?? definition;
  const primary = [definition.hash, definition.range];
  const wanted = index === undefined ? [range] : [range, ...primary];
  const cursorAttributes = [...new Set(wanted)].filter((name): name is string => name !== undefined && name !== hash);
  const { from, to } = query;
  const names: Record<string, string> = { "#h": hash };
  const values: Record<string, Attribute> = { ":h": { S: query.hash } };
  let condition = "#h = :h";
  if (range !== undefined && (from !== undefined || to !== undefined)) {
    names["#r"] = range;
    if (from !== undefined) values[":f"] = { S: from };
    if (to !== undefined) values[":t"] = { S: to };
    condition += from === undefined ? " AND #r <= :t" : to === undefined ? " AND #r >= :f" : " AND #r BETWEEN :f AND :t";
  }
  const request = {
    IndexName: index?.name,
    ConsistentRead: index === undefined,
    KeyConditionExpression: condition,
    ExpressionAttributeNames: names,
    ExpressionAttributeValues: values,
  };
  return { hash, range, cursorAttributes, request };
}

/** The hash comes from the query and never from the cursor, so a cursor cannot lead into another partition. */
function startKey(plan: Plan, query: Query, cursor: string): Attributes {
  if (plan.range === undefined) throw new InvalidCursorError("this query has no further pages");
  const values = decodeCursor(cursor, plan.cursorAttributes.length);
  const [range = ""] = values;
  const inside =
    (query.from === undefined || compareBytes(range, query.from) >= 0) && (query.to === undefined || compareBytes(range, query.to) <= 0);
  if (!inside) throw new InvalidCursorError("the cursor lies outside the bounds of this query");
  const key: Record<string, Attribute> = { [plan.hash]: { S: query.hash } };
  for (const [i, name] of plan.cursorAttributes.entries()) key[name] = { S: values[i] ?? "" };
  return key;
}

function text(attribute: Attribute | undefined): string {
  invariant(attribute !== undefined && "S" in attribute, "a last evaluated key lacks an attribute");
  return attribute.S;
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
