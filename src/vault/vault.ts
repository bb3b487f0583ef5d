import { invariant } from "#kernel/assert.ts";
import { createIds, isId } from "#kernel/ids.ts";
import type { Ids, OrganisationId, UserId } from "#kernel/ids.ts";
import { createKeyCache, handleOf } from "./key-cache.ts";
import type { KeyCacheBounds } from "./key-cache.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { DATA_KEYS_TABLE, dataKeyContext, dataKeys, keyringId, keyrings, ORGANISATION_KEYS_INDEX } from "./data-key-record.ts";
import type { DataKeyId, DataKeyRecord, KeySubject } from "./data-key-record.ts";
import { DataKeyBlockedError, DataKeyNotFoundError, TooManyKeysError } from "./errors.ts";
import { KmsKeyUnusableError } from "./kms.ts";
import { createIndexKey } from "./index-key.ts";
import type { IndexKey } from "./index-key.ts";
import { currentKey, toSecret } from "./make-data-key.ts";
import type { MakeDataKeyDeps } from "./make-data-key.ts";
import { createSealer, MAX_USES_PER_KEY } from "./seal.ts";
import type { DataKey, Sealer } from "./seal.ts";
import { prepareShredding } from "./shred-user.ts";
import type { Shredding } from "./shred-user.ts";

export interface VaultDeps extends MakeDataKeyDeps, Partial<KeyCacheBounds> {
  /** Seals by this process after which a key is replaced by a new one. Default 2^31. */
  readonly rotateAfterUses?: number;
}

/** Data keys of organisations and users, and sealing with them. */
export interface Vault extends Sealer {
  /**
   * The organisation's current data key, made on first use. Cached: nodes notice a rotation, and a wrapping key of the local
   * key file that is blocked, within `checkMs`.
   * @throws StoreUnavailableError, KmsUnavailableError; nothing is cached then.
   */
  dataKey(organisationId: OrganisationId): Promise<DataKey>;
  /**
   * The user's current data key, made on first use: what it seals is gone once `shredUser` destroyed it.
   * @throws UserShreddedError after that; else as `dataKey`.
   */
  userKey(organisationId: OrganisationId, userId: UserId): Promise<DataKey>;
  /**
   * The key a sealed text names in `key_id`, also an older one, the organisation's or one of its users'.
   * @throws DataKeyNotFoundError when the organisation has no such key (any more); DataKeyBlockedError when it is
   * compromised; StoreUnavailableError, KmsUnavailableError.
   */
  dataKeyById(organisationId: OrganisationId, keyId: string): Promise<DataKey>;
  /** The organisation's key for blind indexes, made on first use. It outlives every rotation of data keys. */
  indexKey(organisationId: OrganisationId): Promise<IndexKey>;
  /** What destroys all keys of a user, to be made part of a command. */
  shredUser(organisationId: OrganisationId, userId: UserId): Promise<Shredding>;
  /**
   * For rotation: replaces the subject's current key unless it is not `retire` any more. The id of a new one tells the time `since`
   * (milliseconds since the epoch), whatever this node's clock says: one before tells that the key has to be replaced.
   * @returns the current one; `undefined` when the subject may have no further key
   */
  replaceKey(subject: KeySubject, retire: DataKeyId, since?: number): Promise<DataKey | undefined>;
  /** For rotation: opens any key that is not destroyed, compromised ones too. Never cached. */
  unwrapAny(organisationId: OrganisationId, keyId: string): Promise<DataKey>;
  /**
   * Unwraps the newest key that the organisation or one of its users has, if there is any: shows at the start whether the
   * wrapping keys are the ones this store's data keys were wrapped with.
   * @throws InvalidCiphertextError when they are not; StoreUnavailableError, KmsUnavailableError.
   */
  probe(organisationId: OrganisationId): Promise<void>;
  /** Takes keys out of this process's memory; handles given out before are blocked. */
  forget(subject: KeySubject, ids: readonly DataKeyId[]): void;
  /** Takes keys out of memory that would have to be unwrapped again anyway. Called now and then by the rotation worker. */
  sweep(): void;
  /** Milliseconds since the epoch: when a wrapping key last refused to unwrap a data key that was wanted. */
  readonly blockedAt: number | undefined;
  /** Seals and opens by this process with a key that is in memory. */
  usesOf(keyId: string): { readonly seals: number; readonly opens: number } | undefined;
}

interface Replacement {
  readonly subject: KeySubject;
  readonly retire: DataKeyId | undefined;
  /** What names a new one. */
  readonly ids: Ids;
}

/** Keys looked at for one that is not destroyed. */
const PROBED = 100;

/** Times one load is begun anew because its key was forgotten during it. */
const MAX_STALE = 4;

function nameOf(subject: KeySubject): string {
  return `${subject.organisationId} ${keyringId(subject)}`;
}

/** Creates the vault. One per process: see `createNonces`. */
export function createVault(deps: VaultDeps): Vault {
  const { store, kms, clock, environment = "test", rotateAfterUses = 2 ** 31 } = deps;
  invariant(rotateAfterUses >= 1 && rotateAfterUses < MAX_USES_PER_KEY, "the vault's bounds are wrong");
  const cache = createKeyCache(clock, deps);
  /** When a wrapping key last refused a data key that was wanted. */
  let blockedAt: number | undefined;
  /** Loads under way: a thousand requests that want one key wait for one read. Each waiter is a request, and those are bounded. */
  const loads = new Map<string, Promise<DataKey>>();

  /** Loads under way, by what they are of: what is forgotten meanwhile must not come back with their answers. */
  const underWay = new Set<{ readonly of: string; stale: boolean }>();

  /** Runs `attempt` anew while what it is of was forgotten during it. What it is given tells whether that has happened. */
  const unforgotten = async (of: string, attempt: (isStale: () => boolean) => Promise<DataKey>): Promise<DataKey> => {
    for (let tries = 0; tries < MAX_STALE; tries++) {
      const ticket = { of, stale: false };
      underWay.add(ticket);
      try {
        const dataKey = await attempt(() => ticket.stale);
        if (!ticket.stale) return dataKey;
      } catch (error) {
        // A rotation may have made the error, of a key that was just replaced, obsolete; a destroyed key answers the same again.
        if (!ticket.stale) throw error;
      } finally {
        underWay.delete(ticket);
      }
    }
    throw new StoreUnavailableError("a data key was rotated or destroyed again and again while it was read");
  };

  const once = (name: string, load: () => Promise<DataKey>): Promise<DataKey> => {
    const running = loads.get(name);
    if (running !== undefined) return running;
    const started = load().finally(() => loads.delete(name));
    loads.set(name, started);
    return started;
  };

  const read = async (organisationId: OrganisationId, id: DataKeyId): Promise<DataKeyRecord & { readonly wrapped: string }> => {
    const item = await store.get(DATA_KEYS_TABLE, { hash: id });
    const record = item === undefined ? undefined : dataKeys.fromItem(item);
    if (record === undefined || record.organisationId !== organisationId || record.wrapped === null) {
      if (record === undefined || record.wrapped === null) cache.drop(id);
      throw new DataKeyNotFoundError(`${organisationId} has no data key ${id}`);
    }
    return { ...record, wrapped: record.wrapped };
  };

  const unwrap = async (record: DataKeyRecord & { readonly wrapped: string }) =>
    toSecret(await kms.decrypt(record.wrapped, dataKeyContext(record, record.id, environment), record.kmsKeyId));

  /** Only what seals is found by id. */
  const forSealing = (organisationId: OrganisationId, dataKey: DataKey): Promise<DataKey> =>
    dataKey.organisationId === organisationId && dataKey.purpose === "data-key"
      ? Promise.resolve(dataKey)
      : Promise.reject(new DataKeyNotFoundError(`${organisationId} has no data key ${dataKey.id}`));

  /** Reads the key's record, and unwraps it unless that was done a short while ago. */
  const load = (organisationId: OrganisationId, id: DataKeyId): Promise<DataKey> =>
    unforgotten(id, (isStale) => loadOnce(organisationId, id, isStale));

  const loadOnce = async (organisationId: OrganisationId, id: DataKeyId, isStale: () => boolean): Promise<DataKey> => {
    const since = clock.now();
    const record = await read(organisationId, id);
    if (record.state === "compromised") {
      cache.drop(id);
      throw new DataKeyBlockedError(`data key ${id} is compromised`);
    }
    const held = cache.unwrapped(id);
    if (held !== undefined && !(await isBlocked(record.kmsKeyId))) return isStale() ? held : cache.checked(held, record.state, since);
    if (held !== undefined) cache.drop(id);
    try {
      const secret = await unwrap(record);
      return isStale() ? handleOf(record, secret) : cache.hold(record, secret, since);
    } catch (error) {
      if (error instanceof KmsKeyUnusableError) blockedAt = clock.now();
      throw error;
    }
  };

  /** A service that does not answer is bridged by what is in memory; only one that says so blocks a key. */
  const isBlocked = async (kmsKeyId: string): Promise<boolean> => (await kms.blocked?.(kmsKeyId).catch(() => false)) === true;

  const byId = (organisationId: OrganisationId, id: DataKeyId): Promise<DataKey> => {
    const cached = cache.key(id);
    if (cached === undefined) return once(`${organisationId}/${id}`, () => load(organisationId, id));
    if (cached.organisationId === organisationId) return Promise.resolve(cached);
    return Promise.reject(new DataKeyNotFoundError(`${organisationId} has no data key ${id}`));
  };

  const replace = (subject: KeySubject, retire: DataKeyId | undefined, ids = deps.ids): Promise<DataKey> =>
    unforgotten(nameOf(subject), (isStale) => replaceOnce({ subject, retire, ids }, isStale));

  const replaceOnce = async ({ subject, retire, ids }: Replacement, isStale: () => boolean): Promise<DataKey> => {
    const since = clock.now();
    const found = await currentKey({ ...deps, ids }, subject, retire);
    const made = { ...subject, id: found.id, state: "enabled" as const };
    if (isStale() && found.secret !== undefined) return handleOf(made, found.secret);
    const dataKey = found.secret === undefined ? await byId(subject.organisationId, found.id) : cache.hold(made, found.secret, since);
    if (!isStale()) cache.makeCurrent(subject, found.id, since);
    return dataKey;
  };

  const ofSubject = (subject: KeySubject): Promise<DataKey> => {
    const id = cache.current(subject);
    const cached = id === undefined ? undefined : cache.key(id);
    const usable = cached !== undefined && cached.blocked === undefined;
    if (usable && cached.uses < rotateAfterUses) return Promise.resolve(cached);
    return once(nameOf(subject), () =>
      replace(subject, usable ? id : undefined).catch((error: unknown) => {
        // Half of what one process may do with a key is left; that there can be no other is no reason to seal nothing any more.
        if (!(error instanceof TooManyKeysError) || !usable) throw error;
        return cached;
      }),
    );
  };

  const forget = (subject: KeySubject, ids: readonly DataKeyId[]): void => {
    const gone = new Set<string>([nameOf(subject), ...ids]);
    for (const ticket of underWay) if (gone.has(ticket.of)) ticket.stale = true;
    cache.dropCurrent(subject);
    for (const id of ids) cache.drop(id);
  };

  return {
    ...createSealer(deps.random),
    dataKey: (organisationId) => ofSubject({ organisationId, userId: null, purpose: "data-key" }),
    userKey: (organisationId, userId) => ofSubject({ organisationId, userId, purpose: "data-key" }),

    dataKeyById(organisationId, keyId) {
      if (!isId("dataKey", keyId)) return Promise.reject(new DataKeyNotFoundError(`${organisationId} has no such data key`));
      // What is in memory is answered without a further turn: every read of something sealed comes by here.
      const cached = cache.key(keyId);
      return cached === undefined
        ? byId(organisationId, keyId).then((dataKey) => forSealing(organisationId, dataKey))
        : forSealing(organisationId, cached);
    },

    async indexKey(organisationId) {
      return createIndexKey((await ofSubject({ organisationId, userId: null, purpose: "index-key" })).secret);
    },

    shredUser: (organisationId, userId) => prepareShredding(store, organisationId, userId, forget),

    async replaceKey(subject, retire, since) {
      try {
        const ids = since === undefined ? deps.ids : createIds({ ...clock, now: () => since }, deps.random);
        return await replace(subject, retire, ids);
      } catch (error) {
        if (error instanceof TooManyKeysError) return undefined;
        throw error;
      }
    },

    async unwrapAny(organisationId, keyId) {
      if (!isId("dataKey", keyId)) throw new DataKeyNotFoundError(`${organisationId} has no such data key`);
      const record = await read(organisationId, keyId);
      const { id, userId, purpose } = record;
      return { id, organisationId, userId, purpose, secret: await unwrap(record), uses: 0, blocked: "seal" };
    },

    async probe(organisationId) {
      const range = { table: DATA_KEYS_TABLE, index: ORGANISATION_KEYS_INDEX, hash: organisationId, from: "dek_", to: "dek_~" } as const;
      const { items } = await store.query({ ...range, order: "descending", limit: PROBED });
      for (const item of items) {
        const record = dataKeys.fromItem(item);
        if (record.wrapped === null) continue;
        await unwrap({ ...record, wrapped: record.wrapped });
        return;
      }
      // Those were all of users who were erased; the organisation's own key is never destroyed.
      const ring = await store.get(DATA_KEYS_TABLE, { hash: keyringId({ organisationId, userId: null, purpose: "data-key" }) });
      const current = ring === undefined ? null : keyrings.fromItem(ring).currentKeyId;
      if (current !== null) await unwrap(await read(organisationId, current));
    },

    forget,
    sweep: () => cache.sweep(),
    get blockedAt() {
      return blockedAt;
    },
    usesOf: (keyId) => cache.usesOf(keyId),
  };
}
