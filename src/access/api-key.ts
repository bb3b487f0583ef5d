import { invariant } from "#kernel/assert.ts";
import { toTimestamp } from "#kernel/clock.ts";
import { isId } from "#kernel/ids.ts";
import type { ApiKeyId, OperatorId, OrganisationId } from "#kernel/ids.ts";
import { ALL_SCOPES, isScope } from "#kernel/scopes.ts";
import type { Scope } from "#kernel/scopes.ts";
import type { Item } from "#storage/index.ts";
import type { Environment } from "./key-text.ts";

export const API_KEYS_TABLE = "smartfinance-api-keys";

export const DEFAULT_RATE_LIMIT_PER_MINUTE = 100;
/** What every key may spend in one second, if its minute has it: a page of an application asks for many things at once. */
const MIN_BURST_PER_SECOND = 50;
/** The most a key may be given. Above this one node could not serve it anyway. */
export const MAX_RATE_LIMIT_PER_MINUTE = 10_000_000;

/** A secret that a rotation has replaced and that is still good for a while. */
export interface PreviousSecret {
  readonly hash: string;
  /** Milliseconds since the epoch; from this moment on it is refused. */
  readonly expiresAt: number;
}

/** An API key as it is kept: everything but the secret. */
export interface ApiKeyRecord {
  readonly id: ApiKeyId;
  readonly organisationId: OrganisationId;
  readonly name: string;
  readonly environment: Environment;
  /** SHA-256 of the secret, 64 hexadecimal digits. */
  readonly secretHash: string;
  /** There are never more than two secrets: the one above and this one. */
  readonly previousSecret?: PreviousSecret;
  readonly status: "active" | "revoked";
  /** In the order of the table of scopes, each once. */
  readonly scopes: readonly Scope[];
  readonly rateLimitPerMinute: number;
  /** Addresses and CIDR blocks as `parseAllowlist` gives them. Empty: every address may use the key. */
  readonly ipAllowlist: readonly string[];
  /** The client certificate without which the key is refused: SHA-256 of its DER form, 64 hexadecimal digits. */
  readonly certificateSha256?: string;
  /** The operator who made it, himself or by another key of his: it can do no more than he can, and ends with him. */
  readonly ownerOperatorId?: OperatorId;
  /** Milliseconds since the epoch; from this moment on the key is refused. */
  readonly expiresAt?: number;
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
  readonly status: "active" | "expired" | "revoked";
  readonly scopes: readonly Scope[];
  readonly rate_limit_per_minute: number;
  readonly burst_limit_per_second: number;
  readonly ip_allowlist: readonly string[];
  readonly certificate_sha256: string | null;
  readonly owner_operator_id: OperatorId | null;
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly last_used_at: string | null;
  readonly previous_secret_expires_at: string | null;
  readonly revoked_at: string | null;
  readonly version: number;
};

/** The scopes in the order of their table, each once: one spelling for one set. */
export function orderedScopes(scopes: Iterable<Scope>): readonly Scope[] {
  const wanted = new Set(scopes);
  return ALL_SCOPES.filter((scope) => wanted.has(scope));
}

/** The most a key may spend within any second: a tenth of its minute, but never less than 50 where the minute has them. */
export function burstOf(rateLimitPerMinute: number): number {
  return Math.min(rateLimitPerMinute, Math.max(MIN_BURST_PER_SECOND, Math.ceil(rateLimitPerMinute / 10)));
}

/** Whether a key has outlived its time. */
export function isExpired(record: Pick<ApiKeyRecord, "expiresAt">, now: number): boolean {
  return record.expiresAt !== undefined && record.expiresAt <= now;
}

/**
 * The API's picture of a key.
 * @param now milliseconds; what has expired by then is shown so
 * @param lastUsedAt milliseconds, as far as it is known
 */
export function presentApiKey(record: ApiKeyRecord, now: number, lastUsedAt?: number): ApiKeyView {
  const { previousSecret } = record;
  return {
    id: record.id,
    object: "api_key",
    organisation_id: record.organisationId,
    name: record.name,
    environment: record.environment,
    status: record.status === "active" && isExpired(record, now) ? "expired" : record.status,
    scopes: record.scopes,
    rate_limit_per_minute: record.rateLimitPerMinute,
    burst_limit_per_second: burstOf(record.rateLimitPerMinute),
    ip_allowlist: record.ipAllowlist,
    certificate_sha256: record.certificateSha256 ?? null,
    owner_operator_id: record.ownerOperatorId ?? null,
    created_at: toTimestamp(record.createdAt),
    expires_at: record.expiresAt === undefined ? null : toTimestamp(record.expiresAt),
    last_used_at: lastUsedAt === undefined ? null : toTimestamp(lastUsedAt),
    previous_secret_expires_at:
      previousSecret === undefined || previousSecret.expiresAt <= now ? null : toTimestamp(previousSecret.expiresAt),
    revoked_at: record.revokedAt === undefined ? null : toTimestamp(record.revokedAt),
    version: record.version,
  };
}

export function apiKeyToItem(record: ApiKeyRecord): Item {
  return {
    id: record.id,
    organisation_id: record.organisationId,
    name: record.name,
    environment: record.environment,
    secret_hash: record.secretHash,
    ...(record.previousSecret === undefined
      ? {}
      : { previous_secret_hash: record.previousSecret.hash, previous_secret_expires_at: record.previousSecret.expiresAt }),
    status: record.status,
    scopes: record.scopes,
    rate_limit_per_minute: record.rateLimitPerMinute,
    ip_allowlist: record.ipAllowlist,
    ...(record.certificateSha256 === undefined ? {} : { certificate_sha256: record.certificateSha256 }),
    ...(record.ownerOperatorId === undefined ? {} : { owner_operator_id: record.ownerOperatorId }),
    created_at: record.createdAt,
    ...(record.expiresAt === undefined ? {} : { expires_at: record.expiresAt }),
    ...(record.revokedAt === undefined ? {} : { revoked_at: record.revokedAt }),
    version: record.version,
  };
}

/**
 * Reads a stored key. A record that is not exactly what `apiKeyToItem` writes lets nobody in. The one exception: a record
 * without `scopes` is from before there were any, when every key could do everything, and keeps what it was given.
 * @throws InvariantError when the item is malformed.
 */
export function apiKeyFromItem(item: Item): ApiKeyRecord {
  const {
    id,
    organisation_id,
    name,
    environment,
    secret_hash,
    previous_secret_hash,
    previous_secret_expires_at,
    status,
    scopes = ALL_SCOPES,
    rate_limit_per_minute,
    ip_allowlist,
    certificate_sha256,
    owner_operator_id,
    created_at,
    expires_at,
    revoked_at,
    version,
  } = item;
  invariant(isId("apiKey", id), "a stored API key has a malformed id");
  invariant(isId("organisation", organisation_id), `API key ${id} has a malformed organisation_id`);
  invariant(typeof name === "string", `API key ${id} has a malformed name`);
  invariant(environment === "live" || environment === "test", `API key ${id} has a malformed environment`);
  invariant(isHash(secret_hash), `API key ${id} has a malformed secret_hash`);
  invariant(
    previous_secret_hash === undefined
      ? previous_secret_expires_at === undefined
      : isHash(previous_secret_hash) && typeof previous_secret_expires_at === "number",
    `API key ${id} has a malformed previous secret`,
  );
  invariant(status === "active" || status === "revoked", `API key ${id} has a malformed status`);
  invariant(Array.isArray(scopes) && scopes.every(isScope), `API key ${id} has a malformed scopes`);
  invariant(isCount(rate_limit_per_minute), `API key ${id} has a malformed rate_limit_per_minute`);
  invariant(
    Array.isArray(ip_allowlist) && ip_allowlist.every((entry) => typeof entry === "string"),
    `API key ${id} has a malformed ip_allowlist`,
  );
  invariant(certificate_sha256 === undefined || isHash(certificate_sha256), `API key ${id} has a malformed certificate_sha256`);
  invariant(owner_operator_id === undefined || isId("operator", owner_operator_id), `API key ${id} has a malformed owner_operator_id`);
  invariant(typeof created_at === "number", `API key ${id} has a malformed created_at`);
  invariant(expires_at === undefined || typeof expires_at === "number", `API key ${id} has a malformed expires_at`);
  invariant(isCount(version), `API key ${id} has a malformed version`);
  invariant(status === "revoked" ? typeof revoked_at === "number" : revoked_at === undefined, `API key ${id} has a malformed revoked_at`);
  return {
    id,
    organisationId: organisation_id,
    name,
    environment,
    secretHash: secret_hash,
    ...(typeof previous_secret_hash === "string" && typeof previous_secret_expires_at === "number"
      ? { previousSecret: { hash: previous_secret_hash, expiresAt: previous_secret_expires_at } }
      : {}),
    status,
    scopes: orderedScopes(scopes as readonly Scope[]),
    rateLimitPerMinute: rate_limit_per_minute,
    ipAllowlist: ip_allowlist as readonly string[],
    ...(certificate_sha256 === undefined ? {} : { certificateSha256: certificate_sha256 }),
    ...(owner_operator_id === undefined ? {} : { ownerOperatorId: owner_operator_id }),
    createdAt: created_at,
    ...(typeof expires_at === "number" ? { expiresAt: expires_at } : {}),
    ...(typeof revoked_at === "number" ? { revokedAt: revoked_at } : {}),
    version,
  };
}

function isHash(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 1;
}
