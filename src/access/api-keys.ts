import { hash } from "node:crypto";
import type { CommitQueue } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { ApiKeyId, Ids } from "#kernel/ids.ts";
import type { Random } from "#kernel/random.ts";
import type { Collection, Store, Told } from "#storage/index.ts";
import type { ApiKeyRecord } from "./api-key.ts";
import { API_KEYS_TABLE, apiKeyFromItem, apiKeyToItem } from "./api-key.ts";
import type { Authenticator } from "./authenticate.ts";
import type { KeyUses } from "./key-uses.ts";

/**
 * What the audit log is told of keys: everything that a key may do. Of a secret it is told the beginning of a hash of its stored
 * hash: enough that nobody exchanges the secret in the database unnoticed, and nothing from which 256 random bits could be found.
 */
const apiKeysTold: Told<ApiKeyRecord> = {
  prefix: "key_",
  keyOf: (_organisationId, id) => ({ hash: id }),
  facts: (key) => ({
    organisation_id: key.organisationId,
    environment: key.environment,
    status: key.status,
    scopes: key.scopes,
    rate_limit_per_minute: key.rateLimitPerMinute,
    ip_allowlist: key.ipAllowlist,
    certificate_sha256: key.certificateSha256 ?? null,
    owner_operator_id: key.ownerOperatorId ?? null,
    expires_at: key.expiresAt ?? null,
    secret_mark: markOf(key.secretHash),
    previous_secret_mark: key.previousSecret === undefined ? null : markOf(key.previousSecret.hash),
    previous_secret_expires_at: key.previousSecret?.expiresAt ?? null,
  }),
};

const markOf = (secretHash: string): string => hash("sha256", secretHash).slice(0, 16);

export const apiKeys: Collection<ApiKeyRecord> = {
  table: API_KEYS_TABLE,
  told: apiKeysTold,
  keyOf: (key) => ({ hash: key.id }),
  toItem: apiKeyToItem,
  fromItem: apiKeyFromItem,
};

export interface AccessDeps {
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
  readonly authenticator: Authenticator;
  readonly uses: KeyUses;
  /** Whether the listener asks for client certificates, so that a key can be bound to one. */
  readonly clientCertificates?: boolean;
}

/** A key of this organisation; another's reads like an unknown one. */
export async function readKey(store: Store, organisationId: string, id: ApiKeyId): Promise<ApiKeyRecord | undefined> {
  const item = await store.get(API_KEYS_TABLE, { hash: id });
  return item === undefined || item.organisation_id !== organisationId ? undefined : apiKeyFromItem(item);
}
