import type { ProblemCode } from "#kernel/problems.ts";
import type { Schema } from "./document.ts";

/** A body that differs from a good one in one place, and what it must be refused with. */
export interface Malformed {
  readonly what: string;
  readonly body: string;
  readonly code: ProblemCode;
  readonly param: string | undefined;
}

/** What the server alone decides. No request may set any of it (AUTHZ-02). */
const SERVER_OWNED = [
  "id",
  "object",
  "organisation_id",
  "api_key_id",
  "status",
  "balance",
  "available",
  "held",
  "version",
  "risk_score",
  "risk",
  "review_id",
  "created_at",
  "posted_at",
  "account_count",
  "secret",
  "environment",
  "__proto__",
];

/** A number as it is written, which JSON.stringify could not write. */
const RAW = "\u0000raw:";
const raw = (digits: string): string => `${RAW}${digits}`;
const render = (body: unknown): string => JSON.stringify(body).replaceAll(/"\\u0000raw:([^"]*)"/g, "$1");

type Json = Readonly<Record<string, unknown>>;

/** Every way in which a body can differ from what its schema asks, tried on each field of a good one. */
export function* malformedBodies(schema: Schema, good: Json): Generator<Malformed> {
  for (const { what, value, code, param } of differences(schema, good, ""))
    yield { what: `${param || "the body"}: ${what}`, body: render(value), code, param: param === "" ? undefined : param };
}

interface Difference {
  readonly what: string;
  readonly value: unknown;
  readonly code: ProblemCode;
  readonly param: string;
}

function* differences(schema: Schema, good: unknown, path: string): Generator<Difference> {
  const bad = (what: string, value: unknown, code: ProblemCode = "invalid_request"): Difference => ({ what, value, code, param: path });
  const [type, isNullable] = typeOf(schema);
  const { maximum = 0 } = schema.anyOf?.find((one) => one.type === type) ?? schema;
  if (!isNullable) yield bad("null", null);
  if (schema.enum !== undefined) yield bad("not of the list", "nothing of the kind");
  switch (type) {
    case "object":
      yield bad("an array", []);
      yield bad("a text", "{}");
      yield* objectDifferences(objectSchema(schema), good as Json, path);
      return;
    case "array":
      yield bad("an object", {});
      yield bad("a text", "[]");
      yield* arrayDifferences(schema, good as readonly unknown[], path);
      return;
    case "integer":
      yield bad("a text", String(good));
      yield bad("a fraction", 1.5);
      if ((schema.minimum ?? 0) >= 0) yield bad("a negative number", -1);
      if ((schema.minimum ?? 0) > 0) yield bad("zero", 0);
      for (const digits of [
        "9007199254740992",
        "9007199254740993",
        "-9007199254740993",
        "1e400",
        "1E+16",
        "123456789012345678901234567890",
      ])
        yield bad(digits, raw(digits), "number_out_of_range");
      return;
    case "number":
      yield bad("a text", String(good));
      yield bad("too large", maximum + 1);
      yield bad("1e400", raw("1e400"), "number_out_of_range");
      return;
    case "boolean":
      yield bad("a text", "true");
      yield bad("a number", 1);
      return;
    case "string":
      yield bad("a number", 7);
      yield bad("an object", {});
      if (path !== "metadata.note") yield bad("empty", "");
      if (schema.enum === undefined) yield bad("too long", "9".repeat(Math.max(1_000, schema.maxLength ?? 0) + 1));
      return;
    default:
      throw new Error(`no way is known to get ${path} of type ${type} wrong`);
  }
}

function typeOf(schema: Schema): readonly [string, boolean] {
  const kinds = (schema.anyOf ?? [schema]).map(({ type }) => type ?? "");
  return [kinds.find((kind) => kind !== "null") ?? "", kinds.includes("null")];
}

const objectSchema = (schema: Schema): Schema => schema.anyOf?.find(({ type }) => type === "object") ?? schema;

function* objectDifferences(schema: Schema, good: Json, path: string): Generator<Difference> {
  const at = (name: string): string => (path === "" ? name : `${path}.${name}`);
  const properties = schema.properties;
  // Open objects are passed on to a library that knows them, or not looked at.
  if (schema.additionalProperties === true) return;
  if (properties === undefined) {
    // Free pairs, as in metadata.
    const many = Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`k${n}`, "v"]));
    yield { what: "too many pairs", value: many, code: "invalid_request", param: path };
    yield { what: "a name with a space", value: { "a b": "v" }, code: "unknown_field", param: at("a b") };
    yield { what: "__proto__", value: JSON.parse('{"__proto__":"v"}'), code: "unknown_field", param: at("__proto__") };
    for (const name of Object.keys(good))
      for (const value of [7, null, {}, "v".repeat(501)])
        yield { what: "no text of that length", value: { ...good, [name]: value }, code: "invalid_request", param: at(name) };
    return;
  }
  for (const name of ["surprise", ...SERVER_OWNED]) {
    if (properties[name] !== undefined && name !== "__proto__") continue;
    const value = name === "__proto__" ? JSON.parse(`{"__proto__":{"a":1},${JSON.stringify(good).slice(1)}`) : { ...good, [name]: 1 };
    yield { what: "AUTHZ-02 an unknown or server-owned field", value, code: "unknown_field", param: at(name) };
  }
  for (const name of schema.required ?? []) {
    const { [name]: _left, ...rest } = good;
    yield { what: "left out", value: rest, code: "missing_field", param: at(name) };
  }
  for (const [name, inner] of Object.entries(properties)) {
    if (good[name] === undefined) throw new Error(`the good body has no ${at(name)}, so it cannot be got wrong`);
    for (const difference of differences(inner, good[name], at(name)))
      yield { ...difference, value: { ...good, [name]: difference.value } };
  }
}

function* arrayDifferences(schema: Schema, good: readonly unknown[], path: string): Generator<Difference> {
  if (schema.items === undefined) return;
  for (const difference of differences(schema.items, good[0], `${path}.0`))
    yield { ...difference, value: [difference.value, ...good.slice(1)] };
}

const deep = (levels: number): string => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;

/** Bodies that are wrong whatever the schema says. */
export function* malformedTexts(
  good: Json,
): Generator<Omit<Malformed, "body"> & { readonly body: string | Buffer; readonly contentType?: string }> {
  const text = JSON.stringify(good);
  const [first = ""] = Object.keys(good);
  const bad = (what: string, body: string | Buffer, code: ProblemCode, param?: string) => ({ what, body, code, param });
  yield bad("cut off", text.slice(0, -1), "invalid_json");
  yield bad("no JSON", "amount=1", "invalid_json");
  yield bad("not finite", '{"amount":NaN}', "invalid_json");
  yield bad("bad UTF-8", Buffer.concat([Buffer.from('{"name":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]), "invalid_encoding");
  yield bad("half a surrogate pair", '{"name":"\\ud800"}', "invalid_encoding", "name");
  yield bad("a field twice", `${text.slice(0, -1)},${JSON.stringify(first)}:${JSON.stringify(good[first])}}`, "duplicate_field", first);
  yield bad("too deep", deep(33), "too_deep");
  yield bad("deeper than any stack", "[".repeat(200_000), "too_deep");
  yield bad("an array", `[${text}]`, "invalid_request");
  yield bad("a number", "1", "invalid_request");
  yield bad("empty", "", "missing_field");
  yield bad("oversize", `${text.slice(0, -1)},"x":"${"x".repeat(1024 * 1024)}"}`, "body_too_large");
  yield { ...bad("of another type", text, "unsupported_media_type"), contentType: "text/plain" };
  yield { ...bad("a form", "amount=1", "unsupported_media_type"), contentType: "application/x-www-form-urlencoded" };
}
