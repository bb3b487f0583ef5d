import { Type } from "typebox";
import type { IdKind } from "#kernel/ids.ts";
import { idPattern } from "#kernel/ids.ts";
import type { Id } from "#kernel/ids.ts";
import { currencies } from "#kernel/currencies.ts";
import type { Currency } from "#kernel/money.ts";

/** The fields that objects of every room have in common, as JSON Schema. What a schema has passed is minted as its brand. */

/** An id of one kind. */
export const idField = <K extends IdKind>(kind: K) => Type.Unsafe<Id<K>>(Type.String({ pattern: idPattern(kind) }));
/** An amount to be moved: 1 to 9007199254740991 minor units. */
export const amountField = Type.Integer({ minimum: 1, maximum: 9007199254740991, description: "In minor units (cents for EUR)." });
/** An amount of a balance, in minor units. */
export const minorField = Type.Integer({ minimum: -9007199254740991, maximum: 9007199254740991 });
export const currencyField = Type.Unsafe<Currency>(
  Type.String({ enum: [...currencies.keys()].sort(), description: "ISO 4217 alphabetic code." }),
);
export const timestampField = Type.String({ description: "RFC 3339, UTC, with milliseconds.", examples: ["2026-11-22T18:31:00.123Z"] });
/** Text for people: no control characters, nothing that turns the direction of writing. */
export const PLAIN_TEXT = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]+$";
export const referenceField = Type.String({ minLength: 1, maxLength: 140, pattern: PLAIN_TEXT, description: "Shown to payer and payee." });
/** A client's own pairs; at most 20, values up to 500 characters. */
export const metadataField = Type.Record(Type.String({ pattern: "^[A-Za-z0-9_.:-]{1,40}$" }), Type.String({ maxLength: 500 }), {
  maxProperties: 20,
  additionalProperties: false,
  description: "Your own key-value pairs. Stored encrypted.",
});
/** A time in a query string. */
export const timeParameter = Type.Optional(
  Type.String({
    pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,3})?(Z|[+-][0-9]{2}:[0-9]{2})$",
    description: "RFC 3339.",
  }),
);

export const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);

/** A reference to a schema that was added to the server under this `$id`. */
export const ref = (id: string) => Type.Unsafe<unknown>({ $ref: `${id}#` });

/** A page of objects of one schema. */
export const pageOf = (id: string) =>
  Type.Object({
    object: Type.Literal("list"),
    data: Type.Array(ref(id)),
    has_more: Type.Boolean(),
    next_cursor: nullable(Type.String()),
  });
