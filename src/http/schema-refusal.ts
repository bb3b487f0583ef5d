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
      return refuse("invalid_request", path, `${named(path, part)} must be one of: ${listed(params.allowedValues)}.`);
    case "pattern": {
      const wanted = patternInWords(params.pattern);
      if (wanted !== undefined) return refuse("invalid_request", path, `${named(path, part)} must be ${wanted}.`);
      break;
    }
    case "type":
      if (part === "querystring") return refuse("invalid_request", path, `${named(path, part)} must be given once.`);
      break;
    default:
      break;
  }
  return refuse("invalid_request", path, `${named(path, part)} ${error.message ?? "is invalid"}.`);
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
  const shown = values.slice(0, MAX_LISTED_VALUES).map(String).join(", ");
  return values.length > MAX_LISTED_VALUES ? `${shown}, …` : shown;
}
