import { randomFillSync } from "node:crypto";
import { invariant } from "./assert.ts";

/** Randomness as it is handed to everything below the composition root. */
export interface Random {
  /** `size` unpredictable bytes. The caller owns the result. */
  bytes(size: number): Uint8Array;
}

const POOL_BYTES = 8192;

/** Cryptographic randomness of the machine, drawn in pools because small draws cost a system call each. */
export function systemRandom(): Random {
  const pool = new Uint8Array(POOL_BYTES);
  let offset = POOL_BYTES;
  return {
    bytes(size) {
      invariant(Number.isInteger(size) && size >= 0, "a draw has a whole number of bytes");
      if (size > POOL_BYTES) return randomFillSync(new Uint8Array(size));
      if (offset + size > POOL_BYTES) {
        randomFillSync(pool);
        offset = 0;
      }
      const drawn = pool.slice(offset, offset + size);
      // What was handed out must not be readable from the pool afterwards.
      pool.fill(0, offset, offset + size);
      offset += size;
      return drawn;
    },
  };
}

/** A number in [0, 1) with 32 bits of randomness: for jitter, never for secrets or money. */
export function unitInterval(random: Random): number {
  const [a = 0, b = 0, c = 0, d = 0] = random.bytes(4);
  return (((a << 24) | (b << 16) | (c << 8) | d) >>> 0) / 4294967296;
}
