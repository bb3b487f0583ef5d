import type { RequestListener, Server } from "node:http";
import { createServer } from "node:http";
import { Server as HttpsServer, createServer as createHttpsServer } from "node:https";
import type { HttpLimits } from "./limits.ts";
import type { TlsSettings } from "./tls.ts";

/** Node's HTTP or HTTPS server with every bound set. With TLS there is no plain listener beside it. */
export function createListener(handler: RequestListener, limits: HttpLimits, tls: TlsSettings | undefined): Server {
  const bounds = {
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: limits.connectionsCheckMs,
    maxHeaderSize: limits.headerBytes,
    // Answered as a problem by `refuseShape`.
    requireHostHeader: false,
  };
  const server =
    tls === undefined
      ? createServer(bounds, handler)
      : createHttpsServer({ ...bounds, ...tls, handshakeTimeout: limits.handshakeMs }, handler);
  server.setTimeout(limits.socketIdleMs);
  // An expectation we do not know may be ignored (RFC 9110 section 10.1.1); Node would answer an empty 417.
  server.on("checkExpectation", (request, response) => server.emit("request", request, response));
  return server;
}

/** Takes new certificates for connections to come; those that stand go on with theirs. Does nothing on a plain listener. */
export function replaceTls(server: Server, tls: TlsSettings): void {
  if (server instanceof HttpsServer) server.setSecureContext(tls);
}
