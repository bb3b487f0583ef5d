import { hash } from "node:crypto";

/** The SHA-256 of an object, base64. */
export type Sha256 = string & { readonly __sha256: true };

export function digestOf(bytes: Uint8Array): Sha256 {
  return hash("sha256", bytes, "base64") as Sha256;
}
