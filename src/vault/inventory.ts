import type { Clock } from "#kernel/clock.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { Page, Store } from "#storage/index.ts";
import { DATA_KEYS_TABLE, dataKeys, keyringId, keyrings, ORGANISATION_KEYS_INDEX } from "./data-key-record.ts";
import type { DataKeyRecord, Environment } from "./data-key-record.ts";
import type { Kms } from "./kms.ts";
import type { Vault } from "./vault.ts";

export interface InventoryDeps {
  readonly store: Store;
  readonly vault: Vault;
  readonly kms: Kms;
  readonly clock: Clock;
  readonly environment: Environment;
  /** Algorithms of other rooms, told by them (TLS, hashing of API keys). */
  readonly algorithms: readonly AlgorithmUse[];
}

/** What an algorithm is used for. PCI DSS 4.0.1, 12.3.3 asks for this list and for a look at it once a year. */
export interface AlgorithmUse {
  readonly algorithm: string;
  readonly use: string;
  /** Bits of security; NIST SP 800-57 part 1, table 2. */
  readonly strength_bits: number;
  readonly standard: string;
}

const DAY_MS = 86_400_000;
/** How long a key should be used before it is replaced; PCI DSS 4.0.1, 3.7.4 leaves the period to us. */
const CRYPTOPERIOD_DAYS = 365;

/** The algorithms of this room. */
export const vaultAlgorithms: readonly AlgorithmUse[] = [
  { algorithm: "AES-256-GCM", use: "sealing of personal data, metadata and kept replies", strength_bits: 256, standard: "NIST SP 800-38D" },
  { algorithm: "AES-256-GCM", use: "wrapping of data keys by the key management service", strength_bits: 256, standard: "NIST SP 800-38D" },
  { algorithm: "HMAC-SHA-256", use: "search indexes over sealed values", strength_bits: 256, standard: "RFC 2104, FIPS 198-1" },
];

/** The rows of a key's own times, the same for every kind of key. */
function times(createdAt: number | null, now: number, rotates: boolean) {
  if (createdAt === null) return { created_at: null, age_days: null, rotation_due_at: null };
  return {
    created_at: toTimestamp(createdAt),
    age_days: Math.floor(Math.max(0, now - createdAt) / DAY_MS),
    rotation_due_at: rotates ? toTimestamp(createdAt + CRYPTOPERIOD_DAYS * DAY_MS) : null,
  };
}

/**
 * GET /v1/crypto-inventory: algorithms, the wrapping keys of the installation, and a page of the organisation's data keys.
 * Never key material. @throws StoreUnavailableError, KmsUnavailableError
 */
export async function cryptoInventory(
  deps: InventoryDeps,
  organisationId: OrganisationId,
  page: { readonly limit: number; readonly cursor?: string },
) {
  const { store, kms, clock, environment } = deps;
  const now = clock.now();
  const range = { table: DATA_KEYS_TABLE, index: ORGANISATION_KEYS_INDEX, hash: organisationId, from: "dek_", to: "dek_~" } as const;
  const { items, cursor }: Page = await store.query({ ...range, order: "descending", ...page });
  const records = items.map((item) => dataKeys.fromItem(item));
  const current = await currentKeys(store, records);
  const service = await kms.describe?.();
  return {
    object: "crypto_inventory",
    environment,
    generated_at: toTimestamp(now),
    algorithms: [...vaultAlgorithms, ...deps.algorithms],
    kms: {
      engine: service?.engine ?? "unknown",
      custodian: service?.custodian ?? "unknown",
      keys: (service?.keys ?? []).map((key) => ({
        id: key.id,
        algorithm: "AES-256-GCM",
        strength_bits: 256,
        state: key.state,
        current: key.current,
        ...times(key.createdAt, now, key.current),
      })),
    },
    keys: {
      object: "list",
      data: records.map((record) => presentKey(deps.vault, record, current.has(record.id), now)),
      has_more: cursor !== undefined,
      next_cursor: cursor ?? null,
    },
  };
}

function presentKey(vault: Vault, record: DataKeyRecord, current: boolean, now: number) {
  const { id, userId, purpose, number, state, kmsKeyId, createdAt, wrappedAt } = record;
  const index = purpose === "index-key";
  return {
    id,
    object: "data_key",
    purpose: index ? "search_index" : "sealing",
    user_id: userId,
    version: number,
    state,
    current,
    algorithm: index ? "HMAC-SHA-256" : "AES-256-GCM",
    strength_bits: 256,
    custodian: "vault of the installation; wrapped by the key management service",
    kms_key_id: kmsKeyId,
    wrapped_at: toTimestamp(wrappedAt),
    // An index key stays: a new one would mean to compute every index anew.
    ...times(createdAt, now, current && !index),
    uses_in_process: vault.usesOf(id) ?? null,
  };
}

async function currentKeys(store: Store, records: readonly DataKeyRecord[]): Promise<ReadonlySet<string>> {
  const rings = [...new Set(records.map(keyringId))];
  if (rings.length === 0) return new Set();
  const stored = await store.getMany(rings.map((id) => ({ table: DATA_KEYS_TABLE, key: { hash: id } })));
  return new Set(stored.flatMap((item) => (item === undefined ? [] : [keyrings.fromItem(item).currentKeyId ?? ""])));
}
