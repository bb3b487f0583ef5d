import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { invariant } from "#kernel/assert.ts";
import { refuse } from "#kernel/problems.ts";
import type { Refusal } from "#kernel/problems.ts";

/** The most entries one allow-list may have: every one is compared on every guarded request. */
export const MAX_ALLOWLIST_ENTRIES = 100;

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** A compiled allow-list. */
export interface IpMatcher {
  /** Whether the address is inside one of the entries. Text that is no IP address is inside none. */
  matches(ip: string): boolean;
}

export interface ParsedAllowlist {
  readonly ok: true;
  /** `undefined` for an empty list. */
  readonly matcher: IpMatcher | undefined;
  /** The entries in one spelling each, without repetitions: what to store and show. */
  readonly entries: readonly string[];
}

/**
 * Compiles an allow-list of addresses and CIDR blocks.
 *
 * - An empty list is no list: every address may use the key. A list can therefore not be made that locks everyone out.
 * - A block with bits set behind its prefix (`10.0.0.1/8`) is refused: who writes it may mean the one address, and
 *   taking it as 16 million would open what was meant to be closed.
 * - IPv4 in IPv6 spelling (`::ffff:10.0.0.1`, what a dual-stack socket reports) is IPv4, in entries and in addresses.
 *   An IPv6 block is never about IPv4 clients: `::/0` lets in no IPv4.
 * - Spellings that readers disagree about (octal, hexadecimal, short forms, zones) are refused.
 *
 * @param param the field's path in the request; the refusal names the entry as `<param>.<index>`
 */
export function parseAllowlist(list: readonly string[], param = "ip_allowlist"): ParsedAllowlist | Refusal {
  if (list.length > MAX_ALLOWLIST_ENTRIES) return refuse("invalid_request", param, `at most ${MAX_ALLOWLIST_ENTRIES} entries`);
  const blocks = new Map<string, readonly [Address, number]>();
  for (const [index, text] of list.entries()) {
    const entry = parseEntry(text);
    if (typeof entry === "string") return refuse("invalid_request", `${param}.${index}`, entry);
    blocks.set(spell(entry), entry);
  }
  if (blocks.size === 0) return { ok: true, matcher: undefined, entries: [] };
  return { ok: true, matcher: compile([...blocks.values()]), entries: [...blocks.keys()] };
}

/** Whether `ip` may use what `matcher` guards. No matcher (an empty list) means every address. */
export function allows(matcher: IpMatcher | undefined, ip: string): boolean {
  return matcher === undefined || matcher.matches(ip);
}

/**
 * Whether every address that `list` lets in was let in by `before` too. Both as `parseAllowlist` gives them; an empty
 * list lets in every address. Blocks that only together cover a wider one are not seen to do so: then the answer is no.
 */
export function isNarrower(list: readonly string[], before: readonly string[]): boolean {
  if (before.length === 0) return true;
  if (list.length === 0) return false;
  const outer = before.map(blockOf);
  return list.map(blockOf).every(([address, bits]) => outer.some(([network, wide]) => wide <= bits && contains(network, wide, address)));
}

function blockOf(entry: string): readonly [Address, number] {
  const block = parseEntry(entry);
  invariant(typeof block !== "string", "a parsed allow-list has only blocks");
  return block;
}

function compile(blocks: readonly (readonly [Address, number])[]): IpMatcher {
  return {
    matches(ip) {
      // A socket names the interface of a link-local address (`fe80::1%eth0`); the address is what is listed.
      const zone = ip.indexOf("%");
      const address = parseAddress(zone < 0 ? ip : ip.slice(0, zone));
      return address !== undefined && blocks.some(([network, bits]) => contains(network, bits, address));
    },
  };
}

/** The block, or why the entry is refused. */
function parseEntry(text: string): readonly [Address, number] | string {
  const [host = "", prefix, ...rest] = text.split("/");
  const address = parseAddress(host);
  if (address === undefined || rest.length > 0) return "not an IP address or CIDR block";
  const width = address.kind() === "ipv4" ? 32 : 128;
  if (prefix === undefined) return [address, width];
  if (!/^(?:0|[1-9][0-9]{0,2})$/.test(prefix)) return "not an IP address or CIDR block";
  // `::ffff:10.0.0.0/104` counts its prefix over 128 bits and means `10.0.0.0/8`.
  const bits = Number(prefix) - (width === 32 && isIP(host) === 6 ? 96 : 0);
  if (bits < 0 || bits > width) return "the prefix length is out of range";
  if (!isNetwork(address, bits)) return "the address has bits set behind its prefix";
  return [address, bits];
}

/**
 * Node's own check first, because `ipaddr.js` also takes octal, hexadecimal and short forms. And it takes `::10.0.0.1`,
 * the IPv6 address `::a00:1` in a deprecated spelling (RFC 4291, 2.5.5.1), for the IPv4 address 10.0.0.1, which it is not.
 */
function parseAddress(text: string): Address | undefined {
  if (isIP(text) === 0 || text.includes("%") || /^::\d+\./.test(text)) return undefined;
  return ipaddr.process(text);
}

function isNetwork(address: Address, bits: number): boolean {
  return address.toByteArray().every((byte, index) => (byte & (0xff >> Math.min(8, Math.max(0, bits - index * 8)))) === 0);
}

function contains(network: Address, bits: number, address: Address): boolean {
  return network.kind() === address.kind() && address.match(network, bits);
}

/** Dotted IPv4 or RFC 5952 IPv6, with a prefix unless it is a single address. */
function spell([address, bits]: readonly [Address, number]): string {
  const text = address.toString();
  return bits === (address.kind() === "ipv4" ? 32 : 128) ? text : `${text}/${bits}`;
}
