/** What an authenticator has to say in CBOR (RFC 8949). Maps keep the order they are given in. */
export type Cbor = number | string | Uint8Array | ReadonlyMap<number | string, Cbor> | readonly Cbor[];

/** Encodes a value. Written out here so that the product's own decoder is not tested with its own encoder. */
export function encodeCbor(value: Cbor): Buffer {
  if (typeof value === "number") return value >= 0 ? head(0, value) : head(1, -1 - value);
  if (typeof value === "string") return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value]);
  if (isList(value)) return Buffer.concat([head(4, value.length), ...value.map(encodeCbor)]);
  const parts = [...value].flatMap(([key, member]) => [encodeCbor(key), encodeCbor(member)]);
  return Buffer.concat([head(5, value.size), ...parts]);
}

const isList = (value: Cbor): value is readonly Cbor[] => Array.isArray(value);

/** The first byte, with the length or number that follows it. */
function head(major: number, count: number): Buffer {
  const type = major << 5;
  if (count < 24) return Buffer.of(type | count);
  if (count < 256) return Buffer.of(type | 24, count);
  const bytes = Buffer.alloc(3);
  bytes.writeUInt8(type | 25);
  bytes.writeUInt16BE(count, 1);
  return bytes;
}
