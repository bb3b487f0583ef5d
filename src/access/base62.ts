import { invariant } from "#kernel/assert.ts";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** A non-negative number in exactly `length` characters of base62, padded with `0` in front. */
export function base62(value: bigint, length: number): string {
  let rest = value;
  let text = "";
  for (let i = 0; i < length; i++) {
    text = (ALPHABET[Number(rest % 62n)] ?? "") + text;
    rest /= 62n;
  }
  invariant(rest === 0n, "the value does not fit the length");
  return text;
}

/** The same for what fits 32 bits, without bigints: this one runs on every request. */
export function base62Of32Bits(value: number): string {
  let rest = value >>> 0;
  let text = "";
  for (let i = 0; i < 6; i++) {
    text = ALPHABET.charAt(rest % 62) + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}
