import { hash, timingSafeEqual } from "node:crypto";
import { crc32 } from "node:zlib";
import { invariant } from "#kernel/assert.ts";
import { isId } from "#kernel/ids.ts";
import type { ApiKeyId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import type { Refusal } from "#kernel/problems.ts";
import type { Random } from "#kernel/random.ts";
import { base62, base62Of32Bits } from "./base62.ts";

/** Live keys move money; test keys are for trying things out. */
export type Environment = "live" | "test";

/**
 * What an API key looks like, for secret scanners: `sfk_<environment>_<key id>_<secret>_<checksum>`.
 * No look-around and no `\b`, which the scanners' engines lack or understand differently: a key is found wherever it
 * stands. The checksum is what tells a scanner a real key from a look-alike (GitHub's format, "Behind GitHub's new
 * authentication token formats", 2021).
 */
export const API_KEY_PATTERN = "sfk_(?:live|test)_[0-7][0-9A-HJKMNP-TV-Z]{25}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}";

/** Where the parts stand: every part has one length, so that no parsing is needed to find them. */
const ID_AT = "sfk_live_".length;
const SECRET_AT = ID_AT + 26 + 1;
const CHECKSUM_AT = SECRET_AT + 43 + 1;
export const API_KEY_LENGTH = CHECKSUM_AT + 6;

const SECRET_BYTES = 32;
const WHOLE = new RegExp(`^${API_KEY_PATTERN}$`);
const ID_PREFIX = "key_";

export interface ParsedApiKey {
  readonly ok: true;
  readonly id: ApiKeyId;
  readonly environment: Environment;
  /** 43 characters of base62. Never stored, logged or answered. */
  readonly secret: string;
}

/** Makes the text of a new key from 256 random bits. The text is shown once; only `secretHash` is kept. */
export function mintApiKey(input: { readonly id: ApiKeyId; readonly environment: Environment; readonly random: Random }): {
  readonly text: string;
  readonly secretHash: string;
} {
  const bytes = input.random.bytes(SECRET_BYTES);
  // 43 characters of base62 hold 256.03 bits, so every value fits and none is favoured.
  const secret = base62(BigInt(`0x${Buffer.from(bytes).toString("hex")}`), 43);
  bytes.fill(0);
  const body = `sfk_${input.environment}_${input.id.slice(ID_PREFIX.length)}_${secret}`;
  return { text: `${body}_${checksum(body)}`, secretHash: hashSecret(secret) };
}

/**
 * Takes a key's text apart. Whatever is malformed or has a wrong checksum is refused here, without a store read: a
 * key cut off when it was copied, or made up. The checksum guards against mistakes and cheap floods; it is no secret.
 */
export function parseApiKey(text: string): ParsedApiKey | Refusal {
  if (text.length !== API_KEY_LENGTH || !WHOLE.test(text)) return refuse("unauthenticated");
  const body = text.slice(0, CHECKSUM_AT - 1);
  if (checksum(body) !== text.slice(CHECKSUM_AT)) return refuse("unauthenticated");
  const id = ID_PREFIX + text.slice(ID_AT, SECRET_AT - 1);
  if (!isId("apiKey", id)) return refuse("unauthenticated");
  return { ok: true, id, environment: text.startsWith("sfk_live_") ? "live" : "test", secret: text.slice(SECRET_AT, CHECKSUM_AT - 1) };
}

/**
 * The SHA-256 of a secret: all that is stored of it, in 64 hexadecimal digits. A slow hash (Argon2, bcrypt) makes guessing dear where people
 * choose secrets; these have 256 random bits, which no one guesses at any price, and the hash is taken on every request.
 */
export function hashSecret(secret: string): string {
  // As text, because a digest handed out as a Buffer of its own costs twice as much.
  return hash("sha256", secret, "hex");
}

/** Whether the secret has this hash, in a time that does not depend on where they differ. */
export function secretMatches(secret: string, secretHash: Buffer): boolean {
  return timingSafeEqual(Buffer.from(hashSecret(secret), "latin1"), secretHash);
}

/** A stored hash in the form `secretMatches` compares with: the bytes of its 64 hexadecimal digits. */
export function comparableHash(secretHash: string): Buffer {
  invariant(/^[0-9a-f]{64}$/.test(secretHash), "a secret hash has 64 hexadecimal digits");
  return Buffer.from(secretHash, "latin1");
}

/** CRC-32 of everything before it, in 6 characters of base62 (62^6 > 2^32). */
function checksum(body: string): string {
  return base62Of32Bits(crc32(body));
}
