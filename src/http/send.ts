import type { FastifyReply } from "fastify";
import type { Refusal } from "#kernel/problems.ts";
import { PROBLEM_TYPE, problemBody, statusOf } from "./problem-body.ts";

const JSON_TYPE = "application/json; charset=utf-8";
/** Seconds after which a client may try again when the server as a whole could not serve it. */
const RETRY_AFTER = "1";
/** The same where somebody has to act first. */
const RETRY_AFTER_OPERATOR = "60";

/** Answers with a problem. */
export function sendRefusal(reply: FastifyReply, refusal: Refusal): FastifyReply {
  const status = statusOf(refusal.code);
  if (status === 503) reply.header("retry-after", refusal.code === "key_blocked" ? RETRY_AFTER_OPERATOR : RETRY_AFTER);
  // RFC 9110 section 15.5.2 wants a challenge; the scheme is ours.
  if (status === 401) reply.header("www-authenticate", 'ApiKey header="X-API-Key"');
  return reply.code(status).header("content-type", PROBLEM_TYPE).send(problemBody(refusal, reply.request.id));
}

/** An answer whose JSON text was made, and possibly stored, before. */
export interface StoredReply {
  readonly status: number;
  readonly body: string;
  readonly replayed: boolean;
}

/** Answers with stored text, byte by byte; a stored refusal keeps the problem media type. */
export function sendReply(reply: FastifyReply, stored: StoredReply): FastifyReply {
  if (stored.replayed) reply.header("idempotent-replayed", "true");
  return reply
    .code(stored.status)
    .header("content-type", stored.status >= 400 ? PROBLEM_TYPE : JSON_TYPE)
    .send(stored.body);
}
