import { timingSafeEqual } from "node:crypto";
import type { Vault } from "#vault/index.ts";
import type { Subject } from "./factor.ts";

/**
 * The keyed hash (HMAC-SHA-256) that a code is kept as. Codes are short: without the key, which a KMS guards, whoever reads
 * the store learns none. Bound to subject and factor, so equal codes of two people have different hashes.
 */
export async function codeHash(vault: Vault, subject: Subject, scope: string, code: string): Promise<string> {
  const key = await vault.indexKey(subject.organisationId);
  return key.hmac("factor_code", JSON.stringify([subject.id, scope, code]));
}

/** A code of digits as somebody types it, without the blanks that apps and messages show between its halves: `287 082`. */
export function digitsTyped(code: string): string {
  return code.replaceAll(/\s/g, "");
}

/** Compares two texts in a time that depends on their lengths alone. */
export function equalTexts(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
