import type { KeyObject } from "node:crypto";
import { invariant } from "#kernel/assert.ts";
import { isId } from "#kernel/ids.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import { DATA_KEYS_TABLE, dataKeyContext, dataKeyFromItem } from "./data-key-record.ts";
import type { DataKeyId } from "./data-key-record.ts";
import { currentKey, toSecret } from "./make-data-key.ts";
import type { MakeDataKeyDeps } from "./make-data-key.ts";
import { createSealer, MAX_USES_PER_KEY } from "./seal.ts";
import type { DataKey, Sealer } from "./seal.ts";

/** The data key that a sealed text names is gone (shredded) or another organisation's. */
export class DataKeyNotFoundError extends Error {
  override readonly name = "DataKeyNotFoundError";
}

export interface VaultDeps extends MakeDataKeyDeps {
  /** Data keys kept in memory. Default 10,000. */
  readonly maxCached?: number;
  /** Milliseconds until a key is unwrapped and its keyring read again. Default five minutes. */
  readonly cacheMs?: number;
  /** Seals by this process after which a key is replaced by a new one. Default 2^31. */
  readonly rotateAfterUses?: number;
}

/** Data keys of organisations, and sealing with them. */
export interface Vault extends Sealer {
  /**
   * The organisation's current data key, made on first use. Cached: nodes notice a rotation within `cacheMs`.
   * @throws StoreUnavailableError, KmsUnavailableError; nothing is cached then.
   */
  dataKey(organisationId: OrganisationId): Promise<DataKey>;
  /**
   * The key a sealed text names in `key_id`, also an older one.
   * @throws DataKeyNotFoundError when the organisation has no such key; StoreUnavailableError, KmsUnavailableError.
   */
  dataKeyById(organisationId: OrganisationId, keyId: string): Promise<DataKey>;
}

interface Cached<T> {
  readonly value: T;
  readonly expiresAt: number;
}

/** Creates the vault. One per process: see `createNonces`. */
export function createVault(deps: VaultDeps): Vault {
  const { store, kms, clock } = deps;
  const { maxCached = 10_000, cacheMs = 5 * 60_000, rotateAfterUses = 2 ** 31 } = deps;
  invariant(maxCached >= 1 && cacheMs > 0 && rotateAfterUses >= 1 && rotateAfterUses < MAX_USES_PER_KEY, "the vault's bounds are wrong");
  const keys = new Map<DataKeyId, Cached<DataKey>>();
  const current = new Map<OrganisationId, Cached<DataKeyId>>();
  /** Loads under way: a thousand requests that want one key wait for one read. Each waiter is a request, and those are bounded. */
  const loads = new Map<string, Promise<DataKey>>();

  const fresh = <K, V>(cache: Map<K, Cached<V>>, key: K): V | undefined => {
    const entry = cache.get(key);
    return entry !== undefined && entry.expiresAt > clock.now() ? entry.value : undefined;
  };
  const remember = <K, V>(cache: Map<K, Cached<V>>, key: K, value: V, since: number): void => {
    cache.delete(key);
    if (cache.size >= maxCached) {
      // A map keeps insertion order, and every refresh inserts anew: the first is the one refreshed longest ago.
      for (const oldest of cache.keys()) {
        cache.delete(oldest);
        break;
      }
    }
    cache.set(key, { value, expiresAt: since + cacheMs });
  };
  const once = (name: string, load: () => Promise<DataKey>): Promise<DataKey> => {
    const running = loads.get(name);
    if (running !== undefined) return running;
    const started = load().finally(() => loads.delete(name));
    loads.set(name, started);
    return started;
  };

  /** Keeps the handle that is in use already, so that its count of uses goes on. */
  const hold = (organisationId: OrganisationId, id: DataKeyId, secret: KeyObject, since: number): DataKey => {
    const dataKey = keys.get(id)?.value ?? { id, organisationId, secret, uses: 0 };
    remember(keys, id, dataKey, since);
    return dataKey;
  };

  const load = async (organisationId: OrganisationId, id: DataKeyId): Promise<DataKey> => {
    const since = clock.now();
    const item = await store.get(DATA_KEYS_TABLE, { hash: id });
    const record = item === undefined ? undefined : dataKeyFromItem(item);
    if (record === undefined || record.organisationId !== organisationId) {
      keys.delete(id);
      throw new DataKeyNotFoundError(`${organisationId} has no data key ${id}`);
    }
    const secret = toSecret(await kms.decrypt(record.wrapped, dataKeyContext(organisationId, id)));
    return hold(organisationId, id, secret, since);
  };

  const byId = (organisationId: OrganisationId, id: DataKeyId): Promise<DataKey> => {
    const cached = fresh(keys, id);
    if (cached === undefined) return once(`${organisationId}/${id}`, () => load(organisationId, id));
    if (cached.organisationId === organisationId) return Promise.resolve(cached);
    return Promise.reject(new DataKeyNotFoundError(`${organisationId} has no data key ${id}`));
  };

  return {
    ...createSealer(deps.random),

    dataKey(organisationId) {
      const id = fresh(current, organisationId);
      const cached = id === undefined ? undefined : fresh(keys, id);
      if (cached !== undefined && cached.uses < rotateAfterUses) return Promise.resolve(cached);
      return once(organisationId, async () => {
        const since = clock.now();
        const retire = cached === undefined ? undefined : id;
        const found = await currentKey(deps, organisationId, retire);
        const dataKey =
          found.secret === undefined ? await byId(organisationId, found.id) : hold(organisationId, found.id, found.secret, since);
        remember(current, organisationId, found.id, since);
        return dataKey;
      });
    },

    dataKeyById(organisationId, keyId) {
      if (!isId("dataKey", keyId)) return Promise.reject(new DataKeyNotFoundError(`${organisationId} has no such data key`));
      return byId(organisationId, keyId);
    },
  };
}
