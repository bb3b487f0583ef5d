import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Ids, OrganisationId } from "#kernel/ids.ts";
import type { Random } from "#kernel/random.ts";
import { DEFAULT_RATE_LIMIT_PER_MINUTE, MAX_RATE_LIMIT_PER_MINUTE } from "./api-key.ts";
import type { ApiKeyRecord } from "./api-key.ts";
import { mintApiKey } from "./key-text.ts";
import type { Environment } from "./key-text.ts";

export interface IssueApiKeyInput {
  readonly organisationId: OrganisationId;
  readonly name: string;
  readonly environment: Environment;
  /** Default 100. */
  readonly rateLimitPerMinute?: number;
  /** The `entries` that `parseAllowlist` gave. Default none: every address. */
  readonly ipAllowlist?: readonly string[];
}

/**
 * Makes a new key: the record to store under `absent`, and the text to show once. Nothing else knows the text, so a
 * lost key is replaced, not shown again. An organisation may have several active keys, which is how one is rotated.
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
    rateLimitPerMinute,
    ipAllowlist: input.ipAllowlist ?? [],
    createdAt: deps.clock.now(),
    version: 1,
  };
  return { record, text };
}
