import { InvalidCursorError } from "../port.ts";

const PRINTABLE = /^[A-Za-z0-9_-]{1,8192}$/;

/** The values of a last evaluated key as an opaque, printable text. */
export function encodeCursor(values: readonly string[]): string {
  return Buffer.from(JSON.stringify(values)).toString("base64url");
}

/** @throws InvalidCursorError when `cursor` does not hold exactly `count` non-empty strings. */
export function decodeCursor(cursor: string, count: number): readonly string[] {
  let values: unknown;
  try {
    values = PRINTABLE.test(cursor) ? JSON.parse(Buffer.from(cursor, "base64url").toString("utf8")) : undefined;
  } catch {
    values = undefined;
  }
  const sound = Array.isArray(values) && values.length === count && values.every((value) => typeof value === "string" && value !== "");
  // Only the encoding that was given out: base64url has several texts for the same bytes.
  if (!sound || encodeCursor(values as string[]) !== cursor) throw new InvalidCursorError("the cursor is not one of this query");
  return values as string[];
}
