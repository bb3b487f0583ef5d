import type { ServerResponse } from "node:http";
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Logger } from "pino";
import type { Ids } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import { securityHeaderLines } from "./security-headers.ts";
import { PROBLEM_TYPE, problemBody, statusOf } from "./problem-body.ts";

function refusalOf(code: string | undefined): Refusal {
  switch (code) {
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return refuse("request_timeout");
    case "HPE_HEADER_OVERFLOW":
      return refuse("headers_too_large");
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return refuse("body_too_large");
    default:
      return refuse("invalid_request", undefined, "The request is not valid HTTP/1.1.");
  }
}

/** Connections of which nothing more is read until the answer under way is out, because what came behind its request is wrong. */
const waiting = new WeakSet<Socket>();

/** Whether what came behind the request under way is wrong, so that its answer is the last and nobody would notice that the client has gone. */
export function endsWithAnswer(socket: Socket): boolean {
  return waiting.has(socket);
}

/**
 * Answers what never became a request: malformed HTTP, a head that is too large, a request that came too
 * slowly. Written to the socket by hand, because there is no response object; the connection ends after it.
 */
export function createClientErrorHandler(
  ids: Ids,
  logger: Logger,
  secure: boolean,
): (error: NodeJS.ErrnoException, socket: Socket) => void {
  const securityLines = securityHeaderLines(secure);
  return function answer(error, socket) {
    // A handshake that failed, be it for plain HTTP on this port: there is nobody to whom an answer could be encrypted.
    if (isHandshake(error, socket)) {
      logger.debug({ code: error.code }, "TLS handshake failed");
      socket.destroy();
      return;
    }
    if (error.code === "ECONNRESET" || !socket.writable) {
      socket.destroy();
      return;
    }
    // Node keeps the response in flight under this name and asks about it in its own handler.
    const inFlight = (socket as Socket & { readonly _httpMessage?: ServerResponse | null })._httpMessage ?? undefined;
    if (inFlight !== undefined && inFlight.req.complete && isEnding(inFlight)) {
      // What is wrong came behind a request that has arrived. That one may move money: a refusal in the place of its answer would say it
      // did not. Nothing more is read meanwhile, and what was read already is told of once.
      socket.pause();
      if (waiting.has(socket)) return;
      waiting.add(socket);
      inFlight.once("finish", () => {
        waiting.delete(socket);
        setImmediate(answer, error, socket);
      });
      return;
    }
    // An answer already on its way must not be followed by bytes that look like a second one.
    if (inFlight?.headersSent === true) {
      socket.destroy();
      return;
    }
    const refusal = refusalOf(error.code);
    const requestId = ids.next("request");
    const status = statusOf(refusal.code);
    logger.info({ request_id: requestId, status, code: refusal.code, parser: error.code }, "request refused on the wire");
    const body = problemBody(refusal, requestId);
    socket.write(
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n` +
        `content-type: ${PROBLEM_TYPE}\r\n` +
        `content-length: ${Buffer.byteLength(body)}\r\n` +
        `x-request-id: ${requestId}\r\n` +
        `${securityLines}connection: close\r\n\r\n` +
        body,
    );
    socket.destroySoon();
  };
}

/** Whether an answer will come to its end by itself, unlike a stream of events. */
function isEnding(response: ServerResponse): boolean {
  return !response.headersSent || response.writableEnded;
}

/** Whether a TLS connection failed before it was one. Until then it has not agreed on a protocol version with its client. */
function isHandshake(error: NodeJS.ErrnoException, socket: Socket): boolean {
  return socket instanceof TLSSocket && (error.code?.startsWith("ERR_SSL_") === true || error.code?.startsWith("ERR_TLS_") === true);
}
