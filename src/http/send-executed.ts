import type { FastifyReply } from "fastify";
import type { ProblemCode } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import { sendRefusal, sendReply } from "./send.ts";

/** How a command ended, as the commit room tells it. */
export type Executed =
  | { readonly ok: true; readonly reply: { readonly status: number; readonly body: string }; readonly replayed: boolean }
  | { readonly ok: false; readonly code: ProblemCode };

/** Answers with what a command came to. */
export function sendExecuted(reply: FastifyReply, executed: Executed): FastifyReply {
  if (!executed.ok) return sendRefusal(reply, refuse(executed.code));
  return sendReply(reply, { status: executed.reply.status, body: executed.reply.body, replayed: executed.replayed });
}

/** The same for an object that was changed: its version is the `ETag`, so that the next change can follow without a read. */
export function sendVersioned(reply: FastifyReply, executed: Executed): FastifyReply {
  if (executed.ok && executed.reply.status < 300) {
    const { version } = JSON.parse(executed.reply.body) as { readonly version: number };
    reply.header("etag", `"${version}"`);
  }
  return sendExecuted(reply, executed);
}

/** Answers with an object made for this request. */
export function sendObject(reply: FastifyReply, object: object): FastifyReply {
  return sendReply(reply, { status: 200, body: JSON.stringify(object), replayed: false });
}
