import type { Need, Working } from "#commit/index.ts";
import type { Ref, Store } from "#storage/index.ts";
import { DATA_KEYS_TABLE, dataKeys, keyringId, keyrings, maxKeysOf, SPARE_KEYS } from "./data-key-record.ts";
import type { DataKeyId, DataKeyRecord, KeyringRecord } from "./data-key-record.ts";
import type { KeyRotation } from "./key-rotation.ts";

/** How long a key has to be empty until a rotation begins that may give it up, ms: longer than any commit is on its way that was sealed under it before. */
const SPENT_MS = 10 * 60_000;
/** Keys that a ring may have beyond its places, because the rotations that give up others for them have not ended yet. */
const MAX_PENDING = 5;
/** Keys read at once. */
const PAGE = 100;

/** Whether a rotation that began at `began`, and met no text under this key, shows that it opens nothing any more. */
function isSpent({ state, wrapped, emptiedAt }: DataKeyRecord, began: number): boolean {
  return state === "compromised" && wrapped !== null && emptiedAt !== undefined && emptiedAt + SPENT_MS <= began;
}

/** The keys of a ring that a rotation which begins at `began` may give up, those first that are empty for the longest time. */
async function spentKeys(store: Store, keyring: KeyringRecord, began: number): Promise<readonly DataKeyId[]> {
  const spent: DataKeyRecord[] = [];
  for (let at = 0; at < keyring.keyIds.length; at += PAGE) {
    const refs = keyring.keyIds.slice(at, at + PAGE).map((hash): Ref => ({ table: DATA_KEYS_TABLE, key: { hash } }));
    for (const item of await store.getMany(refs)) {
      const record = item === undefined ? undefined : dataKeys.fromItem(item);
      if (record !== undefined && record.id !== keyring.currentKeyId && isSpent(record, began)) spent.push(record);
    }
  }
  return spent.sort((a, b) => (a.emptiedAt ?? 0) - (b.emptiedAt ?? 0)).map(({ id }) => id);
}

/** How many keys the ring may have where a compromised one has a successor: beyond its places, one for each that is going to be given up. */
export async function mostKeysOf(store: Store, keyring: KeyringRecord, now: number): Promise<number> {
  const places = maxKeysOf(keyring) + SPARE_KEYS;
  if (keyring.keyIds.length < places) return places;
  return places + Math.min(MAX_PENDING, (await spentKeys(store, keyring, now)).length);
}

/** What a rotation of a compromised key ends with, as part of its last command. */
export interface GivingUp {
  readonly needs: readonly Need[];
  /** To be called by `decide`. @returns the keys that made room */
  apply(work: Working, at: number): readonly DataKeyId[];
}

/**
 * Overwrites as many keys of the ring as it has too many. The rotation began when they had been empty for long, and whatever text of theirs
 * its passes met has taken their `emptiedAt` away: what opens with none of the texts there are need not be destroyed with the others, in
 * one commit, when its user is erased.
 */
export async function prepareGivingUp(store: Store, { keyId, createdAt }: KeyRotation): Promise<GivingUp> {
  const none: GivingUp = { needs: [], apply: () => [] };
  const named = keyId === null ? undefined : await store.get(DATA_KEYS_TABLE, { hash: keyId });
  if (named === undefined) return none;
  const ring = { hash: keyringId(dataKeys.fromItem(named)) };
  const item = await store.get(DATA_KEYS_TABLE, ring);
  const found = item === undefined ? undefined : keyrings.fromItem(item);
  const places = found === undefined ? 0 : maxKeysOf(found) + SPARE_KEYS;
  if (found === undefined || found.currentKeyId === null || found.keyIds.length <= places) return none;
  const ids = (await spentKeys(store, found, createdAt)).slice(0, found.keyIds.length - places);
  if (ids.length === 0) return none;
  return {
    needs: [
      { collection: keyrings, key: ring, mode: "write" },
      ...ids.map((id) => ({ collection: dataKeys, key: { hash: id }, mode: "write" as const })),
    ],
    apply(work, at) {
      const keyring = work.get(keyrings, ring);
      // Shredded meanwhile, and all its keys with it.
      if (keyring === undefined || keyring.currentKeyId === null) return [];
      const gone: DataKeyId[] = [];
      for (const id of ids) {
        const record = work.get(dataKeys, { hash: id });
        if (keyring.keyIds.length - gone.length <= places || !keyring.keyIds.includes(id)) continue;
        if (record === undefined || id === keyring.currentKeyId || !isSpent(record, Math.min(createdAt, at))) continue;
        work.put(dataKeys, { ...record, wrapped: null, version: record.version + 1 });
        gone.push(id);
      }
      if (gone.length === 0) return [];
      const keyIds = keyring.keyIds.filter((id) => !gone.includes(id));
      work.put(keyrings, { ...keyring, keyIds, givenUp: (keyring.givenUp ?? 0) + gone.length, version: keyring.version + 1 });
      return gone;
    },
  };
}
