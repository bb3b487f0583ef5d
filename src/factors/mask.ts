import type { SentCodeType } from "./factor.ts";

/** An address as its owner recognises it and nobody else learns it: `a•••@example.com`, `•••60`. */
export function maskAddress(type: SentCodeType, address: string): string {
  if (type === "sms_code") return `•••${address.slice(-2)}`;
  const at = address.lastIndexOf("@");
  const first = address.codePointAt(0);
  return `${at < 1 || first === undefined ? "" : String.fromCodePoint(first)}•••${address.slice(at)}`;
}
