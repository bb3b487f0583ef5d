import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

/**
 * Addresses that belong to nobody's public service although their ranges are public: the platform agent of Azure,
 * which answers instance metadata to whoever can reach it.
 */
const PLATFORM_ADDRESSES: ReadonlySet<string> = new Set(["168.63.129.16"]);
/** The only block of IPv6 that is handed out for global unicast (IANA, RFC 4291 section 2.4). */
const GLOBAL_UNICAST: readonly [ipaddr.IPv6, number] = [ipaddr.IPv6.parse("2000::"), 3];
/** Documentation (RFC 9637), which the library counts as unicast. */
const DOCUMENTATION: readonly [ipaddr.IPv6, number] = [ipaddr.IPv6.parse("3fff::"), 20];
/** The well-known prefix of NAT64 (RFC 6052): what a resolver with DNS64 makes of an IPv4 address. */
const NAT64: readonly [ipaddr.IPv6, number] = [ipaddr.IPv6.parse("64:ff9b::"), 96];

/**
 * Whether an address is one that a service on the public internet can have. Everything else is refused: private,
 * loopback, link-local (where clouds keep their metadata), multicast, carrier-grade NAT, unique local, reserved,
 * documentation, IPv4 in IPv6 spelling, 6to4 and Teredo. An address behind NAT64 is judged by the IPv4 address inside.
 * @param text an address in its usual spelling; text that is none is not public
 */
export function isPublicAddress(text: string): boolean {
  // Node's own check first: the library also takes octal, hexadecimal and short forms. A zone names an interface of this machine.
  if (isIP(text) === 0 || text.includes("%")) return false;
  const address = ipaddr.parse(text);
  if (address instanceof ipaddr.IPv4) return address.range() === "unicast" && !PLATFORM_ADDRESSES.has(address.toString());
  if (address.match(...NAT64)) return isPublicAddress(address.toByteArray().slice(12).join("."));
  return address.range() === "unicast" && address.match(...GLOBAL_UNICAST) && !address.match(...DOCUMENTATION);
}

/** Whether an address is this machine itself: 127.0.0.0/8 or ::1. */
export function isLoopbackAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes("%") && ipaddr.parse(text).range() === "loopback";
}
