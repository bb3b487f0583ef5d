import type { Random } from "#kernel/random.ts";

/** Seeded chance: the same seed and name give the same draws. Not for secrets. */
export interface Dice extends Random {
  /** A whole number from 0 to `count` - 1. */
  below(count: number): number;
  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number;
  /** A fraction in [0, 1). */
  fraction(): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly T[]): T;
  /** One of the names, each as often as its weight says. */
  weighted<T extends string>(weights: Readonly<Record<T, number>>): T;
}

/** Doty-Humphrey's sfc32: small, fast and good enough to pass PractRand. */
function sfc32(a: number, b: number, c: number, d: number): () => number {
  return () => {
    const sum = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  };
}

/** FNV-1a, to give every named source its own stream. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

export function createDice(seed: number, name: string): Dice {
  const draw = sfc32(seed | 0, Math.floor(seed / 2 ** 32) | 0, hashOf(name), 1);
  // The first outputs still look like the seed.
  for (let n = 0; n < 16; n++) draw();
  const fraction = (): number => draw() / 2 ** 32;
  const below = (count: number): number => Math.floor(fraction() * count);
  return {
    fraction,
    below,
    between: (low, high) => low + below(high - low + 1),
    chance: (probability) => fraction() < probability,
    pick<T>(list: readonly T[]): T {
      if (list.length === 0) throw new Error("there is nothing to pick from");
      return list[below(list.length)] as T;
    },
    weighted<T extends string>(weights: Readonly<Record<T, number>>): T {
      const names = Object.keys(weights) as T[];
      let rest = fraction() * names.reduce((sum, key) => sum + weights[key], 0);
      for (const key of names) {
        rest -= weights[key];
        if (rest < 0) return key;
      }
      return names[names.length - 1] as T;
    },
    bytes(size) {
      const bytes = new Uint8Array(size);
      for (let i = 0; i < size; i += 4) {
        const word = draw();
        for (let j = 0; j < 4 && i + j < size; j++) bytes[i + j] = word >>> (8 * j);
      }
      return bytes;
    },
  };
}
