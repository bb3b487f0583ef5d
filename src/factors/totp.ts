import { HOTP, Secret, TOTP } from "otpauth";
import type { Random } from "#kernel/random.ts";
import { equalTexts } from "./code-hash.ts";

/** RFC 6238 with the values that every authenticator app knows. */
const PERIOD_MS = 30_000;
const DIGITS = 6;
const ALGORITHM = "SHA1";
/** RFC 4226 section 4 recommends 160 bits. */
const SECRET_BYTES = 20;
/** Steps of another clock that are still taken, each way (RFC 6238 section 5.2). */
const WINDOW = 1;

/** A new secret in base32. */
export function mintTotpSecret(random: Random): string {
  return secretOf(random.bytes(SECRET_BYTES)).base32;
}

function secretOf(bytes: Uint8Array): Secret {
  return new Secret({ buffer: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) });
}

/** The `otpauth://` URI that authenticator apps read from a QR code. It holds the secret. */
export function totpUri(secret: string, issuer: string, label: string): string {
  return new TOTP({ issuer, label, secret: Secret.fromBase32(secret), algorithm: ALGORITHM, digits: DIGITS, period: 30 }).toString();
}

/** The time step of a time in ms. */
export const stepAt = (at: number): number => Math.floor(at / PERIOD_MS);

/** The code of a step. @param algorithm and @param digits others than ours only for the vectors of the RFC */
export function totpCode(secret: string | Uint8Array, step: number, algorithm = ALGORITHM, digits = DIGITS): string {
  const key = typeof secret === "string" ? Secret.fromBase32(secret) : secretOf(secret);
  return HOTP.generate({ secret: key, algorithm, digits, counter: step });
}

/** The newest step within the window whose code this is. Every step is looked at, whichever fits. @param at milliseconds */
export function matchingStep(secret: string, code: string, at: number): number | undefined {
  const now = stepAt(at);
  let found: number | undefined;
  for (let step = now - WINDOW; step <= now + WINDOW; step++) if (step >= 0 && equalTexts(totpCode(secret, step), code)) found = step;
  return found;
}
