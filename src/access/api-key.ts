import { invariant } from "#kernel/assert.ts";
import { toTimestamp } from "#kernel/clock.ts";
import { isId } from "#kernel/ids.ts";
import type { ApiKeyId, OrganisationId } from "#kernel/ids.ts";
import type { Item } from "#storage/index.ts";
import type { Environment } from "./key-text.ts";

export const API_KEYS_TABLE = "smartfinance-api-keys";

export const DEFAULT_RATE_LIMIT_PER_MINUTE = 100;
/** The most a key may be given. Above this one node could not serve it anyway. */
export const MAX_RATE_LIMIT_PER_MINUTE = 10_000_000;

/** An API key as it is kept: everything but the secret. */
export interface ApiKeyRecord {
  readonly id: ApiKeyId;
  readonly organisationId: OrganisationId;
  readonly name: string;
  readonly environment: Environment;
  /** SHA-256 of the secret, 64 hexadecimal digits. */
  readonly secretHash: string;
  readonly status: "active" | "revoked";
  readonly rateLimitPerMinute: number;
  /** Addresses and CIDR blocks as `parseAllowlist` gives them. Empty: every address may use the key. */
  readonly ipAllowlist: readonly string[];
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Set when and only when the status is `revoked`. */
  readonly revokedAt?: number;
  readonly version: number;
}

/** An API key as the API answers it. Neither the secret nor its hash is in it. */
export type ApiKeyView = {
  readonly id: ApiKeyId;
  readonly object: "api_key";
  readonly organisation_id: OrganisationId;
  readonly name: string;
  readonly environment: Environment;
  readonly status: "active" | "revoked";
  readonly rate_limit_per_minute: number;
  readonly ip_allowlist: readonly string[];
  readonly created_at: string;
  readonly revoked_at: string | null;
};

/** The API's picture of a key. */
export function presentApiKey(record: ApiKeyRecord): ApiKeyView {
  return {
    id: record.id,
    object: "api_key",
    organisation_id: record.organisationId,
    name: record.name,
    environment: record.environment,
    status: record.status,
    rate_limit_per_minute: record.rateLimitPerMinute,
    ip_allowlist: record.ipAllowlist,
    created_at: toTimestamp(record.createdAt),
    revoked_at: record.revokedAt === undefined ? null : toTimestamp(record.revokedAt),
  };
}

export function apiKeyToItem(record: ApiKeyRecord): Item {
  return {
    id: record.id,
    organisation_id: record.organisationId,
    name: record.name,
    environment: record.environment,
    secret_hash: record.secretHash,
    status: record.status,
    rate_limit_per_minute: record.rateLimitPerMinute,
    ip_allowlist: record.ipAllowlist,
    created_at: record.createdAt,
    ...(record.revokedAt === undefined ? {} : { revoked_at: record.revokedAt }),
    version: record.version,
  };
}

/**
 * Reads a stored key. A record that is not exactly what `apiKeyToItem` writes lets nobody in.
 * @throws InvariantError when the item is malformed.
 */
export function apiKeyFromItem(item: Item): ApiKeyRecord {
  const {
    id,
    organisation_id,
    name,
    environment,
    secret_hash,
    status,
    rate_limit_per_minute,
    ip_allowlist,
    created_at,
    revoked_at,
    version,
  } = item;
  invariant(isId("apiKey", id), "a stored API key has a malformed id");
  invariant(isId("organisation", organisation_id), `API key ${id} has a malformed organisation_id`);
  invariant(typeof name === "string", `API key ${id} has a malformed name`);
  invariant(environment === "live" || environment === "test", `API key ${id} has a malformed environment`);
  invariant(typeof secret_hash === "string" && /^[0-9a-f]{64}$/.test(secret_hash), `API key ${id} has a malformed secret_hash`);
  invariant(status === "active" || status === "revoked", `API key ${id} has a malformed status`);
  invariant(isCount(rate_limit_per_minute), `API key ${id} has a malformed rate_limit_per_minute`);
  invariant(
    Array.isArray(ip_allowlist) && ip_allowlist.every((entry) => typeof entry === "string"),
    `API key ${id} has a malformed ip_allowlist`,
  );
  invariant(typeof created_at === "number", `API key ${id} has a malformed created_at`);
  invariant(isCount(version), `API key ${id} has a malformed version`);
  invariant(status === "revoked" ? typeof revoked_at === "number" : revoked_at === undefined, `API key ${id} has a malformed revoked_at`);
  return {
    id,
    organisationId: organisation_id,
    name,
    environment,
    secretHash: secret_hash,
    status,
    rateLimitPerMinute: rate_limit_per_minute,
    ipAllowlist: ip_allowlist as readonly string[],
    createdAt: created_at,
    ...(typeof revoked_at === "number" ? { revokedAt: revoked_at } : {}),
    version,
  };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 1;
}
