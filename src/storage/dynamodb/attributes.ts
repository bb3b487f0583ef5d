import { invariant } from "#kernel/assert.ts";
import type { JsonValue } from "#kernel/json.ts";
import type { Item } from "../port.ts";

/** A value in DynamoDB's JSON notation (the AttributeValue of its API reference), of the types this store writes. */
export type Attribute =
  | { readonly S: string }
  | { readonly N: string }
  | { readonly BOOL: boolean }
  | { readonly NULL: true }
  | { readonly L: readonly Attribute[] }
  | { readonly M: Attributes }
  | { readonly B: string };

export interface Attributes {
  readonly [name: string]: Attribute;
}

/** DynamoDB keeps 38 digits, more than a double has, but only magnitudes from 1E-130 to 9.99…E+125. */
const MAGNITUDE_MIN = 1e-130;
const MAGNITUDE_MAX = 9.99e125;
const NULL_ATTRIBUTE: Attribute = { NULL: true };

/**
 * The item in DynamoDB's notation; attributes that are `undefined` are left out. Written by hand because it is on
 * the way of every commit: `@aws-sdk/util-dynamodb` takes several times as long and refuses doubles it cannot place.
 * @throws InvariantError when a number is not finite or a value is not JSON.
 */
export function toAttributes(item: Item): Attributes {
  const attributes: Record<string, Attribute> = {};
  for (const name in item) {
    const value = item[name];
    if (value !== undefined) put(attributes, name, toAttribute(value));
  }
  return attributes;
}

/** Like JSON.parse: "__proto__" is a name as any other, where an assignment would change what the object inherits from. */
function put<T>(object: Record<string, T>, name: string, value: T): void {
  if (name === "__proto__") Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  else object[name] = value;
}

function toAttribute(value: JsonValue): Attribute {
  switch (typeof value) {
    case "string":
      return { S: value };
    case "number":
      return toNumber(value);
    case "boolean":
      return { BOOL: value };
    case "object":
      if (value === null) return NULL_ATTRIBUTE;
      if (Array.isArray(value)) return { L: value.map(toAttribute) };
      return { M: toAttributes(value as Item) };
    default:
      return invariant(false, `a ${typeof value} is not JSON`) as never;
  }
}

/** A number outside DynamoDB's range is kept as the 8 bytes of the double (big-endian): no other value of ours is binary. */
function toNumber(value: number): Attribute {
  invariant(Number.isFinite(value), "a number is not finite");
  const magnitude = Math.abs(value);
  if (magnitude === 0 || (magnitude >= MAGNITUDE_MIN && magnitude <= MAGNITUDE_MAX)) return { N: String(value) };
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return { B: bytes.toString("base64") };
}

/** The reverse of `toAttributes`. @throws InvariantError for a type this store never writes. */
export function fromAttributes(attributes: Attributes): Item {
  const item: Record<string, JsonValue> = {};
  for (const name in attributes) {
    const attribute = attributes[name];
    if (attribute !== undefined) put(item, name, fromAttribute(attribute));
  }
  return item;
}

function fromAttribute(attribute: Attribute): JsonValue {
  if ("S" in attribute) return attribute.S;
  if ("N" in attribute) return Number(attribute.N);
  if ("M" in attribute) return fromAttributes(attribute.M);
  if ("L" in attribute) return attribute.L.map(fromAttribute);
  if ("BOOL" in attribute) return attribute.BOOL;
  if ("NULL" in attribute) return null;
  if ("B" in attribute) return Buffer.from(attribute.B, "base64").readDoubleBE();
  return invariant(false, `an attribute of type ${Object.keys(attribute).join()} was not written by this store`) as never;
}

/** What DynamoDB counts for an item, in bytes, rounded up where its documentation says "approximately". */
export function storedBytes(attributes: Attributes): number {
  let bytes = 0;
  for (const name in attributes) {
    const attribute = attributes[name];
    if (attribute !== undefined) bytes += Buffer.byteLength(name) + attributeBytes(attribute);
  }
  return bytes;
}

function attributeBytes(attribute: Attribute): number {
  if ("S" in attribute) return Buffer.byteLength(attribute.S);
  if ("N" in attribute) return Math.ceil(attribute.N.length / 2) + 2;
  if ("B" in attribute) return 8;
  // Lists and maps: 3 bytes, and 1 for each element.
  if ("M" in attribute) return 3 + Object.keys(attribute.M).length + storedBytes(attribute.M);
  if ("L" in attribute) return attribute.L.reduce((sum, inner) => sum + 1 + attributeBytes(inner), 3);
  return 1;
}
