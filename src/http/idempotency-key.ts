import { hash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { OrganisationId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";

const PLAIN = /^[\x21-\x7e]{1,255}$/;
/** A Structured Field string (RFC 9651 section 3.3.3), as draft-ietf-httpapi-idempotency-key-header writes the key. */
const QUOTED = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;
const ID_BYTES = 16;

const FORM = "It is 1 to 255 visible ASCII characters, without spaces, bare or in double quotes.";
/** Three rules there are; each refusal says which one holds for the operation. */
const REQUIRED = "Operations that make something or move money require one, so that a repetition is answered and not done again.";
export const NOT_TAKEN =
  "Operations whose answer shows a secret refuse one: the answer is not kept, so a repetition could not be given it. Leave the header out.";

/**
 * Reads an Idempotency-Key: 1 to 255 visible ASCII characters, bare or as a quoted Structured Field string.
 * `abc` and `"abc"` are the same key.
 */
export function readIdempotencyKey(header: string | undefined): { readonly ok: true; readonly key: string } | Refusal {
  if (header === undefined || header === "") return refuse("idempotency_key_missing", undefined, REQUIRED);
  let key = header;
  if (header.charCodeAt(0) === 0x22) {
    const inner = QUOTED.exec(header)?.[1];
    if (inner === undefined) return refuse("idempotency_key_invalid", undefined, FORM);
    key = inner.replaceAll(/\\(["\\])/g, "$1");
  }
  return PLAIN.test(key) ? { ok: true, key } : refuse("idempotency_key_invalid", undefined, FORM);
}

/** The id a key is remembered under: keys of different organisations never meet. */
export function idempotencyId(organisation: OrganisationId, key: string): string {
  return hash("sha256", `${organisation}\n${key}`, "buffer").toString("base64url", 0, ID_BYTES);
}

/** What tells two requests under one key apart: method, path as sent (without query), and the body's bytes (valid UTF-8). */
export function fingerprintOf(request: IncomingMessage, body: string): string {
  const url = request.url ?? "";
  const query = url.indexOf("?");
  return hash("sha256", `${request.method}\n${query === -1 ? url : url.slice(0, query)}\n${body}`, "base64url");
}
