import type { CommitQueue } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { ApiKeyId, Ids } from "#kernel/ids.ts";
import type { Random } from "#kernel/random.ts";
import type { Collection, Store } from "#storage/index.ts";
import type { ApiKeyRecord } from "./api-key.ts";
import { API_KEYS_TABLE, apiKeyFromItem, apiKeyToItem } from "./api-key.ts";
import type { Authenticator } from "./authenticate.ts";
import type { KeyUses } from "./key-uses.ts";

export const apiKeys: Collection<ApiKeyRecord> = {
  table: API_KEYS_TABLE,
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
