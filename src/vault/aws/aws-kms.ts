import {
  DecryptCommand,
  DescribeKeyCommand,
  GenerateDataKeyCommand,
  KMSClient,
  ListResourceTagsCommand,
  ReEncryptCommand,
} from "@aws-sdk/client-kms";
import type { KMSClientConfig } from "@aws-sdk/client-kms";
import { invariant } from "#kernel/assert.ts";
import type { Environment } from "../data-key-record.ts";
import { contextBytes, InvalidCiphertextError, KmsKeyUnusableError } from "../kms.ts";
import type { Kms } from "../kms.ts";
import { translated } from "./aws-errors.ts";

export interface AwsKmsOptions {
  /** Key id, ARN or alias of a symmetric key for encryption and decryption. */
  readonly keyId: string;
  readonly environment: Environment;
  /** Another service than the region's: a VPC endpoint. */
  readonly endpoint?: string;
  /** Left out, as credentials: found as every AWS tool finds them. */
  readonly region?: string;
  readonly credentials?: NonNullable<KMSClientConfig["credentials"]>;
  /** Milliseconds one attempt may take. Default 2,000. */
  readonly attemptMs?: number;
}

/** The tag that says which environment a key is for. */
export const ENVIRONMENT_TAG = "smartfinance-environment";

const CONNECT_MS = 1_000;
const ATTEMPT_MS = 2_000;
/** Attempts of one call; the SDK waits between them with jitter, 20 s at the very most. */
const ATTEMPTS = 3;
const SOCKETS_MAX = 16;
const KEY_BYTES = 32;
/** Pages of 50 tags; a key has 50 at most. */
const TAGS_MAX = 50;

/**
 * AWS KMS as the KMS port. The key is looked at first: it has to be an enabled symmetric key, and its tag
 * `smartfinance-environment` must not name another environment (a live installation wants the tag to be there).
 * @throws KmsKeyUnusableError, KmsUnavailableError
 */
export async function openAwsKms(options: AwsKmsOptions): Promise<Kms & { close(): void }> {
  const { keyId, environment, endpoint, region, credentials, attemptMs = ATTEMPT_MS } = options;
  const agent = { keepAlive: true, maxSockets: SOCKETS_MAX };
  const client = new KMSClient({
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(credentials === undefined ? {} : { credentials }),
    maxAttempts: ATTEMPTS,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: attemptMs,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
    },
  });
  /** Every call is ended by then, retries included. */
  const bounded = () => ({ abortSignal: AbortSignal.timeout((ATTEMPTS + 1) * attemptMs) });

  const kms: Kms = {
    generateDataKey(context) {
      contextBytes(context);
      return translated(async () => {
        const made = await client.send(
          new GenerateDataKeyCommand({ KeyId: keyId, KeySpec: "AES_256", EncryptionContext: { ...context } }),
          bounded(),
        );
        invariant(made.Plaintext?.length === KEY_BYTES && made.CiphertextBlob !== undefined, "KMS gave no data key");
        return { plaintext: made.Plaintext, wrapped: textOf(made.CiphertextBlob), kmsKeyId: made.KeyId ?? keyId };
      });
    },
    decrypt(wrapped, context, kmsKeyId = keyId) {
      contextBytes(context);
      return translated(async () => {
        // The key is named, so that a ciphertext of any other key the caller may use is refused.
        const input = { KeyId: kmsKeyId, CiphertextBlob: bytesOf(wrapped), EncryptionContext: { ...context } };
        const { Plaintext } = await client.send(new DecryptCommand(input), bounded());
        invariant(Plaintext?.length === KEY_BYTES, "KMS gave no data key");
        return Plaintext;
      });
    },
    reEncrypt(wrapped, context, kmsKeyId = keyId) {
      contextBytes(context);
      return translated(async () => {
        const made = await client.send(
          new ReEncryptCommand({
            CiphertextBlob: bytesOf(wrapped),
            SourceKeyId: kmsKeyId,
            SourceEncryptionContext: { ...context },
            DestinationKeyId: keyId,
            DestinationEncryptionContext: { ...context },
          }),
          bounded(),
        );
        invariant(made.CiphertextBlob !== undefined, "KMS gave no ciphertext");
        return { wrapped: textOf(made.CiphertextBlob), kmsKeyId: made.KeyId ?? keyId };
      });
    },
    describe() {
      return translated(async () => {
        const { KeyMetadata: key } = await client.send(new DescribeKeyCommand({ KeyId: keyId }), bounded());
        const createdAt = key?.CreationDate?.getTime() ?? null;
        const state = key?.KeyState === "Enabled" ? "enabled" : (key?.KeyState ?? "unknown");
        return { engine: "aws", custodian: "AWS KMS", keys: [{ id: key?.Arn ?? keyId, state, current: true, createdAt }] };
      });
    },
  };

  const inspect = (): Promise<void> =>
    translated(async () => {
      const { KeyMetadata: key } = await client.send(new DescribeKeyCommand({ KeyId: keyId }), bounded());
      if (key?.KeySpec !== "SYMMETRIC_DEFAULT" || key.KeyUsage !== "ENCRYPT_DECRYPT")
        throw new KmsKeyUnusableError("unsuitable", `KMS key ${keyId} is not a symmetric key for encryption and decryption`);
      if (key.KeyState !== "Enabled")
        throw new KmsKeyUnusableError("invalid_state", `KMS key ${keyId} is in state ${key.KeyState ?? "unknown"}`);
      const { Tags = [] } = await client.send(new ListResourceTagsCommand({ KeyId: key.Arn ?? keyId, Limit: TAGS_MAX }), bounded());
      const tag = Tags.find(({ TagKey }) => TagKey === ENVIRONMENT_TAG)?.TagValue;
      if (tag === environment || (tag === undefined && environment === "test")) return;
      const says = tag === undefined ? `has no tag ${ENVIRONMENT_TAG}` : `is tagged ${ENVIRONMENT_TAG}=${tag}`;
      throw new KmsKeyUnusableError(
        "unsuitable",
        `KMS key ${keyId} ${says}; this installation is ${environment} and needs a key of its own`,
      );
    });
  try {
    await inspect();
  } catch (error) {
    client.destroy();
    throw error;
  }
  return { ...kms, close: () => client.destroy() };
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

/** Strict: Node ignores foreign characters and spare bits, which would make two texts of one ciphertext. */
function bytesOf(wrapped: string): Buffer {
  const bytes = Buffer.from(wrapped, "base64url");
  if (bytes.length === 0 || bytes.toString("base64url") !== wrapped)
    throw new InvalidCiphertextError("not a key that this service wrapped", { malformed: true });
  return bytes;
}
