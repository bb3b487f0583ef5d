/** Uniform numbers in [0, 1) from a seed (xorshift32): the same accounts in the same order on every run. */
export function createUniform(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

/** Draws indexes 0 … size - 1, all alike. */
export function pickUniform(size: number, uniform: () => number): () => number {
  return () => Math.floor(uniform() * size);
}

/** A prime, so that steps of it meet every index of a set that is no multiple of it. */
const STRIDE = 7919;

/**
 * Draws indexes by Zipf's law: the index of rank k comes in proportion to 1 / k^exponent. Ranks are strewn over
 * the indexes, because accounts opened one after the other lie side by side in a store.
 */
export function pickZipf(size: number, exponent: number, uniform: () => number): () => number {
  const upTo = new Float64Array(size);
  let sum = 0;
  for (let rank = 0; rank < size; rank++) {
    sum += 1 / (rank + 1) ** exponent;
    upTo[rank] = sum;
  }
  const stride = size % STRIDE === 0 ? 1 : STRIDE;
  return () => {
    const target = uniform() * sum;
    let low = 0;
    let high = size - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((upTo[middle] ?? 0) > target) high = middle;
      else low = middle + 1;
    }
    return (low * stride) % size;
  };
}
