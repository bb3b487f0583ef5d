import { invariant } from "#kernel/assert.ts";
import type { Random } from "#kernel/random.ts";

export const NONCE_BYTES = 12;
const PREFIX_BYTES = 8;
const COUNTER_END = 2 ** 32;

/**
 * Gives nonces for AES-GCM: 8 random bytes drawn once, then a 4-byte counter.
 *
 * Why no nonce is used twice with one key. One source serves every key of a process, so inside a
 * process the counter alone tells any two nonces apart, however often keys leave the cache and come
 * back. Two processes that use the same key differ in the prefix, unless two of P draws of 64 random
 * bits are equal: below P^2 / 2^65, which is 3e-8 for a million process starts. When the counter
 * has run through (4.3e9 seals) a new prefix is drawn, which counts as one start more. NIST SP 800-38D
 * asks for less than 2^-32 per key; 100,000 starts with one key keep that, and keys are rotated before.
 * A counter alone would repeat after each restart; random nonces alone allow 2^32 seals per key
 * over all processes, with no one able to count them.
 *
 * The one thing that breaks this is a copy of a running process's memory (a resumed machine snapshot).
 */
export function createNonces(random: Random, firstCounter = 0): () => Buffer {
  invariant(Number.isInteger(firstCounter) && firstCounter >= 0 && firstCounter < COUNTER_END, "the counter has four bytes");
  let prefix = random.bytes(PREFIX_BYTES);
  let counter = firstCounter;
  return () => {
    if (counter === COUNTER_END) {
      prefix = random.bytes(PREFIX_BYTES);
      counter = 0;
    }
    const nonce = Buffer.allocUnsafe(NONCE_BYTES);
    nonce.set(prefix, 0);
    nonce.writeUInt32BE(counter, PREFIX_BYTES);
    counter += 1;
    return nonce;
  };
}
