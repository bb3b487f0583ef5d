import { hash, timingSafeEqual } from "node:crypto";
import type { IdKind, Id } from "#kernel/ids.ts";
import { idPrefixes, isId } from "#kernel/ids.ts";
import type { Random } from "#kernel/random.ts";

const SECRET_BYTES = 32;
const SECRET = /^[A-Za-z0-9_-]{43}$/;

/** 256 random bits in 43 characters of base64url. */
export function newSecret(random: Random): string {
  const bytes = random.bytes(SECRET_BYTES);
  const text = Buffer.from(bytes).toString("base64url");
  bytes.fill(0);
  return text;
}

/** All that is stored of such a secret: nobody guesses 256 random bits, so that a fast hash does (compare `hashSecret` of API keys). */
export function secretHashOf(secret: string): string {
  return hash("sha256", secret, "hex");
}

/** Whether the secret has this hash, in a time that does not depend on where they differ. */
export function hasHash(secret: string, kept: string): boolean {
  const made = Buffer.from(secretHashOf(secret), "latin1");
  const wanted = Buffer.from(kept, "latin1");
  return made.length === wanted.length && timingSafeEqual(made, wanted);
}

/** `<id without its prefix>.<secret>`: what a cookie or an invitation carries. */
export function tokenText(id: string, secret: string): string {
  return `${id.slice(id.indexOf("_") + 1)}.${secret}`;
}

/** Takes such a text apart; `undefined` when it is none. */
export function parseToken<K extends IdKind>(kind: K, text: string): { readonly id: Id<K>; readonly secret: string } | undefined {
  const dot = text.indexOf(".");
  const id = `${idPrefixes[kind]}_${text.slice(0, Math.max(0, dot))}`;
  const secret = text.slice(dot + 1);
  return isId(kind, id) && SECRET.test(secret) ? { id, secret } : undefined;
}
