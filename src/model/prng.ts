/** A stream of fractions in [0, 1). */
export type Fractions = () => number;

/**
 * A seeded stream for subsampling: the same seed and stream give the same draws on every machine. Doty-Humphrey's
 * sfc32, which passes PractRand. Not for secrets.
 * @param seed a safe integer
 * @param stream tells apart the streams of one seed, such as the members of an ensemble
 */
export function seededFractions(seed: number, stream: number): Fractions {
  let a = seed | 0;
  let b = Math.floor(seed / 2 ** 32) | 0;
  let c = stream | 0;
  let d = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  // The first outputs still look like the seed.
  for (let n = 0; n < 16; n++) next();
  return next;
}
