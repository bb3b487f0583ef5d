const PARTS = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
const MAX_SIGNIFICANT_DIGITS = 17;

/**
 * Whether a JSON number's text survives as an IEEE 754 double: not beyond ±(2^53 - 1), not more than 17
 * significant digits, not a fraction that would round to an integer or to zero (I-JSON, RFC 7493 section 2.2).
 * Text that is no JSON number counts as exact: refusing it is the parser's business.
 */
export function isExactNumber(token: string): boolean {
  const parts = PARTS.exec(token);
  if (parts === null) return true;
  const value = Number(token);
  if (Math.abs(value) > Number.MAX_SAFE_INTEGER) return false;
  const fraction = parts[2] ?? "";
  const digits = trimLeadingZeros((parts[1] ?? "") + fraction);
  if (digits.length > MAX_SIGNIFICANT_DIGITS) return false;
  if (digits === "" || !Number.isInteger(value)) return true;
  // The double is an integer, so the text must have been one too: 5.00000000000000001 is not 5, 1e-400 is not 0.
  const exponent = Number(parts[3] ?? "0") - fraction.length;
  return value !== 0 && trailingZeros(digits) + exponent >= 0;
}

function trimLeadingZeros(digits: string): string {
  let start = 0;
  while (start < digits.length && digits.charCodeAt(start) === 0x30) start += 1;
  return digits.slice(start);
}

function trailingZeros(digits: string): number {
  let end = digits.length;
  while (end > 0 && digits.charCodeAt(end - 1) === 0x30) end -= 1;
  return digits.length - end;
}
