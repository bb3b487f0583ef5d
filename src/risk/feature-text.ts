import { FEATURES, FEATURES_VERSION } from "#features/index.ts";
import { InvariantError, invariant } from "#kernel/assert.ts";

/**
 * Feature vectors as text that JSON carries unchanged. Most features are zero and most others small whole numbers, so a vector
 * takes some 140 characters where a list of numbers takes 320, and a fifth of the time to write. A number begins with a character of six bits
 * (more follows, three bits of value, negative, thousandths) and goes on with five bits a character, lowest first; `A` and a count stand for
 * that many zeros.
 */
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const CODES = Uint8Array.from(ALPHABET, (character) => character.charCodeAt(0));
const VALUES = new Int8Array(128).fill(-1);
for (let i = 0; i < 64; i++) VALUES[ALPHABET.charCodeAt(i)] = i;

const THOUSANDTHS = 1;
const NEGATIVE = 2;
const MORE = 32;
/** Above this a double has no exact thousandths; whole numbers are kept instead. */
const EXACT_BELOW = 2 ** 42;
const MAX = Number.MAX_SAFE_INTEGER;
/** What a number takes at most: 53 bits. */
const MAX_CHARACTERS = 11;

// One scratch for all: writing is synchronous.
const scratch = Buffer.alloc(FEATURES.length * (MAX_CHARACTERS + 2));

/** Rounds a vector to thousandths, in place, as it is stored: whoever scores after this scores what a replay will read. */
export function quantise(vector: Float64Array): Float64Array {
  for (let i = 0; i < vector.length; i++) {
    const value = vector[i] ?? 0;
    const rounded = Number.isInteger(value) ? value : Math.abs(value) < EXACT_BELOW ? Math.round(value * 1000) / 1000 : Math.round(value);
    // Adding 0 makes a negative zero, which has no text, a zero.
    vector[i] = rounded + 0;
  }
  return vector;
}

/** The text of a quantised vector. @throws InvariantError for a value that no vector of features has */
export function encodeFeatures(vector: Float64Array): string {
  let length = 0;
  let zeros = 0;
  const write = (value: number): void => {
    let rest = value;
    while (rest > 31) {
      const upper = Math.floor(rest / 32);
      scratch[length++] = CODES[MORE + (rest - upper * 32)] ?? 0;
      rest = upper;
    }
    scratch[length++] = CODES[rest] ?? 0;
  };
  const writeZeros = (): void => {
    scratch[length++] = CODES[0] ?? 0;
    write(zeros);
    zeros = 0;
  };
  for (let i = 0; i < vector.length; i++) {
    const value = vector[i] ?? 0;
    if (value === 0) {
      zeros += 1;
      continue;
    }
    if (zeros > 0) writeZeros();
    const size = Math.abs(value);
    const whole = Number.isInteger(size);
    const count = whole ? size : Math.round(size * 1000);
    invariant(count >= 1 && count <= MAX && length < scratch.length - 2 * MAX_CHARACTERS, "risk: a feature cannot be stored");
    const upper = Math.floor(count / 8);
    const first = ((count - upper * 8) << 2) | (value < 0 ? NEGATIVE : 0) | (whole ? 0 : THOUSANDTHS);
    scratch[length++] = CODES[upper === 0 ? first : MORE | first] ?? 0;
    if (upper > 0) write(upper);
  }
  if (zeros > 0) writeZeros();
  return scratch.toString("latin1", 0, length);
}

/** The vector of a text. @throws InvariantError when the text is not one `encodeFeatures` made of that many features */
export function decodeFeatures(text: string, count: number = FEATURES.length): Float64Array {
  const vector = new Float64Array(count);
  let at = 0;
  const digit = (): number => {
    const code = at < text.length ? text.charCodeAt(at++) : 128;
    const value = code < 128 ? (VALUES[code] ?? -1) : -1;
    invariant(value >= 0, "risk: stored features end early or hold a foreign character");
    return value;
  };
  const read = (): number => {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < MAX_CHARACTERS; i++) {
      const next = digit();
      value += (next & 31) * scale;
      scale *= 32;
      if (next < MORE) return value;
    }
    throw new InvariantError("risk: a stored feature is too long");
  };
  let i = 0;
  while (at < text.length) {
    const first = digit();
    if (first === 0) {
      const zeros = read();
      invariant(zeros >= 1 && i + zeros <= count, "risk: stored features are too many");
      i += zeros;
      continue;
    }
    const value = ((first >> 2) & 7) + (first >= MORE ? read() * 8 : 0);
    invariant(i < count && value >= 1 && value <= MAX, "risk: stored features are too many, or one is out of range");
    const size = (first & THOUSANDTHS) === 0 ? value : value / 1000;
    vector[i++] = (first & NEGATIVE) === 0 ? size : -size;
  }
  invariant(i === count, "risk: stored features are too few");
  return vector;
}

/** Features by name, as they were when a payment was decided; `undefined` where they were declared otherwise then. */
export function namedFeatures(version: number, text: string): Readonly<Record<string, number>> | undefined {
  if (version !== FEATURES_VERSION) return undefined;
  let vector: Float64Array;
  try {
    vector = decodeFeatures(text);
  } catch (error) {
    // There were more of them, or fewer, under a version that nobody raised.
    if (error instanceof InvariantError) return undefined;
    throw error;
  }
  return Object.fromEntries(FEATURES.map(({ name }, i) => [name, vector[i] ?? 0]));
}
