/** How much of a text goes into a hash; the schema allows no more. */
const MAX_CHARS = 512;

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

/**
 * A 48-bit number standing for `text` in a profile, never 0. Two rounds of FNV-1a: not cryptographic, which
 * is enough, since whoever can send a known device id needs no collision with it. Profiles carry no raw ids.
 * @param skipDigits leaves digits out, so that the next version of a browser is not another browser.
 */
export function shortHash(text: string, skipDigits = false): number {
  const length = text.length < MAX_CHARS ? text.length : MAX_CHARS;
  let a = 0x811c9dc5;
  let b = 0x9747b28c ^ text.length;
  if (skipDigits) b = 0x9747b28c;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (skipDigits && code >= DIGIT_0 && code <= DIGIT_9) continue;
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x5bd1e995);
    b ^= b >>> 15;
  }
  a ^= b >>> 13;
  const hash = ((b >>> 0) & 0xffff) * 2 ** 32 + (a >>> 0);
  return hash === 0 ? 1 : hash;
}
