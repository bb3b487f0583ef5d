import { STATUS_CODES } from "node:http";
import type { ProblemCode } from "#kernel/problems.ts";
import { problems } from "#kernel/problems.ts";
import type { RouteFacts } from "./contract.ts";
import type { ExampledSchema, LookUp } from "./openapi-examples.ts";
import { exampleOf, idOf, problemExample } from "./openapi-examples.ts";
import type { ResponseHeader } from "./openapi-headers.ts";
import { headersOf, responseHeaders } from "./openapi-headers.ts";

/** As much of an OpenAPI document as this room edits. */
export interface OpenApiDocument {
  paths: Record<string, Record<string, OpenApiOperation>>;
  webhooks?: Record<string, unknown>;
  components: {
    schemas: Record<string, unknown>;
    headers?: Record<string, unknown>;
    examples?: Record<string, unknown>;
  };
}

interface Referred {
  readonly $ref: string;
}
interface Media {
  readonly schema: unknown;
  example?: unknown;
  examples?: Record<string, Referred | { readonly summary?: string; readonly value: unknown }>;
}
interface OpenApiResponse {
  description: string;
  headers?: Record<string, Referred>;
  content?: Record<string, Media>;
  "x-problem-codes"?: readonly ProblemCode[];
}

export interface OpenApiOperation {
  operationId: string;
  description?: string;
  "x-required-scope"?: string;
  "x-quota-cost"?: number;
  "x-sensitive"?: true;
  security?: readonly Record<string, readonly string[]>[];
  parameters?: unknown[];
  requestBody?: { required?: boolean; content?: Record<string, Media> };
  responses: Record<string, OpenApiResponse>;
}

/** The schemas of an operation as its room wrote them. */
export interface WrittenSchemas {
  readonly body?: unknown;
  readonly response?: unknown;
  readonly lookUp: LookUp;
}

/** What the operations of a document refer to under `components`. */
export interface UsedComponents {
  readonly headers: Set<ResponseHeader>;
  readonly problems: Set<ProblemCode>;
  /** `$id`s of objects whose example is shown. */
  readonly objects: Set<string>;
}

/** What the generator writes where a schema has no description. */
const UNDESCRIBED = "Default Response";

const always: readonly ProblemCode[] = [
  "invalid_request",
  "key_in_query",
  "unknown_field",
  "uri_too_long",
  "request_timeout",
  "headers_too_large",
  "internal_error",
  "shutting_down",
];
const withCaller: readonly ProblemCode[] = [
  "unauthenticated",
  "two_credentials",
  "cross_site_request",
  "second_factor_required",
  "ip_not_allowed",
  "rate_limited",
  "too_many_failures",
  "overloaded",
  "store_unavailable",
  "kms_unavailable",
  "key_blocked",
];
const withKey: readonly ProblemCode[] = ["certificate_mismatch", "insufficient_scope"];
/** Also where no body is wanted: one that comes all the same is read, and only `{}` is let through. */
const withBody: readonly ProblemCode[] = [
  "invalid_json",
  "invalid_encoding",
  "duplicate_field",
  "too_deep",
  "number_out_of_range",
  "body_too_large",
  "unsupported_media_type",
];
const withIdempotency: readonly ProblemCode[] = [
  "idempotency_key_missing",
  "idempotency_key_invalid",
  "idempotency_key_reused",
  "idempotency_key_in_use",
  "outcome_unknown",
];

/** Every code the guard and the body parser can answer this operation with, and those its route names. */
export function problemsOf(facts: RouteFacts): readonly ProblemCode[] {
  return [
    ...new Set([
      ...always,
      ...(facts.access === "public" ? [] : withCaller),
      ...(facts.access === "key" ? withKey : []),
      ...(facts.access === "session" ? (["session_required"] as const) : []),
      ...(facts.method === "GET" ? [] : withBody),
      ...(facts.acceptsBody ? (["missing_field"] as const) : []),
      ...(facts.access !== "public" && facts.method !== "GET" ? (["contention", "outcome_unknown"] as const) : []),
      ...(facts.idempotent === true ? withIdempotency : []),
      ...(facts.idempotent === "refused" ? (["idempotency_key_not_taken"] as const) : []),
      ...(facts.problems ?? []),
    ]),
  ];
}

const SECURITY = { public: [], key: [{ apiKey: [] }, { session: [] }], session: [{ session: [] }] } as const;

/** Adds to a generated operation what its guard does (security, Idempotency-Key, headers, problems by status), and examples. */
export function describeOperation(operation: OpenApiOperation, facts: RouteFacts, written: WrittenSchemas, used: UsedComponents): void {
  operation.security = SECURITY[facts.access];
  if (facts.scope !== null) {
    operation["x-required-scope"] = facts.scope;
    const needs = [`Needs the scope \`${facts.scope}\`.`];
    if (facts.cost !== undefined && facts.cost > 1) {
      operation["x-quota-cost"] = facts.cost;
      needs.push(`Takes ${facts.cost} units of the quota.`);
    }
    if (facts.sensitive === true) {
      operation["x-sensitive"] = true;
      needs.push("Sensitive: an IP allow-list of the key itself is checked, too.");
    }
    operation.description = [operation.description, needs.join(" ")].filter(Boolean).join("\n\n");
  }
  const { requestBody } = operation;
  if (requestBody !== undefined) {
    if (facts.bodyOptional === true) requestBody.required = false;
    for (const media of Object.values(requestBody.content ?? {})) showExamples(media, written.body, written.lookUp, used);
  }
  if (facts.idempotent === true) {
    operation.parameters ??= [];
    operation.parameters.push({
      name: "Idempotency-Key",
      in: "header",
      required: true,
      description:
        "1 to 255 visible ASCII characters of your choice. Repeating a request with its key gives the first answer again " +
        "(`Idempotent-Replayed: true`), for 30 days.",
      schema: { type: "string", minLength: 1, maxLength: 255 },
      example: "invoice-4711",
    });
  }
  for (const [status, response] of Object.entries(operation.responses)) {
    const meaning = STATUS_CODES[status] ?? UNDESCRIBED;
    response.description = response.description === UNDESCRIBED ? `${meaning}.` : `${meaning}: ${response.description}`;
    const schema = (written.response as Readonly<Record<string, unknown>> | undefined)?.[status];
    for (const media of Object.values(response.content ?? {})) showExamples(media, schema, written.lookUp, used);
  }
  addProblems(operation, facts, used);
  for (const [status, response] of Object.entries(operation.responses)) {
    const names = headersOf(facts, Number(status));
    for (const name of names) used.headers.add(name);
    response.headers = Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
  }
}

function addProblems(operation: OpenApiOperation, facts: RouteFacts, used: UsedComponents): void {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of problemsOf(facts)) {
    const status = problems[code].status;
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
    used.problems.add(code);
  }
  for (const [status, codes] of [...byStatus].sort(([a], [b]) => a - b)) {
    operation.responses[status] = {
      description: codes.map((code) => `\`${code}\`: ${problems[code].title}`).join("\n\n"),
      "x-problem-codes": codes,
      content: {
        "application/problem+json": {
          schema: { $ref: "#/components/schemas/Problem" },
          examples: Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}` }])),
        },
      },
    };
  }
}

/** Puts examples beside a body's or an answer's schema: its own, or that of the object it refers to. */
function showExamples(media: Media, schema: unknown, lookUp: LookUp, used: UsedComponents): void {
  if (typeof schema !== "object" || schema === null) return;
  delete media.example;
  const { $ref, examples } = schema as ExampledSchema;
  if (examples !== undefined && examples.length > 1) {
    media.examples = Object.fromEntries(examples.map((value, i) => [`example${i + 1}`, { value }]));
  } else if ($ref !== undefined && examples === undefined) {
    const id = idOf($ref);
    used.objects.add(id);
    media.examples = { [id]: { $ref: `#/components/examples/${id}` } };
  } else media.example = exampleOf(schema, lookUp);
}

/** `components/headers` and `components/examples` of what operations refer to, sorted by name. */
export function sharedComponents(
  used: UsedComponents,
  lookUp: LookUp,
): { headers: Record<string, unknown>; examples: Record<string, unknown> } {
  return {
    headers: sorted([...used.headers].map((name) => [name, responseHeaders[name]])),
    examples: sorted([
      ...[...used.objects].map((id): [string, unknown] => [id, { value: exampleOf(lookUp(id) ?? {}, lookUp) }]),
      ...[...used.problems].map((code): [string, unknown] => [code, problemExample(code)]),
    ]),
  };
}

function sorted(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
