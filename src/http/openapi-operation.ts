import { STATUS_CODES } from "node:http";
import type { ProblemCode } from "#kernel/problems.ts";
import { problems } from "#kernel/problems.ts";
import type { RouteFacts } from "./contract.ts";

/** As much of an OpenAPI document as this room edits. */
export interface OpenApiDocument {
  paths: Record<string, Record<string, OpenApiOperation>>;
  components: { schemas: Record<string, unknown> };
}

export interface OpenApiOperation {
  operationId: string;
  security?: readonly Record<string, readonly string[]>[];
  parameters?: unknown[];
  requestBody?: { required?: boolean };
  responses: Record<string, { description: string; content?: unknown }>;
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
const withKey: readonly ProblemCode[] = ["unauthenticated", "rate_limited", "overloaded", "store_unavailable"];
const withBody: readonly ProblemCode[] = [
  "invalid_json",
  "invalid_encoding",
  "missing_field",
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
      ...(facts.access === "key" ? withKey : []),
      ...(facts.acceptsBody ? withBody : []),
      ...(facts.access === "key" && facts.method !== "GET" ? (["contention", "outcome_unknown"] as const) : []),
      ...(facts.idempotent === true ? withIdempotency : []),
      ...(facts.sensitive === true ? (["ip_not_allowed"] as const) : []),
      ...(facts.problems ?? []),
    ]),
  ];
}

/** Adds to a generated operation what its guard does: security, Idempotency-Key, problems by status. */
export function describeOperation(operation: OpenApiOperation, facts: RouteFacts): void {
  operation.security = facts.access === "key" ? [{ apiKey: [] }] : [];
  if (facts.bodyOptional === true && operation.requestBody !== undefined) operation.requestBody.required = false;
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
    });
  }
  for (const [status, response] of Object.entries(operation.responses)) {
    if (response.description === UNDESCRIBED) response.description = STATUS_CODES[status] ?? UNDESCRIBED;
  }
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of problemsOf(facts)) {
    const status = problems[code].status;
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  for (const [status, codes] of [...byStatus].sort(([a], [b]) => a - b)) {
    operation.responses[status] = {
      description: codes.map((code) => `\`${code}\`: ${problems[code].title}`).join("\n\n"),
      content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
    };
  }
}
