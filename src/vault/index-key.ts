import { createHmac } from "node:crypto";
import type { KeyObject } from "node:crypto";

/** Makes the blind indexes that sealed values are found by. */
export interface IndexKey {
  /**
   * HMAC-SHA-256 (RFC 2104) over the field's name and the value, base64url, 43 characters. Equal values of a field give
   * equal texts, so normalise first; the same value in another field or organisation gives another text.
   */
  hmac(field: string, normalisedValue: string): string;
}

/** @param secret a key of the purpose `index-key`, never one that seals */
export function createIndexKey(secret: KeyObject): IndexKey {
  return {
    // A JSON array, so that no field and value flow into each other.
    hmac: (field, normalisedValue) =>
      createHmac("sha256", secret)
        .update(JSON.stringify([field, normalisedValue]))
        .digest("base64url"),
  };
}
