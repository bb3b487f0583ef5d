import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Ids, OperatorId, OrganisationId } from "#kernel/ids.ts";
import type { Random } from "#kernel/random.ts";
import { ALL_SCOPES } from "#kernel/scopes.ts";
import type { Scope } from "#kernel/scopes.ts";
import { DEFAULT_RATE_LIMIT_PER_MINUTE, MAX_RATE_LIMIT_PER_MINUTE, orderedScopes } from "./api-key.ts";
import type { ApiKeyRecord } from "./api-key.ts";
import { mintApiKey } from "./key-text.ts";
import type { Environment } from "./key-text.ts";

export interface IssueApiKeyInput {
  readonly organisationId: OrganisationId;
  readonly name: string;
  readonly environment: Environment;
  /** Default all. */
  readonly scopes?: readonly Scope[];
  /** Default 100. */
  readonly rateLimitPerMinute?: number;
  /** The `entries` that `parseAllowlist` gave. Default none: every address. */
  readonly ipAllowlist?: readonly string[];
  /** The client certificate the key is bound to. Default none. */
  readonly certificateSha256?: string;
  /** The operator whose key it is. Default nobody's. */
  readonly ownerOperatorId?: OperatorId;
  /** Milliseconds since the epoch. Default never. */
  readonly expiresAt?: number;
}

/**
 * Makes a new key: the record to store under `absent`, and the text to show once. Nothing else knows the text, so a
 * lost key is replaced or rotated, not shown again.
 */
export function issueApiKey(
  deps: { readonly clock: Clock; readonly ids: Ids; readonly random: Random },
  input: IssueApiKeyInput,
): { readonly record: ApiKeyRecord; readonly text: string } {
  const rateLimitPerMinute = input.rateLimitPerMinute ?? DEFAULT_RATE_LIMIT_PER_MINUTE;
  invariant(
    Number.isInteger(rateLimitPerMinute) && rateLimitPerMinute >= 1 && rateLimitPerMinute <= MAX_RATE_LIMIT_PER_MINUTE,
    "the rate limit is out of range",
  );
  const id = deps.ids.next("apiKey");
  const { text, secretHash } = mintApiKey({ id, environment: input.environment, random: deps.random });
  const record: ApiKeyRecord = {
    id,
    organisationId: input.organisationId,
    name: input.name,
    environment: input.environment,
    secretHash,
    status: "active",
    scopes: orderedScopes(input.scopes ?? ALL_SCOPES),
    rateLimitPerMinute,
    ipAllowlist: input.ipAllowlist ?? [],
    ...(input.certificateSha256 === undefined ? {} : { certificateSha256: input.certificateSha256 }),
    ...(input.ownerOperatorId === undefined ? {} : { ownerOperatorId: input.ownerOperatorId }),
    createdAt: deps.clock.now(),
    ...(input.expiresAt === undefined ? {} : { expiresAt: input.expiresAt }),
    version: 1,
  };
  return { record, text };
}
