import type { FastifySchemaValidationError } from "fastify";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import { patternInWords } from "./pattern-words.ts";

/** Which part of the request did not fit its schema. */
export type RequestPart = "body" | "querystring" | "params" | "headers";

const MAX_PARAM_LENGTH = 256;
const MAX_LISTED_VALUES = 20;

/**
 * Turns what Ajv found into one refusal that names one field.
 * @param absent whether there was no body at all
 */
export function schemaRefusal(errors: readonly FastifySchemaValidationError[], part: RequestPart, absent: boolean): Refusal {
  if (part === "body" && absent) return refuse("missing_field", undefined, "This operation needs a JSON body.");
  const error = tellingError(errors);
  if (error === undefined) return refuse("invalid_request");
  const path = dotted(error.instancePath);
  const params: Record<string, unknown> = error.params;
  switch (error.keyword) {
    case "required":
      return refuse("missing_field", join(path, params.missingProperty), `${named(join(path, params.missingProperty), part)} is required.`);
    case "additionalProperties":
    case "unevaluatedProperties": {
      const param = join(path, params.additionalProperty ?? params.unevaluatedProperty);
      return refuse("unknown_field", param, `${named(param, part)} is not known to this operation.`);
    }
    case "enum":
      return refuse("invalid_request", path, `${named(path, part)} must be ${choice(params.allowedValues)}.`);
    case "pattern": {
      const wanted = patternInWords(params.pattern);
      return refuse(
        "invalid_request",
        path,
        wanted === undefined
          ? `${named(path, part)} does not have the form that the API reference gives.`
          : `${named(path, part)} must be ${wanted}.`,
      );
    }
    case "propertyNames":
      return refuse(
        "invalid_request",
        join(path, params.propertyName),
        `${named(join(path, params.propertyName), part)} is a name that is not allowed.`,
      );
    case "type":
      if (part === "querystring") return refuse("invalid_request", path, `${named(path, part)} must be given once.`);
      break;
    default:
      break;
  }
  return refuse("invalid_request", path, `${named(path, part)} must ${inWords(error.keyword, params)}.`);
}

/** What a field must be or have, for the keywords that take no name of a field or a list. */
function inWords(keyword: string, params: Readonly<Record<string, unknown>>): string {
  const limit = Number(params.limit);
  switch (keyword) {
    case "type":
      return `be ${typesInWords(params.type)}`;
    case "minLength":
      return `have at least ${counted(limit, "character")}`;
    case "maxLength":
      return `have at most ${counted(limit, "character")}`;
    case "minItems":
      return `have at least ${counted(limit, "item")}`;
    case "maxItems":
      return `have at most ${counted(limit, "item")}`;
    case "minProperties":
      return `have at least ${counted(limit, "field")}`;
    case "maxProperties":
      return `have at most ${counted(limit, "field")}`;
    case "minimum":
      return `be ${limit} or more`;
    case "maximum":
      return `be ${limit} or less`;
    case "uniqueItems":
      return "have each item once";
    case "const":
      return `be ${JSON.stringify(params.allowedValue)}`;
    case "anyOf":
    case "oneOf":
      return "be one of the forms that the API reference gives";
    default:
      return "be as the API reference says";
  }
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;

const TYPES: Readonly<Record<string, string>> = {
  string: "a string",
  integer: "a whole number",
  number: "a number",
  boolean: "true or false",
  object: "an object",
  array: "a list",
  null: "null",
};

function typesInWords(types: unknown): string {
  const names = Array.isArray(types) ? types : [types];
  return names.map((name) => TYPES[String(name)] ?? String(name)).join(" or ");
}

/** What a closed list asks for. Those that are too long to be read out are known by what is in them. */
function choice(values: unknown): string {
  if (Array.isArray(values) && values.length > MAX_LISTED_VALUES) {
    if (values.includes("AQ") && values.includes("GB"))
      return "an ISO 3166-1 alpha-2 code in capital letters, like GB (the United Kingdom; not UK) or DE";
    if (values.includes("EUR") && values.includes("JPY")) return "an ISO 4217 code in capital letters, like EUR";
    const like = `like ${String(values[0])}`;
    if (values.includes("transfer.posted") && !values.includes("audit_log.read"))
      return `one of the ${values.length} types of events that docs/webhooks.md and the section \`webhooks\` of /openapi.json list, ${like}`;
    return `one of the ${values.length} values that the API reference (/docs) lists, ${like}`;
  }
  return `one of: ${listed(values)}`;
}

/**
 * Ajv stops at the first error, but an `anyOf` or `oneOf` reports what is wrong with each of its branches and
 * then itself, last. A branch that got deeper than the choice itself is what the client meant.
 */
function tellingError(errors: readonly FastifySchemaValidationError[]): FastifySchemaValidationError | undefined {
  const last = errors.at(-1);
  if (last === undefined || errors.length === 1) return last;
  let deepest: FastifySchemaValidationError | undefined;
  for (const error of errors) {
    // The path of an unknown name is that of the object it is in, so it is one deeper than it says.
    const isDeeper = error.instancePath.length > (deepest ?? last).instancePath.length;
    if (isDeeper || (deepest === undefined && error.keyword === "additionalProperties")) deepest = error;
  }
  return deepest ?? last;
}

/** A JSON pointer (RFC 6901) as a dotted path; undefined for the root. */
function dotted(pointer: string): string | undefined {
  if (pointer === "") return undefined;
  return bounded(pointer.slice(1).replaceAll("/", ".").replaceAll("~1", "/").replaceAll("~0", "~"));
}

function join(path: string | undefined, name: unknown): string {
  return bounded(path === undefined ? String(name) : `${path}.${String(name)}`);
}

function bounded(path: string): string {
  return path.slice(0, MAX_PARAM_LENGTH).toWellFormed();
}

function named(path: string | undefined, part: RequestPart): string {
  return path === undefined ? `The ${part}` : `"${path}"`;
}

function listed(values: unknown): string {
  if (!Array.isArray(values)) return "the allowed values";
  return values.slice(0, MAX_LISTED_VALUES).map(String).join(", ");
}
