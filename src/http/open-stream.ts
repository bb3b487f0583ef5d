import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";
import { endsWithAnswer } from "./client-error.ts";
import { trafficOfReply } from "./stop.ts";

/**
 * Takes an answer out of the server's hands, to be written for as long as its client listens: server-sent events. From here on
 * neither the deadline of answers nor the count of open requests knows it; whoever asked for it bounds it, and ends it when the
 * server closes (`preClose`). An answer that is destroyed already is not to be written to.
 */
export function openStream(reply: FastifyReply): ServerResponse {
  trafficOfReply(reply)?.detach(reply);
  reply.hijack();
  const response = reply.raw;
  if (endsWithAnswer(reply.request.raw.socket)) {
    // Its connection is read no more: a stream would be written to it long after its client has gone.
    response.destroy();
    return response;
  }
  response.writeHead(200, {
    ...(reply.getHeaders() as OutgoingHttpHeaders),
    "content-type": "text/event-stream; charset=utf-8",
  });
  response.flushHeaders();
  response.socket?.setNoDelay(true);
  return response;
}
