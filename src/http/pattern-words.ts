import type { IdKind } from "#kernel/ids.ts";
import { idPattern, idPrefixes } from "#kernel/ids.ts";

/** The patterns of request fields, and what they ask for in words: nobody should have to read an expression to mend a request. */

/** Text for people: no control characters, nothing that turns the direction of writing. */
export const PLAIN_TEXT = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]+$";
/** RFC 3339 with at most milliseconds. */
export const TIME = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,3})?(Z|[+-][0-9]{2}:[0-9]{2})$";
/** A page's size in a query string. */
export const PAGE_LIMIT = "^([1-9][0-9]?|100)$";
/** SHA-256 of a certificate, as people have it: plain, or in pairs with colons as openssl prints it. */
export const FINGERPRINT = "^(?:[0-9A-Fa-f]{64}|(?:[0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2})$";
/** A telephone number in E.164. */
export const PHONE = "^\\+[1-9][0-9]{6,14}$";
/** An e-mail address, roughly. */
export const EMAIL = "^[^\\s@\\u0000-\\u001f\\u007f-\\u009f]+@[^\\s@\\u0000-\\u001f\\u007f-\\u009f]+$";
/** A day, from 1900 to 2099. */
export const DAY = "^(19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}$";
/** The names of metadata. */
export const PAIR_NAME = "^[A-Za-z0-9_.:-]{1,40}$";
/** An entity tag (RFC 9110 section 8.8.3) that is an object's version. */
export const VERSION_TAG = '^"[1-9][0-9]{0,14}"$';

/** What every example id ends in. */
const ID_BODY = "01M82BHM94EKAVVN1J472JCKY4";

/** An id of `kind` for examples; it belongs to nothing. */
export function exampleId(kind: IdKind): string {
  return `${idPrefixes[kind]}_${ID_BODY}`;
}

/** Kinds whose name in words does not follow from their name in code. */
const irregular: Partial<Record<IdKind, string>> = { apiKey: "an API key", user: "a user" };

/** `an account`, `a data key`. */
export function kindInWords(kind: IdKind): string {
  const known = irregular[kind];
  if (known !== undefined) return known;
  const words = kind.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return `${/^[aeiou]/.test(words) ? "an" : "a"} ${words}`;
}

interface Form {
  readonly words: string;
  readonly example: string;
  /** The words say all there is to say, so the example is left out of them. */
  readonly plain?: boolean;
}

const forms = new Map<string, Form>([
  [PLAIN_TEXT, { words: "text without control characters", example: "Lunch", plain: true }],
  [TIME, { words: "an RFC 3339 time", example: "2026-11-22T18:31:00.123Z" }],
  [PAGE_LIMIT, { words: "a whole number from 1 to 100", example: "20", plain: true }],
  [VERSION_TAG, { words: "an entity tag as it was sent", example: '"3"' }],
  [PHONE, { words: "a telephone number in E.164 (a plus, the country code, the number; no blanks)", example: "+442079460000" }],
  [EMAIL, { words: "an e-mail address", example: "ada@example.com" }],
  [DAY, { words: "a day as YYYY-MM-DD, from 1900 on", example: "1985-12-10" }],
  [PAIR_NAME, { words: "1 to 40 letters, digits and _ . : -", example: "order_id" }],
  [
    FINGERPRINT,
    { words: "a SHA-256 fingerprint: 64 hexadecimal digits, with or without colons between pairs", example: "5e".repeat(32), plain: true },
  ],
  ["\\S", { words: "text with a character that can be seen", example: "Lunch", plain: true }],
  ["^[0-9A-Fa-f:.]+$", { words: "an IP address", example: "203.0.113.7" }],
  ["^(0|[1-9][0-9]{0,14})$", { words: "a whole number", example: "42" }],
  ["^(0|[1-9][0-9]{0,15})$", { words: "a whole number", example: "50000" }],
  ["^[0-9a-f]{64}$", { words: "64 lower-case hexadecimal digits", example: "5e".repeat(32), plain: true }],
  ["^[A-Z]{2}$", { words: "two capital letters", example: "DE" }],
]);
for (const kind of Object.keys(idPrefixes) as IdKind[])
  forms.set(idPattern(kind), { words: `${kindInWords(kind)} id`, example: exampleId(kind) });

/** What a pattern asks for, to be put after "must be"; undefined for a pattern that is not known here. */
export function patternInWords(pattern: unknown): string | undefined {
  const form = typeof pattern === "string" ? forms.get(pattern) : undefined;
  return form === undefined || form.plain === true ? form?.words : `${form.words}, like ${form.example}`;
}

/** A text that a known pattern takes. */
export function patternExample(pattern: string): string | undefined {
  return forms.get(pattern)?.example;
}
