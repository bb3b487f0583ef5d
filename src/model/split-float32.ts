const bits = new DataView(new ArrayBuffer(8));

/** The largest 32-bit float. */
export const FLOAT32_MAX = (2 - 2 ** -23) * 2 ** 127;

/** The next 32-bit float below a finite one. Below the least lies what would be next if exponents went on: rounding treats it so. */
function floatBelow(value: number): number {
  if (value === 0) return -(2 ** -149);
  if (value === -FLOAT32_MAX) return -(2 ** 128);
  bits.setFloat32(0, value);
  bits.setInt32(0, bits.getInt32(0) + (value > 0 ? -1 : 1));
  return bits.getFloat32(0);
}

/** The next 64-bit float above a finite one. */
function doubleAbove(value: number): number {
  if (value === 0) return 2 ** -1074;
  bits.setFloat64(0, value);
  bits.setBigInt64(0, bits.getBigInt64(0) + (value > 0 ? 1n : -1n));
  return bits.getFloat64(0);
}

/**
 * The 64-bit threshold t with `x < t` exactly where `Math.fround(x) < threshold`: what a model that compares 32-bit
 * floats does, without rounding every number of a row. Rounding is monotone and to even (IEEE 754), so the border
 * is the midpoint to the float below, on one side or the other.
 * @param threshold a finite 32-bit float
 */
export function splitFloat32(threshold: number): number {
  const below = floatBelow(threshold);
  const middle = below + (threshold - below) / 2;
  return Math.fround(middle) < threshold ? doubleAbove(middle) : middle;
}
