import type { Random } from "#kernel/random.ts";

/** How many codes a set has. */
export const RECOVERY_CODES = 10;
/** Crockford's base32: no letter that is taken for a digit. */
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/** 16 characters of 5 bits. */
const CHARACTERS = 16;
const GROUP = 4;

/** A code of 80 random bits, `XXXX-XXXX-XXXX-XXXX`. */
export function mintRecoveryCode(random: Random): string {
  // 32 divides 256, so the lower bits of a byte are as even as the byte.
  const characters = Array.from(random.bytes(CHARACTERS), (byte) => ALPHABET[byte & 31] ?? "");
  return Array.from({ length: CHARACTERS / GROUP }, (_, n) => characters.slice(n * GROUP, n * GROUP + GROUP).join("")).join("-");
}

/** A code as somebody types it, in its one form: upper case, no dashes and spaces, letters that look like digits as digits. */
export function normaliseRecoveryCode(typed: string): string {
  return typed.toUpperCase().replaceAll(/[\s-]/g, "").replaceAll("O", "0").replaceAll(/[IL]/g, "1");
}
