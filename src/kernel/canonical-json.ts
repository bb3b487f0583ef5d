import canonicalize from "canonicalize";
import { invariant } from "./assert.ts";
import type { JsonValue } from "./json.ts";

/** The RFC 8785 (JCS) text of a JSON value. */
export function canonicalJson(value: JsonValue): string {
  const text = canonicalize(value);
  invariant(text !== undefined, "value has no canonical form");
  return text;
}
