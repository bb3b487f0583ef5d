/** How much of a text goes into a key; what is longer is no id that anybody has given out. */
export const MAX_TEXT = 512;

/**
 * A 36-bit number standing for `text` in a profile, never 0. Two rounds of FNV-1a: not cryptographic, which is
 * enough, since whoever can send a known device id needs no collision with it. Profiles carry no raw ids.
 */
export function keyOf(text: string): number {
  let a = 0x811c9dc5;
  let b = 0x9747b28c ^ text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x5bd1e995);
    b ^= b >>> 15;
  }
  a ^= b >>> 13;
  const key = (b & 0xf) * 2 ** 32 + (a >>> 0);
  return key === 0 ? 1 : key;
}

/** The key of an id that need not be there; 0 for what is missing, blank, oversized or no text at all. */
export function optionalKey(text: unknown): number {
  if (typeof text !== "string" || text.length === 0 || text.length > MAX_TEXT) return 0;
  return text.trim().length === 0 ? 0 : keyOf(text);
}

/** Two capital letters (ISO 3166-1 alpha-2) as one number; 0 when they are not that. */
export function countryKey(country: unknown): number {
  if (typeof country !== "string" || country.length !== 2) return 0;
  const a = country.charCodeAt(0);
  const b = country.charCodeAt(1);
  return a >= 0x41 && a <= 0x5a && b >= 0x41 && b <= 0x5a ? (a << 8) | b : 0;
}

const IPV4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;
const IPV4_MAPPED = /^::ffff:(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})$/i;
const IPV6_GROUP = /^[0-9a-f]{1,4}$/i;
/** The longest text of an IPv6 address: eight groups of four, or one with an IPv4 tail. */
const MAX_IP_TEXT = 45;

/**
 * The key of the network an address is in: /24 of IPv4, /48 of IPv6, since providers hand out new addresses from
 * the same network every day. 0 for what is no address.
 */
export function networkKey(ip: unknown): number {
  if (typeof ip !== "string" || ip.length < 2 || ip.length > MAX_IP_TEXT) return 0;
  const v4 = IPV4.exec(IPV4_MAPPED.exec(ip)?.[1] ?? ip);
  if (v4 !== null) {
    const [, a, b, c, d] = v4;
    return [a, b, c, d].every((part) => Number(part) < 256) ? keyOf(`4:${Number(a)}.${Number(b)}.${Number(c)}`) : 0;
  }
  return ip.includes(":") ? ipv6Key(withoutIpv4Tail(ip)) : 0;
}

/** The address with its last four bytes as groups, where they are written as in IPv4; as it was where that is no address. */
function withoutIpv4Tail(ip: string): string {
  const start = ip.lastIndexOf(":") + 1;
  const [, ...bytes] = IPV4.exec(ip.slice(start)) ?? [];
  if (bytes.length === 0 || bytes.some((byte) => Number(byte) > 255)) return ip;
  const [a = 0, b = 0, c = 0, d = 0] = bytes.map(Number);
  return `${ip.slice(0, start)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

function ipv6Key(ip: string): number {
  const [head = "", tail, more] = ip.split("::");
  if (more !== undefined) return 0;
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const given = front.length + back.length;
  if (tail === undefined ? given !== 8 : given > 7) return 0;
  for (const group of front) if (!IPV6_GROUP.test(group)) return 0;
  for (const group of back) if (!IPV6_GROUP.test(group)) return 0;
  const groups = [...front, ...Array.from({ length: 8 - given }, () => "0"), ...back].map((group) => Number.parseInt(group, 16));
  const [, , , , , mapped, upper = 0, lower = 0] = groups;
  // An IPv4 address in whatever spelling is in the network of that address.
  if (mapped === 0xffff && groups.slice(0, 5).every((group) => group === 0)) return keyOf(`4:${upper >> 8}.${upper & 255}.${lower >> 8}`);
  return keyOf(
    `6:${groups
      .slice(0, 3)
      .map((group) => group.toString(16))
      .join(":")}`,
  );
}
