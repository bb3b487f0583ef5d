import { InvariantError } from "#kernel/assert.ts";
import { InvalidCiphertextError, KmsKeyUnusableError, KmsUnavailableError } from "../kms.ts";
import type { KmsKeyFault } from "../kms.ts";

/** Errors after which an operator has to act; AWS KMS API Reference, "Common Errors" and the errors of Decrypt and GenerateDataKey. */
const FAULTS: Readonly<Record<string, KmsKeyFault>> = {
  DisabledException: "disabled",
  KMSInvalidStateException: "invalid_state",
  NotFoundException: "not_found",
  InvalidArnException: "not_found",
  AccessDeniedException: "access_denied",
  IncompleteSignature: "access_denied",
  InvalidClientTokenId: "access_denied",
  UnrecognizedClientException: "access_denied",
  ExpiredTokenException: "access_denied",
  CredentialsProviderError: "access_denied",
  InvalidKeyUsageException: "unsuitable",
  InvalidGrantTokenException: "access_denied",
};

/** The ciphertext, or the key it was made with, is not ours. */
const FOREIGN = new Set(["InvalidCiphertextException", "IncorrectKeyException"]);

/**
 * Runs a call and says what its error means here. Messages of AWS name keys and callers, never plaintext; only the error's
 * name goes into ours. Whatever is not understood counts as the service not answering: nothing was changed.
 * @throws InvalidCiphertextError, KmsKeyUnusableError, KmsUnavailableError
 */
export async function translated<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof KmsUnavailableError || error instanceof InvalidCiphertextError || error instanceof InvariantError) throw error;
    const name = error instanceof Error ? error.name : "unknown error";
    if (FOREIGN.has(name)) throw new InvalidCiphertextError("the wrapped key or its encryption context was changed", { cause: error });
    const fault = FAULTS[name];
    if (fault !== undefined) throw new KmsKeyUnusableError(fault, `the KMS key cannot be used (${name})`, { cause: error });
    throw new KmsUnavailableError(`the KMS did not answer (${name})`, { cause: error });
  }
}
