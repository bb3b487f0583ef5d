import { InvariantError, invariant } from "#kernel/assert.ts";
import type { Condition, Item, Key, Query, Ref, Store, Write } from "./port.ts";
import { FEED_TABLE, type TableDefinition, type TableName, tableDefinition } from "./tables.ts";

/** The most refs one `getMany` and the most items one query page may name. */
export const READ_LIMIT = 1_000;

const isKeyText = (value: unknown): value is string => typeof value === "string" && value !== "";
const isVersion = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) > 0;

// The functions below run for every write of every commit. An assertion's message is built before it is looked
// at, which cost more than all the checks together, so they test first and only then assert.
function fail(table: TableName, message: string): never {
  throw new InvariantError(`${table}: ${message}`);
}

function definitionOf(table: TableName): TableDefinition {
  return tableDefinition(table) ?? fail(table, "there is no such table");
}

/**
 * The primary key of an item.
 * @throws InvariantError when a key attribute is not a non-empty string.
 */
export function keyOf(table: TableName, item: Item): Key {
  const { hash: hashName, range: rangeName } = definitionOf(table);
  const hash = item[hashName];
  if (!isKeyText(hash)) return fail(table, `${hashName} is not a non-empty string`);
  if (rangeName === undefined) return { hash };
  const range = item[rangeName];
  if (!isKeyText(range)) return fail(table, `${rangeName} is not a non-empty string`);
  return { hash, range };
}

/** A text that is equal for two refs exactly when they name the same item; the length keeps hash and range apart. */
export function refText(table: TableName, key: Key): string {
  return `${table}/${key.hash.length}/${key.hash}/${key.range ?? ""}`;
}

/** The size an item counts as: the UTF-8 bytes of its JSON text. */
export function jsonBytes(item: Item): number {
  return Buffer.byteLength(JSON.stringify(item));
}

function assertKey(table: TableName, key: Key): void {
  const { range } = definitionOf(table);
  if (!isKeyText(key.hash)) fail(table, "the hash of a key is not a non-empty string");
  if (range === undefined ? key.range !== undefined : !isKeyText(key.range)) {
    fail(table, range === undefined ? "has no range attribute" : "the range of a key is not a non-empty string");
  }
}

function assertCondition(table: TableName, condition: Condition): void {
  if (typeof condition === "string") {
    if (condition !== "absent" && condition !== "none") fail(table, "unknown condition");
  } else if (!isVersion(condition.version)) fail(table, "the version of a condition is not a positive integer");
}

const isIndexable = (value: unknown): boolean => value === undefined || isKeyText(value);

function validatePut(table: TableName, item: Item, condition: Condition): Key {
  const key = keyOf(table, item);
  const version = item["version"];
  if (!isVersion(version)) {
    if (typeof condition !== "string") fail(table, "an item put under a version condition has no version of its own");
    // An engine that keeps versions as integers can keep no other.
    if (version !== undefined) fail(table, "the version of an item is not a positive integer");
  }
  for (const { hash, range } of definitionOf(table).indexes) {
    // DynamoDB refuses empty strings in index keys as it does in primary keys.
    if (!isIndexable(item[hash])) fail(table, `${hash} is not a non-empty string`);
    if (!isIndexable(item[range])) fail(table, `${range} is not a non-empty string`);
  }
  return key;
}

/**
 * Asserts the commit contract of the port. Every engine calls it first, so it costs little: it looks at
 * the attributes that carry keys and leaves the depths of items to `assertStorable`.
 *
 * `sizeOf` gives the JSON bytes of the item of the put at `index`; it is called once per put and is left
 * out by an engine that checks `itemBytes` where it serialises anyway.
 * @throws InvariantError when the contract is broken.
 */
export function validateCommit(
  writes: readonly Write[],
  limits: Pick<Store["limits"], "writesPerCommit" | "itemBytes">,
  sizeOf?: (item: Item, index: number) => number,
): void {
  invariant(writes.length >= 1, "a commit has no writes");
  invariant(writes.length <= limits.writesPerCommit, `a commit has ${writes.length} writes, the most is ${limits.writesPerCommit}`);
  const seen = new Set<string>();
  for (let index = 0; index < writes.length; index++) {
    const write = writes[index];
    invariant(write !== undefined, "a commit has a hole");
    const { table, condition } = write;
    let key: Key;
    if (write.op === "put") {
      key = validatePut(table, write.item, condition);
      if (sizeOf !== undefined) assertItemBytes(table, sizeOf(write.item, index), limits.itemBytes);
    } else {
      key = write.key;
      assertKey(table, key);
      if (write.op === "check" && (condition as Condition) === "none") fail(table, "a check without a condition");
    }
    assertCondition(table, condition);
    // The feed numbers an item once, so nothing in its table may be replaced or removed (tables.ts).
    if (table === FEED_TABLE && write.op !== "check" && (write.op === "delete" || condition !== "absent")) {
      fail(table, "items are only ever put as absent");
    }
    seen.add(refText(table, key));
    if (seen.size !== index + 1) fail(table, `a commit names the key of write ${index} twice`);
  }
}

/** @throws InvariantError when an item of `bytes` is over the limit. */
export function assertItemBytes(table: TableName, bytes: number, itemBytes: number): void {
  if (bytes > itemBytes) fail(table, `an item of ${bytes} bytes, the most is ${itemBytes}`);
}

/** @throws InvariantError when `refs` are more than `READ_LIMIT` or a key does not fit its table. */
export function validateRefs(refs: readonly Ref[]): void {
  invariant(refs.length <= READ_LIMIT, `${refs.length} refs, the most is ${READ_LIMIT}`);
  for (const ref of refs) assertKey(ref.table, ref.key);
}

/** @throws InvariantError when a query names no such index, has no hash, or a limit outside 1 to `READ_LIMIT`. */
export function validateQuery(query: Query): void {
  const definition = definitionOf(query.table);
  invariant(isKeyText(query.hash), `${query.table}: the hash of a query is not a non-empty string`);
  invariant(
    Number.isSafeInteger(query.limit) && query.limit >= 1 && query.limit <= READ_LIMIT,
    `${query.table}: a query limit of ${query.limit}`,
  );
  if (query.index !== undefined) {
    const { index } = query;
    invariant(
      definition.indexes.some((declared) => declared.name === index),
      `${query.table}: there is no index ${index}`,
    );
  } else if (definition.range === undefined) {
    invariant(query.from === undefined && query.to === undefined, `${query.table}: has no range attribute`);
  }
}

/**
 * Asserts that every engine keeps `item` exactly as it is: no `undefined`, only finite numbers, integers
 * safe, strings well-formed Unicode, no attribute named `__proto__`. A walk over the whole item, so the memory
 * store and tests call it and the hot path of the others does not.
 * @throws InvariantError naming the path at fault.
 */
export function assertStorable(item: Item): void {
  assertStorableValue(item, "item", 0);
}

/** Deeper than DynamoDB's 32 levels nothing is kept. */
const MAX_DEPTH = 32;

function assertStorableValue(value: unknown, path: string, depth: number): void {
  invariant(depth <= MAX_DEPTH, `${path} is nested too deeply`);
  switch (typeof value) {
    case "boolean":
      return;
    case "string":
      invariant(value.isWellFormed(), `${path} is not well-formed Unicode`);
      return;
    case "number":
      invariant(Number.isFinite(value), `${path} is not a finite number`);
      invariant(!Number.isInteger(value) || Number.isSafeInteger(value), `${path} is not a safe integer`);
      return;
    case "object":
      if (value === null) return;
      if (Array.isArray(value)) {
        // By position: `forEach` would pass over the holes of a sparse array.
        for (let i = 0; i < value.length; i++) assertStorableValue(value[i], `${path}[${i}]`, depth + 1);
        return;
      }
      invariant(Object.getPrototypeOf(value) === Object.prototype, `${path} is not a plain object`);
      for (const [name, inner] of Object.entries(value)) {
        invariant(name !== "__proto__" && name.isWellFormed(), `${path} has an attribute of a forbidden name`);
        assertStorableValue(inner, `${path}.${name}`, depth + 1);
      }
      return;
    default:
      invariant(false, `${path} is ${typeof value}, which is not JSON`);
  }
}
