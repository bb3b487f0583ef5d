import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Metadata } from "#vault/index.ts";

/**
 * The most bytes that an account's metadata may have as JSON. A change of a user's status writes all of the user's accounts in one commit,
 * and 50 of them have to fit into what a transaction of DynamoDB takes, whatever else they carry: a user who could not be restricted any
 * more would be the worst of answers to long metadata.
 */
export const MAX_ACCOUNT_METADATA_BYTES = 24_576;

/** @returns a refusal where the metadata is larger than an account may carry */
export function checkMetadata(metadata: Metadata | null | undefined): Refusal | undefined {
  if (metadata === null || metadata === undefined) return undefined;
  const bytes = Buffer.byteLength(JSON.stringify(metadata));
  if (bytes <= MAX_ACCOUNT_METADATA_BYTES) return undefined;
  return refuse("invalid_request", "metadata", `It has ${bytes} bytes as JSON, and an account takes ${MAX_ACCOUNT_METADATA_BYTES}.`);
}
