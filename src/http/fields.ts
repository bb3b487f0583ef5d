import type { TSchema } from "typebox";
import { Type } from "typebox";
import type { IdKind } from "#kernel/ids.ts";
import { idPattern } from "#kernel/ids.ts";
import type { Id } from "#kernel/ids.ts";
import { currencies } from "#kernel/currencies.ts";
import type { Currency } from "#kernel/money.ts";
import { exampleId, kindInWords, PAIR_NAME, PLAIN_TEXT, TIME, VERSION_TAG } from "./pattern-words.ts";

export { DAY, EMAIL, exampleId, FINGERPRINT, PHONE, PLAIN_TEXT, TIME } from "./pattern-words.ts";

/** The fields that objects of every room have in common, as JSON Schema. What a schema has passed is minted as its brand. */

/** The same schema with another description. A copy by spreading would lose what TypeBox keeps out of sight. */
export function described<T extends TSchema>(schema: T, description: string): T {
  const copy = Object.defineProperties({}, Object.getOwnPropertyDescriptors(schema)) as T & { description?: string };
  copy.description = description;
  return copy;
}

/** An id of one kind. */
export const idField = <K extends IdKind>(kind: K, description = `Id of ${kindInWords(kind)}.`) =>
  Type.Unsafe<Id<K>>(Type.String({ pattern: idPattern(kind), description, examples: [exampleId(kind)] }));
/** Who did something: an operator, also where one of his API keys did it, or an API key that is nobody's. */
export const personField = (description: string) =>
  Type.String({
    pattern: idPattern("operator").replace("opr", "(?:opr|key)"),
    description: `${description} An operator, or an API key that belongs to none.`,
    examples: [exampleId("apiKey")],
  });
/** An amount to be moved: 1 to 9007199254740991 minor units. */
export const amountField = Type.Integer({
  minimum: 1,
  maximum: 9007199254740991,
  description: "In minor units (cents for EUR).",
  examples: [1250],
});
/** An amount of a balance, in minor units. */
export const minorField = Type.Integer({
  minimum: -9007199254740991,
  maximum: 9007199254740991,
  description: "In minor units (cents for EUR).",
  examples: [0],
});
export const currencyField = Type.Unsafe<Currency>(
  Type.String({ enum: [...currencies.keys()].sort(), description: "ISO 4217 alphabetic code.", examples: ["EUR"] }),
);
export const timestampField = Type.String({ description: "RFC 3339, UTC, with milliseconds.", examples: ["2026-11-22T18:31:00.123Z"] });
export const referenceField = Type.String({
  minLength: 1,
  maxLength: 140,
  pattern: PLAIN_TEXT,
  description: "Shown to payer and payee. Up to 140 characters, no control characters.",
  examples: ["Lunch"],
});
/** A client's own pairs; at most 20, values up to 500 characters. */
export const metadataField = Type.Record(Type.String({ pattern: PAIR_NAME }), Type.String({ maxLength: 500 }), {
  maxProperties: 20,
  additionalProperties: false,
  description:
    "Your own key-value pairs, at most 20. A name has 1 to 40 letters, digits and `_` `.` `:` `-`; a value is a string of up to 500 " +
    "characters. Stored encrypted.",
  examples: [{ order: "4711" }],
});
/** A time in a query string. */
export const timeParameter = Type.Optional(
  Type.String({ pattern: TIME, description: "RFC 3339.", examples: ["2026-11-22T18:31:00.123Z"] }),
);
/** `If-Match` with the version that was seen. */
export const versionTagHeader = Type.Optional(
  Type.String({
    pattern: VERSION_TAG,
    description: "The `ETag` of the object as you saw it. The change is refused with `version_conflict` when the object has changed since.",
    examples: ['"3"'],
  }),
);

/** The version that `versionTagHeader` names. */
export function versionSeen(headers: { readonly "if-match"?: string | undefined }): number | undefined {
  const tag = headers["if-match"];
  return tag === undefined ? undefined : Number(tag.slice(1, -1));
}

export const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T, description?: string) =>
  Type.Union([schema, Type.Null()], description === undefined ? {} : { description });

/**
 * A reference to a schema that was added to the server under this `$id`.
 * @param examples what this place shows in the OpenAPI document instead of the schema's own example
 */
export const ref = (id: string, examples?: readonly object[]) =>
  Type.Unsafe<unknown>({ $ref: `${id}#`, ...(examples === undefined ? {} : { examples }) });

/** A page of objects of one schema. */
export const pageOf = (id: string) =>
  Type.Object({
    object: Type.Literal("list"),
    data: Type.Array(ref(id), { description: "The objects of this page, in the list's order." }),
    has_more: Type.Boolean({ description: "Whether there may be objects after this page.", examples: [false] }),
    next_cursor: Type.Union([Type.String(), Type.Null()], {
      description: "Hand it in as `cursor` for the next page; null when this is the last one. Opaque.",
      examples: [null],
    }),
  });
