import { InvariantError } from "#kernel/assert.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { InvalidCiphertextError } from "./kms.ts";

/**
 * What to tell an operator whose server does not start because `Vault.probe` failed. A wrong key file is mended by another
 * file; a record that is damaged or of another version's format is not, and whoever exchanged key files for it would do harm.
 * @param keys how the wrapping keys are called: `key file /x` or `KMS key y`
 * @returns the error to end with; an outage, or a bug, as it was
 */
export function probeFailure(error: unknown, keys: string): unknown {
  if (error instanceof StoreUnavailableError) return error;
  if (error instanceof InvariantError || (error instanceof InvalidCiphertextError && error.malformed))
    return new Error(
      `a data key in this store is damaged or was written by another version (${error.message}): the ${keys} is not at fault; ` +
        "start the version that wrote it, or restore the store from its backup",
      { cause: error },
    );
  if (error instanceof InvalidCiphertextError)
    return new Error(`the ${keys} does not open this store's data keys (${error.message}): restore the right one from its backup`, {
      cause: error,
    });
  return error;
}
