import type { FastifyReply } from "fastify";
import type { HttpServer } from "./contract.ts";
import type { Traffic } from "./traffic.ts";

/** How long after the last answer its bytes are given to leave before the sockets are closed for good. */
const FLUSH_MS = 50;

const trafficOf = new WeakMap<object, Traffic>();

/** Remembers which traffic belongs to a server, for `stop`. */
export function bindTraffic(app: HttpServer, traffic: Traffic): void {
  trafficOf.set(app, traffic);
}

/** The traffic that an answer is part of. */
export function trafficOfReply(reply: FastifyReply): Traffic | undefined {
  return trafficOf.get(reply.server);
}

/**
 * Stops a server: takes no more connections, closes idle ones at once, refuses new requests on the others
 * with `shutting_down`, lets accepted requests finish with `Connection: close`. Resolves when every socket
 * is closed, after `graceMs` milliseconds at the latest plus what closing takes. May be called twice.
 */
export async function stop(app: HttpServer, { graceMs }: { readonly graceMs: number }): Promise<void> {
  const closeAll = (): void => app.server.closeAllConnections();
  // Sockets and their timeouts live in the machine's time, so these timers do too.
  const grace = setTimeout(closeAll, graceMs);
  let flush: NodeJS.Timeout | undefined;
  trafficOf.get(app)?.stop(() => {
    // What remains are connections that never sent a whole request head; Node does not count them as idle.
    flush = setTimeout(closeAll, Math.min(FLUSH_MS, graceMs));
  });
  try {
    await app.close();
  } finally {
    clearTimeout(grace);
    clearTimeout(flush);
  }
}
