import { invariant } from "#kernel/assert.ts";
import { canonicalJson } from "#kernel/canonical-json.ts";
import { StoreUnavailableError } from "#storage/index.ts";

/**
 * The encryption context: pairs that are authenticated with a wrapped key but not secret. AWS writes
 * it into CloudTrail in the clear, so it carries ids only, never personal data.
 */
export type EncryptionContext = Readonly<Record<string, string>>;

/** A new data key: in the clear for use now, wrapped for keeping. */
export interface GeneratedDataKey {
  /** 32 bytes. The caller overwrites them as soon as they are inside a KeyObject. */
  readonly plaintext: Uint8Array;
  /** base64url without padding. */
  readonly wrapped: string;
  /** Which key of the KMS wraps it: an id to show, not needed for unwrapping. */
  readonly kmsKeyId: string;
}

/** The key management service that data keys are wrapped by. Engines: a local key file, AWS KMS. */
export interface Kms {
  /** @throws KmsUnavailableError when the service cannot answer. */
  generateDataKey(context: EncryptionContext): Promise<GeneratedDataKey>;
  /**
   * Unwraps a data key. Every pair of the context has to be the one it was wrapped with; their order does not matter.
   * @throws InvalidCiphertextError when `wrapped` was changed or the context has a changed, missing or extra pair.
   * @throws KmsUnavailableError when the service cannot answer.
   */
  decrypt(wrapped: string, context: EncryptionContext): Promise<Uint8Array>;
}

/** The wrapped key does not open under this context: changed, foreign or wrapped for something else (AWS: InvalidCiphertextException). */
export class InvalidCiphertextError extends Error {
  override readonly name = "InvalidCiphertextError";
}

/** The service did not answer. Nothing was changed. To whoever reads sealed data it is the store that cannot be read. */
export class KmsUnavailableError extends StoreUnavailableError {}

const MAX_PAIRS = 8;
const PAIR_NAME = /^[a-z][a-z0-9_]{0,63}$/;
/** What ids are made of. A name, an e-mail address or an IBAN as people print it has a space, an `@` or other characters. */
const PAIR_VALUE = /^[A-Za-z0-9_#:.-]{1,128}$/;

/**
 * The bytes that bind a wrapped key to its context: RFC 8785 text, which sorts the pairs.
 * @throws InvariantError when the context is empty or carries anything but short ids.
 */
export function contextBytes(context: EncryptionContext): Buffer {
  const pairs = Object.entries(context);
  invariant(pairs.length > 0 && pairs.length <= MAX_PAIRS, `an encryption context has 1 to ${MAX_PAIRS} pairs`);
  for (const [name, value] of pairs) {
    // The value stays out of the message: what is wrong with it may be that it is personal data.
    invariant(PAIR_NAME.test(name) && typeof value === "string" && PAIR_VALUE.test(value), "an encryption context carries ids only");
  }
  return Buffer.from(canonicalJson(context), "utf8");
}
