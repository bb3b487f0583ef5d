import { invariant } from "#kernel/assert.ts";

/**
 * Profiles as text: 64 characters that JSON carries as they are. A small number takes one character; each holds five bits and
 * whether another follows, lowest first. Keys take six full characters.
 */
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const CODES = Uint8Array.from(ALPHABET, (character) => character.charCodeAt(0));
const VALUES = new Int8Array(128).fill(-1);
for (let i = 0; i < 64; i++) VALUES[ALPHABET.charCodeAt(i)] = i;

/** More than the largest profile there can be. */
const TEXT_MAX = 16_384;
/** Eleven characters hold 55 bits, more than the 53 of a safe integer. */
const DIGITS_MAX = 11;
const KEY_CHARACTERS = 6;

// One scratch for all: writing is synchronous, from `begin` to `finish`.
const scratch = Buffer.alloc(TEXT_MAX);
let length = 0;

export function begin(): void {
  length = 0;
}

export function finish(): string {
  return scratch.toString("latin1", 0, length);
}

/** Writes a whole number of 0 … 2^53 - 1. */
export function writeNumber(value: number): void {
  let rest = value;
  // Bit operations are for 32 bits; what is larger is divided down to them.
  while (rest > 0x3fffffff) {
    const upper = Math.floor(rest / 32);
    scratch[length++] = CODES[32 + (rest - upper * 32)] ?? 0;
    rest = upper;
  }
  while (rest > 31) {
    scratch[length++] = CODES[32 | (rest & 31)] ?? 0;
    rest >>>= 5;
  }
  scratch[length++] = CODES[rest] ?? 0;
}

/** Writes a number of 36 bits in six characters. */
export function writeKey(value: number): void {
  const upper = Math.floor(value / 2 ** 18);
  const lower = value - upper * 2 ** 18;
  for (let shift = 12; shift >= 0; shift -= 6) scratch[length++] = CODES[(upper >> shift) & 63] ?? 0;
  for (let shift = 12; shift >= 0; shift -= 6) scratch[length++] = CODES[(lower >> shift) & 63] ?? 0;
}

/** Reads what the functions above wrote, in the same order. Every method throws InvariantError on anything else. */
export class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    invariant(text.length <= TEXT_MAX, "features: a stored profile is too long");
    this.#text = text;
  }

  #digit(): number {
    const code = this.#at < this.#text.length ? this.#text.charCodeAt(this.#at++) : 128;
    const value = code < 128 ? (VALUES[code] ?? -1) : -1;
    invariant(value >= 0, "features: a stored profile ends early or holds a foreign character");
    return value;
  }

  /** A whole number of at most `max`. */
  number(max: number): number {
    let digit = this.#digit();
    if (digit < 32 && digit <= max) return digit;
    let value = digit & 31;
    let scale = 32;
    for (let i = 1; digit >= 32; i++) {
      invariant(i < DIGITS_MAX, "features: a stored number is too long");
      digit = this.#digit();
      value += (digit & 31) * scale;
      scale *= 32;
    }
    // A number has one spelling only, so that equal profiles are equal texts.
    invariant(value <= max && (digit !== 0 || scale === 32), "features: a stored number is out of range");
    return value;
  }

  /** A key; never 0. */
  key(): number {
    let value = 0;
    for (let i = 0; i < KEY_CHARACTERS; i++) value = value * 64 + this.#digit();
    invariant(value > 0, "features: a stored key is none");
    return value;
  }

  /** Asserts that nothing is left. */
  end(): void {
    invariant(this.#at === this.#text.length, "features: a stored profile has something left over");
  }
}
