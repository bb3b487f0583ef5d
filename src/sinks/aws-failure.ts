import { SinkError } from "./port.ts";

/** Errors that the same call meets again until somebody acts: rights, names, settings. Everything else may pass. */
const LASTING: ReadonlySet<string> = new Set([
  "AccessDenied",
  "AccessDeniedException",
  "AuthorizationHeaderMalformed",
  "CredentialsProviderError",
  "ExpiredToken",
  "ExpiredTokenException",
  "IllegalLocationConstraintException",
  "InvalidAccessKeyId",
  "InvalidArgument",
  "InvalidBucketName",
  "InvalidBucketState",
  "InvalidClientTokenId",
  "InvalidParameterException",
  "InvalidRequest",
  "NoSuchBucket",
  "ObjectLockConfigurationNotFoundError",
  "PermanentRedirect",
  "ResourceNotFoundException",
  "SignatureDoesNotMatch",
  "UnrecognizedClientException",
]);

/** The name that AWS gives an error; messages may name keys, callers and what was sent, so they stay out. */
export function errorName(error: unknown): string {
  return error instanceof Error ? error.name : "unknown error";
}

/** What an error of the AWS SDK means to a sink. */
export function sinkErrorOf(what: string, error: unknown): SinkError {
  if (error instanceof SinkError) return error;
  const name = errorName(error);
  return new SinkError(`${what} (${name})`, { passing: !LASTING.has(name), cause: error });
}

/** Every call to AWS is bounded: time to connect, time to answer, sockets, and the SDK's own retries are off (ours are counted). */
export function boundedHandler(attemptMs: number): {
  readonly maxAttempts: number;
  readonly requestHandler: {
    readonly connectionTimeout: number;
    readonly requestTimeout: number;
    readonly throwOnRequestTimeout: boolean;
    readonly httpAgent: { readonly keepAlive: boolean; readonly maxSockets: number };
    readonly httpsAgent: { readonly keepAlive: boolean; readonly maxSockets: number };
  };
} {
  const agent = { keepAlive: true, maxSockets: 4 };
  return {
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: 2_000,
      requestTimeout: attemptMs,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
    },
  };
}
