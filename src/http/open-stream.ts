import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";
import { trafficOfReply } from "./stop.ts";

/**
 * Takes an answer out of the server's hands, to be written for as long as its client listens: server-sent events. From here on
 * neither the deadline of answers nor the count of open requests knows it; whoever asked for it bounds it, and ends it when the
 * server closes (`preClose`).
 */
export function openStream(reply: FastifyReply): ServerResponse {
  trafficOfReply(reply)?.detach(reply);
  reply.hijack();
  const response = reply.raw;
  response.writeHead(200, {
    ...(reply.getHeaders() as OutgoingHttpHeaders),
    "content-type": "text/event-stream; charset=utf-8",
  });
  response.flushHeaders();
  response.socket?.setNoDelay(true);
  return response;
}
