import { hash, timingSafeEqual } from "node:crypto";
import type { HostedSessionId } from "#kernel/ids.ts";
import { isId } from "#kernel/ids.ts";
import type { Random } from "#kernel/random.ts";

/** Bits enough that no one guesses one, so a fast hash is all that is kept of it. */
const SECRET_BYTES = 32;
const SECRET = /^[A-Za-z0-9_-]{43}$/;

/** A new secret of a link or a cookie, and what is stored of it. The text is handed out once. */
export function newSecret(random: Random): { readonly text: string; readonly hash: string } {
  const text = Buffer.from(random.bytes(SECRET_BYTES)).toString("base64url");
  return { text, hash: hashOf(text) };
}

/** SHA-256 of a secret, 64 hexadecimal digits. */
function hashOf(secret: string): string {
  return hash("sha256", secret, "hex");
}

/** Whether a text is the secret of this hash, in a time that does not tell where they differ. */
export function isSecret(text: string | undefined, kept: string | null): boolean {
  if (text === undefined || kept === null || !SECRET.test(text)) return false;
  return timingSafeEqual(Buffer.from(hashOf(text), "latin1"), Buffer.from(kept, "latin1"));
}

/** The token of a link: whose session, and its secret. */
export function tokenText(id: HostedSessionId, secret: string): string {
  return `${id}.${secret}`;
}

/** Takes a token apart; undefined for what is none. */
export function readToken(text: string): { readonly id: HostedSessionId; readonly secret: string } | undefined {
  const [id, secret = "", ...rest] = text.split(".");
  return isId("hostedSession", id) && SECRET.test(secret) && rest.length === 0 ? { id, secret } : undefined;
}
