import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

/** What every spelling of a mapped address has in it. */
const MAPPED = /:ffff:/i;

/**
 * The client's address. Each trusted proxy appends the address it was called from to X-Forwarded-For, so
 * with n of them the n-th entry from the right is the last one that nobody outside can have written.
 * An entry that is no address ends the walk at the address before it: it is never taken from further left.
 */
export function clientAddress(request: IncomingMessage, trustedProxyHops: number): string {
  let address = unmapped(request.socket.remoteAddress ?? "");
  if (trustedProxyHops === 0) return address;
  const header = request.headers["x-forwarded-for"];
  if (typeof header !== "string") return address;
  let end = header.length;
  for (let hop = 0; hop < trustedProxyHops && end > 0; hop++) {
    const comma = header.lastIndexOf(",", end - 1);
    const entry = header.slice(comma + 1, end).trim();
    if (isIP(entry) === 0) return address;
    address = unmapped(entry);
    end = comma;
  }
  return address;
}

/**
 * An IPv4 address in IPv6 spelling (what a dual-stack socket reports) in its own, whichever of the spellings it is:
 * `::ffff:198.51.100.7` and `::ffff:c633:6407` are one client (RFC 4291 section 2.5.5.2). Everything else as it is.
 */
export function unmapped(address: string): string {
  if (!MAPPED.test(address) || isIP(address) !== 6) return address;
  const plain = ipaddr.process(address);
  return plain.kind() === "ipv4" ? plain.toString() : address;
}
