import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "pino";
import type { Refusal } from "#kernel/problems.ts";
import { outageOf, problems, refuse } from "#kernel/problems.ts";
import { InvalidCursorError, StoreUnavailableError } from "#storage/index.ts";
import { RefusalError } from "./refusal-error.ts";
import { schemaRefusal } from "./schema-refusal.ts";
import { sendRefusal } from "./send.ts";

const INTERNAL: Refusal = refuse("internal_error");

/** What a thrown error means to the client. Nothing of an unexpected error's text gets out. */
export function refusalOf(error: FastifyError, request: FastifyRequest): Refusal {
  if (error instanceof RefusalError) return error.refusal;
  if (error.validation !== undefined) {
    const part = error.validationContext;
    const known = part === "querystring" || part === "params" || part === "headers" ? part : "body";
    return schemaRefusal(error.validation, known, request.body === undefined);
  }
  if (error instanceof StoreUnavailableError) return refuse(outageOf(error));
  if (error instanceof InvalidCursorError) return refuse("invalid_cursor", "cursor");
  switch (error.code) {
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
    case "FST_ERR_CTP_INVALID_TYPE":
    case "FST_ERR_CTP_EMPTY_TYPE":
      return refuse("unsupported_media_type");
    case "FST_ERR_BAD_URL":
      return refuse("invalid_request", undefined, "The path is not a valid URI path.");
    case "FST_ERR_MAX_PARAM_LENGTH":
      return refuse("uri_too_long", undefined, "A part of the path is too long.");
    default:
      return INTERNAL;
  }
}

/** Fastify's error handler: every error ends as problem+json; unexpected ones are logged with the request's id. */
export function createErrorHandler(logger: Logger): (error: unknown, request: FastifyRequest, reply: FastifyReply) => void {
  return (thrown, request, reply) => {
    const error: FastifyError = thrown instanceof Error ? (thrown as FastifyError) : Object.assign(new Error(typeof thrown), { code: "" });
    const refusal = refusalOf(error, request);
    if (problems[refusal.code].status >= 500 && !(thrown instanceof RefusalError)) {
      // Chosen fields only: errors of drivers carry items and parameters among their properties.
      const { name, message, stack } = error;
      logger.error({ request_id: request.id, code: refusal.code, error: { name, message, stack } }, "request failed");
    }
    // Fastify would close the connection behind a body that was refused. What comes behind it may be under way already, and answers to what
    // came before it may not have been read yet: a reset takes them away. The rest of the body is thrown away, as behind every refusal.
    if (reply.getHeader("connection") === "close" && reply.raw.shouldKeepAlive) reply.header("connection", "keep-alive");
    sendRefusal(reply, refusal);
  };
}
