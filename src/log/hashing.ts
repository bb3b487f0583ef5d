import { hash } from "node:crypto";

/** A SHA-256, 32 bytes. Never changed once made. */
export type Hash = Buffer;

export const HASH_BYTES = 32;

/** The root of a tree without leaves: SHA-256 of nothing. RFC 9162 section 2.1.1. */
export const EMPTY_ROOT: Hash = hash("sha256", "", "buffer");

/** What is hashed is put together here: a new buffer each time would cost as much as the hash. */
const leafScratch = Buffer.alloc(1 + HASH_BYTES);
const nodeScratch = Buffer.alloc(1 + 2 * HASH_BYTES, 0x01);

/** SHA-256 of bytes or of the UTF-8 of a text. */
export function sha256(data: Uint8Array | string): Hash {
  return hash("sha256", data, "buffer");
}

/** The hash of a leaf: SHA-256(0x00 || entry). RFC 9162 section 2.1.1. */
export function leafHash(entry: Uint8Array): Hash {
  if (entry.length !== HASH_BYTES) return hash("sha256", Buffer.concat([Buffer.of(0x00), entry]), "buffer");
  leafScratch.set(entry, 1);
  return hash("sha256", leafScratch, "buffer");
}

/** The hash of an inner node: SHA-256(0x01 || left || right). RFC 9162 section 2.1.1. */
export function nodeHash(left: Hash, right: Hash): Hash {
  nodeScratch.set(left, 1);
  nodeScratch.set(right, 1 + HASH_BYTES);
  return hash("sha256", nodeScratch, "buffer");
}
