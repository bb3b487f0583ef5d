import type { JsonObject, JsonValue } from "#kernel/json.ts";
import { type Refusal, refuse } from "#kernel/problems.ts";

/** Thrown inside this room's parsers only; `orRefusal` turns it into the returned refusal. */
class Malformed extends Error {
  readonly param: string;
  constructor(param: string, detail: string) {
    super(detail);
    this.param = param;
  }
}

/** Ends the parsing: `param` names the place, `detail` says what must be there. */
export function malformed(param: string, detail: string): never {
  throw new Malformed(param, detail);
}

/** The parser's result, or the refusal (`invalid_request`, param, detail) with which it ended. */
export function orRefusal<T>(parse: () => T): { readonly ok: true; readonly value: T } | Refusal {
  try {
    return { ok: true, value: parse() };
  } catch (error) {
    if (error instanceof Malformed) return refuse("invalid_request", error.param, error.message);
    throw error;
  }
}

/** @param lengthMax characters */
export function parseText(text: string, lengthMax: number): JsonValue {
  if (text.length > lengthMax) malformed("model", `must be at most ${lengthMax} characters`);
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return malformed("model", "must be JSON");
  }
}

export function objectAt(value: JsonValue | undefined, at: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return malformed(at, "must be an object");
  return value as JsonObject;
}

/** An object with exactly these members. */
export function exactObjectAt(value: JsonValue | undefined, at: string, members: readonly string[]): JsonObject {
  const object = objectAt(value, at);
  for (const name of members) if (!Object.hasOwn(object, name)) malformed(`${at}.${name}`, "is missing");
  for (const name of Object.keys(object)) if (!members.includes(name)) malformed(`${at}.${name}`, "is not known");
  return object;
}

export function arrayAt(value: JsonValue | undefined, at: string, lengthMax: number): readonly JsonValue[] {
  if (!Array.isArray(value)) return malformed(at, "must be an array");
  if (value.length > lengthMax) malformed(at, `must have at most ${lengthMax} entries`);
  return value as readonly JsonValue[];
}

export function numberAt(value: JsonValue | undefined, at: string, least = -Number.MAX_VALUE, most = Number.MAX_VALUE): number {
  if (typeof value !== "number" || !(value >= least && value <= most))
    return malformed(at, `must be a finite number from ${least} to ${most}`);
  return value;
}

export function integerAt(value: JsonValue | undefined, at: string, least: number, most: number): number {
  const number = numberAt(value, at, least, most);
  if (!Number.isInteger(number)) malformed(at, "must be an integer");
  return number;
}

export function textAt(value: JsonValue | undefined, at: string, pattern: RegExp): string {
  if (typeof value !== "string" || !pattern.test(value)) return malformed(at, `must match ${pattern.source}`);
  return value;
}

/** A list of finite numbers of a given length. */
export function numbersAt(value: JsonValue | undefined, at: string, length: number, least?: number, most?: number): Float64Array {
  const array = arrayAt(value, at, length);
  if (array.length !== length) malformed(at, `must have ${length} entries`);
  return Float64Array.from(array, (entry, i) => numberAt(entry, `${at}[${i}]`, least, most));
}

export function integersAt(value: JsonValue | undefined, at: string, length: number, least: number, most: number): Int32Array {
  const array = arrayAt(value, at, length);
  if (array.length !== length) malformed(at, `must have ${length} entries`);
  return Int32Array.from(array, (entry, i) => integerAt(entry, `${at}[${i}]`, least, most));
}
