import type { Random } from "#kernel/random.ts";
import type { EncryptionContext, Kms } from "#vault/index.ts";
import { canonical } from "./journal.ts";

/** A key service in memory that all nodes share. It draws from the seed, so that ciphertexts are the same in every run. */
export function createSimulatedKms(random: Random): Kms & { plaintextOf(wrapped: string): Uint8Array } {
  const kept = new Map<string, { readonly plaintext: Uint8Array; readonly context: string }>();
  const nameOf = (context: EncryptionContext): string => canonical(context);
  return {
    plaintextOf: (wrapped) => kept.get(wrapped)?.plaintext ?? new Uint8Array(),
    generateDataKey(context) {
      const plaintext = random.bytes(32);
      const wrapped = Buffer.from(random.bytes(24)).toString("base64url");
      kept.set(wrapped, { plaintext: plaintext.slice(), context: nameOf(context) });
      return Promise.resolve({ plaintext, wrapped, kmsKeyId: "simulated" });
    },
    decrypt(wrapped, context) {
      const found = kept.get(wrapped);
      if (found?.context !== nameOf(context)) return Promise.reject(new Error("not a key that this service wrapped for this"));
      return Promise.resolve(found.plaintext.slice());
    },
  };
}
