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
  /** Which key of the KMS wraps it: to be kept with it, shown, and given when it is unwrapped. */
  readonly kmsKeyId: string;
}

/** A wrapping key of the service, for the inventory. Never key material. */
export interface KmsKey {
  readonly id: string;
  /** `enabled`, `retired` (unwraps only), `compromised` (blocked), or what the service calls another state. */
  readonly state: string;
  readonly current: boolean;
  /** Milliseconds since the epoch; `null` where it is not known. */
  readonly createdAt: number | null;
}

export interface KmsDescription {
  readonly engine: "local" | "aws";
  /** Who guards the wrapping keys. */
  readonly custodian: string;
  readonly keys: readonly KmsKey[];
}

/** The key management service that data keys are wrapped by. Engines: a local key file, AWS KMS. */
export interface Kms {
  /** @throws KmsUnavailableError when the service cannot answer. */
  generateDataKey(context: EncryptionContext): Promise<GeneratedDataKey>;
  /**
   * Unwraps a data key. Every pair of the context has to be the one it was wrapped with; their order does not matter.
   * @param kmsKeyId the id that was given with it; the service's current key where absent
   * @throws InvalidCiphertextError when `wrapped` was changed or the context has a changed, missing or extra pair.
   * @throws KmsUnavailableError when the service cannot answer.
   */
  decrypt(wrapped: string, context: EncryptionContext, kmsKeyId?: string): Promise<Uint8Array>;
  /**
   * Wraps a data key anew under the current wrapping key, for the same context. Both engines can; test doubles need not,
   * and then a rotation of wrapping keys is refused. Throws as `decrypt`.
   */
  reEncrypt?(wrapped: string, context: EncryptionContext, kmsKeyId?: string): Promise<Omit<GeneratedDataKey, "plaintext">>;
  /**
   * Whether data keys that this key wraps may be used: asked every few seconds while one is held in memory, so that a blocked
   * key takes effect on a running process. Only engines for which that costs nothing have it; with the others a data key is
   * used until it has to be unwrapped again. @throws KmsUnavailableError
   */
  blocked?(kmsKeyId: string): Promise<boolean>;
  /** The wrapping keys. Both engines tell; test doubles need not. @throws KmsUnavailableError */
  describe?(): Promise<KmsDescription>;
}

/** The wrapped key does not open under this context: changed, foreign or wrapped for something else (AWS: InvalidCiphertextException). */
export class InvalidCiphertextError extends Error {
  override readonly name = "InvalidCiphertextError";
  /** It is no wrapped key at all: no wrapping key would open it. */
  readonly malformed: boolean;
  constructor(message: string, options: ErrorOptions & { readonly malformed?: boolean } = {}) {
    super(message, options);
    this.malformed = options.malformed ?? false;
  }
}

/** The service did not answer. Nothing was changed. To whoever reads sealed data it is the store that cannot be read. */
export class KmsUnavailableError extends StoreUnavailableError {
  readonly outage: "kms_unavailable" | "key_blocked" = "kms_unavailable";
}

export type KmsKeyFault = "disabled" | "compromised" | "retired" | "invalid_state" | "not_found" | "access_denied" | "unsuitable";

/** The service answers, but the wrapping key may not be used: an operator has to act. Nothing was changed. */
export class KmsKeyUnusableError extends KmsUnavailableError {
  override readonly outage = "key_blocked";
  readonly fault: KmsKeyFault;
  constructor(fault: KmsKeyFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}

const MAX_PAIRS = 8;
const PAIR_NAME = /^[a-z][a-z0-9_]{0,63}$/;
/** What ids are made of. A name, an e-mail address or an IBAN as people print it has a space, an `@` or other characters. */
const PAIR_VALUE = /^[A-Za-z0-9_#:.-]{1,128}$/;
/** A card number (ISO/IEC 7812) or an IBAN (ISO 13616) without spaces, which would pass for an id. */
const CARD_OR_IBAN = /^(?:\d{12,19}|[A-Z]{2}\d{2}[A-Z0-9]{11,30})$/;

/**
 * The bytes that bind a wrapped key to its context: RFC 8785 text, which sorts the pairs.
 * @throws InvariantError when the context is empty or carries anything but short ids.
 */
export function contextBytes(context: EncryptionContext): Buffer {
  const pairs = Object.entries(context);
  invariant(pairs.length > 0 && pairs.length <= MAX_PAIRS, `an encryption context has 1 to ${MAX_PAIRS} pairs`);
  for (const [name, value] of pairs) {
    // The value stays out of the message: what is wrong with it may be that it is personal data.
    invariant(
      PAIR_NAME.test(name) && typeof value === "string" && PAIR_VALUE.test(value) && !CARD_OR_IBAN.test(value),
      "an encryption context carries ids only",
    );
  }
  return Buffer.from(canonicalJson(context), "utf8");
}
