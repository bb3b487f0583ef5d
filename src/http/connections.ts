import type { Server } from "node:http";
import type { Socket } from "node:net";
import { isIPv4 } from "node:net";
import type { Logger } from "pino";
import { unmapped } from "./client-address.ts";
import type { HttpLimits } from "./limits.ts";

const BORN = Symbol("born");
type Stamped = Socket & { [BORN]?: number };

/** How often at most the log tells of connections that were turned away, ms. */
const TELL_EVERY_MS = 10_000;

/** When a connection was made, in `performance.now()`; `now` for one that was not counted (in tests, without a socket). */
export function bornAt(socket: Socket, now: number): number {
  return (socket as Stamped)[BORN] ?? now;
}

/**
 * Bounds the connections of a server: in all, and of one address, so that one client cannot have them all. Those beyond are
 * closed without a word: an answer costs more than they are worth, and before a handshake there is nobody to read it.
 */
export function boundConnections(
  server: Server,
  limits: HttpLimits,
  { trustedProxyHops, logger, secure }: { readonly trustedProxyHops: number; readonly logger: Logger; readonly secure: boolean },
): void {
  const counts = new Map<string, number>();
  let refusedInAll = 0;
  let refusedOfAddress = 0;
  let toldAt = Number.NEGATIVE_INFINITY;

  function tell(): void {
    const now = performance.now();
    if (now - toldAt < TELL_EVERY_MS) return;
    toldAt = now;
    logger.warn({ refused: refusedInAll, refused_of_one_address: refusedOfAddress }, "connections were turned away");
    refusedInAll = refusedOfAddress = 0;
  }

  server.maxConnections = limits.connections;
  server.on("drop", () => {
    refusedInAll += 1;
    tell();
  });
  // Before the TLS handshake, which is what a flood of connections is meant to cost.
  server.on("connection", (socket: Stamped) => {
    socket[BORN] = performance.now();
    if (trustedProxyHops > 0) return;
    const block = addressBlock(socket.remoteAddress ?? "");
    const count = (counts.get(block) ?? 0) + 1;
    if (count > limits.connectionsPerAddress) {
      refusedOfAddress += 1;
      socket.destroy();
      tell();
      return;
    }
    counts.set(block, count);
    socket.once("close", () => {
      const left = (counts.get(block) ?? 1) - 1;
      if (left === 0) counts.delete(block);
      else counts.set(block, left);
    });
  });
  if (secure) {
    // Requests come over the socket that decrypts, which is another one.
    server.on("secureConnection", (socket: Stamped) => {
      socket[BORN] = performance.now();
    });
  }
}

/** What counts as one address: of IPv6 the /64, within which one client has as many as it likes. */
export function addressBlock(address: string): string {
  const plain = unmapped(address);
  if (isIPv4(plain)) return plain;
  const [head = "", tail] = plain.split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const after = tail === "" ? 0 : tail.split(":").length;
    while (groups.length + after < 8) groups.push("0");
  }
  return groups.slice(0, 4).join(":");
}
