import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import { firstIdAt, isId } from "#kernel/ids.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Collection, Item, Key, Query, Store, Versioned } from "#storage/index.ts";
import { DATA_KEYS_TABLE, dataKeyContext, dataKeys, keyringId, keyrings, ORGANISATION_KEYS_INDEX } from "./data-key-record.ts";
import type { Environment, KeySubject } from "./data-key-record.ts";
import { DataKeyBlockedError, DataKeyNotFoundError, UserShreddedError } from "./errors.ts";
import type { KeyRotation } from "./key-rotation.ts";
import type { Kms } from "./kms.ts";
import { InvalidCiphertextError } from "./kms.ts";
import type { DataKey, Sealed } from "./seal.ts";
import { SealBrokenError } from "./seal.ts";
import type { SealedPlace } from "./sealed-places.ts";
import { bindingOf, keyOfItem } from "./sealed-places.ts";
import type { Vault } from "./vault.ts";

/** A record that has to change. `apply` is pure, and gives `undefined` when the record has changed since it was read. */
export interface Rewrite {
  readonly collection: Collection<Versioned>;
  readonly key: Key;
  apply(record: Versioned): Versioned | undefined;
}

/** What the records of one page come to. */
export interface Found {
  readonly rewrites: readonly Rewrite[];
  /** Sealed texts that do not open: shredded, or broken. They stay. */
  readonly unreadable: number;
  /** Sealed texts that stay under an old key, because their user may have no further one. */
  readonly kept?: number;
}

/** One part of a pass: a range of stored items, and what is to be done to a page of them. */
export interface Step {
  readonly range: Pick<Query, "table" | "index" | "hash" | "from" | "to">;
  look(items: readonly Item[]): Promise<Found>;
}

export interface StepDeps {
  readonly store: Store;
  readonly vault: Vault;
  readonly kms: Kms;
  readonly clock: Clock;
  readonly environment: Environment;
  readonly places: readonly SealedPlace[];
}

/** How far the clocks of two nodes that are both at work may be apart. */
export const MAX_SKEW_MS = 30_000;

/**
 * Passes that go by the times of keys: the second one has seen whatever was there at the start. By clocks that were wrong, what is made
 * meanwhile looks old for as long, and a pass that always finds something is never the last.
 */
const TIMED_PASSES = 2;
const goesByTimes = ({ progress }: KeyRotation): boolean => progress.pass <= TIMED_PASSES;

/** The data keys of an organisation in the index; keyrings, which lie beside them, have other prefixes. */
function keysRange(organisationId: OrganisationId): Step["range"] {
  return { table: DATA_KEYS_TABLE, index: ORGANISATION_KEYS_INDEX, hash: organisationId, from: "dek_", to: "dek_~" };
}

/** How many steps a pass over these places has. */
export function stepsOf(
  places: readonly SealedPlace[],
  { target, organisationId }: Pick<KeyRotation, "target" | "organisationId">,
): number {
  if (target === "wrapping_keys") return 1;
  return places.reduce((sum, place) => sum + place.hashes(organisationId).length, 0);
}

/** The steps of a rotation's phase. */
export function createSteps(deps: StepDeps, rotation: KeyRotation): readonly Step[] {
  const { organisationId, target, progress } = rotation;
  if (target === "wrapping_keys") return progress.phase === "sweep" ? [rewrapStep(deps, rotation)] : [];
  if (progress.phase === "retire") return [retireStep(deps, organisationId)];
  return deps.places.flatMap((place) => place.hashes(organisationId).map((hash) => resealStep(deps, rotation, place, hash)));
}

/** Seals again what is sealed under any key but its subject's current one. */
function resealStep(deps: StepDeps, rotation: KeyRotation, place: SealedPlace, hash: string): Step {
  const { vault, clock } = deps;
  const { organisationId, createdAt, cut = createdAt, reason, keyId } = rotation;
  const { collection, fields, index } = place;
  const replaces = reason === "scheduled" && keyId === null && goesByTimes(rotation);
  const oldest = firstIdAt("dataKey", cut);
  /** Made before the rotation, as its id tells; one of a time that has not come yet is of a clock that was wrong, and tells nothing. */
  const isOld = (id: string): boolean => id < oldest || id >= firstIdAt("dataKey", Math.max(cut, clock.now()) + MAX_SKEW_MS);

  /** The key to seal with, or `undefined` when `old` is that already. @param onKept told where it ought to be a newer one */
  const successor = async (old: DataKey, onKept: () => void): Promise<DataKey | undefined> => {
    const userId = old.userId ?? null;
    let current = userId === null ? await vault.dataKey(organisationId) : await vault.userKey(organisationId, userId);
    // Users get their new keys here, when their records come by: a million users cannot get theirs in one commit.
    if (replaces && userId !== null && isId("dataKey", current.id) && isOld(current.id)) {
      const next = await vault.replaceKey({ organisationId, userId, purpose: "data-key" }, current.id, cut);
      if (next === undefined) onKept();
      current = next ?? current;
    }
    return current.id === old.id ? undefined : current;
  };

  return {
    range: { table: collection.table, ...(index === undefined ? {} : { index }), hash },
    async look(items) {
      const rewrites: Rewrite[] = [];
      let unreadable = 0;
      let kept = 0;
      const opened = new Map<string, DataKey>();
      const used = new Map<string, DataKey>();
      let outdated: ReadonlySet<string> = new Set();
      const keyOf = async (id: string): Promise<DataKey> => {
        const known = opened.get(id) ?? (await openingKey(vault, organisationId, id, keyId));
        opened.set(id, known);
        return known;
      };
      for (const item of items) {
        const fresh = new Map<string, { readonly before: string; readonly after: JsonObject }>();
        for (const field of fields) {
          const sealed = item[field] as unknown as Sealed | null | undefined;
          if (sealed === null || sealed === undefined) continue;
          const binding = bindingOf(place, organisationId, item, field);
          let next: DataKey | undefined;
          let text: string;
          try {
            const old = await keyOf(sealed.key_id);
            next = await successor(old, () => (kept += 1));
            if (next === undefined) continue;
            text = vault.open(old, binding, sealed);
          } catch (error) {
            if (!isUnreadable(error)) throw error;
            unreadable += 1;
            continue;
          }
          used.set(next.id, next);
          fresh.set(field, { before: sealed.ciphertext, after: { ...vault.seal(next, binding, text) } });
        }
        if (fresh.size > 0)
          rewrites.push({ collection, key: keyOfItem(collection, item), apply: (record) => resealed(collection, record, fresh, outdated) });
      }
      outdated = await outdatedOf(deps, used);
      return { rewrites, unreadable, kept };
    },
  };
}

/**
 * Which of these keys are not current any more. A page may have waited long for keys, and what was sealed first of it, under a key that
 * was blocked since, would open for nobody: the rotation of that key may have ended. The next pass seals it under the key of by then.
 */
async function outdatedOf({ store, vault }: StepDeps, used: ReadonlyMap<string, DataKey>): Promise<ReadonlySet<string>> {
  const subjects = new Map(
    [...used].map(([id, { organisationId, userId = null }]): [string, KeySubject] => [id, { organisationId, userId, purpose: "data-key" }]),
  );
  const current = await currentOf(store, [...subjects.values()]);
  const outdated = [...subjects].filter(([id]) => !current.has(id));
  for (const [, subject] of outdated) vault.forget(subject, []);
  return new Set(outdated.map(([id]) => id));
}

/** The ids of the keys that these subjects seal with, by their stored keyrings. */
async function currentOf(store: Store, subjects: readonly KeySubject[]): Promise<ReadonlySet<string | null>> {
  const rings = [...new Set(subjects.map(keyringId))];
  if (rings.length === 0) return new Set();
  const stored = await store.getMany(rings.map((hash) => ({ table: DATA_KEYS_TABLE, key: { hash } })));
  return new Set(stored.flatMap((item) => (item === undefined ? [] : [keyrings.fromItem(item).currentKeyId])));
}

function resealed(
  collection: Collection<Versioned>,
  record: Versioned,
  fresh: ReadonlyMap<string, { readonly before: string; readonly after: JsonObject }>,
  outdated: ReadonlySet<string>,
): Versioned | undefined {
  const item: Record<string, Item[string]> = { ...collection.toItem(record) };
  for (const [field, { before, after }] of fresh) {
    const now = item[field] as unknown as Sealed | null | undefined;
    if (now?.ciphertext !== before || outdated.has(String(after.key_id))) return undefined;
    item[field] = after;
  }
  return collection.fromItem({ ...item, version: record.version + 1 });
}

/** A key for opening: compromised keys open for the rotation that was started for them, whatever reason was given. */
async function openingKey(vault: Vault, organisationId: OrganisationId, id: string, named: string | null): Promise<DataKey> {
  return id === named ? vault.unwrapAny(organisationId, id) : vault.dataKeyById(organisationId, id);
}

function isUnreadable(error: unknown): boolean {
  return (
    error instanceof SealBrokenError ||
    error instanceof DataKeyNotFoundError ||
    // Of a compromised key takes care the rotation that was started for it.
    error instanceof DataKeyBlockedError ||
    error instanceof UserShreddedError ||
    error instanceof InvalidCiphertextError
  );
}

/**
 * Wraps every data key anew that is under another wrapping key than the current one, whenever that was made, or that was last
 * wrapped before the rotation began: a service that replaces a key's material (AWS) does so under the same id.
 */
function rewrapStep({ kms, environment }: StepDeps, rotation: KeyRotation): Step {
  const { organisationId, createdAt, keyId } = rotation;
  return {
    range: { ...keysRange(organisationId), ...(keyId === null ? {} : { from: keyId, to: keyId }) },
    async look(items) {
      const rewrites: Rewrite[] = [];
      let unreadable = 0;
      invariant(kms.reEncrypt !== undefined, "this KMS cannot wrap anew");
      const current = (await kms.describe?.())?.keys.find((key) => key.current)?.id;
      for (const item of items) {
        const { id, wrapped, wrappedAt, kmsKeyId, ...subject } = dataKeys.fromItem(item);
        const recent = wrappedAt >= createdAt || !goesByTimes(rotation);
        if (wrapped === null || (recent && (current === undefined || kmsKeyId === current))) continue;
        try {
          const made = await kms.reEncrypt(wrapped, dataKeyContext(subject, id, environment), kmsKeyId);
          // Under the same key as before, though the service calls its current one otherwise: without this no pass would be the last.
          if (recent && made.kmsKeyId === kmsKeyId) continue;
          rewrites.push(
            rewriteOf(dataKeys, { hash: id }, (record) =>
              // Whatever was asked for while the rotation runs has a later time: `createdAt` is enough to tell it is done.
              record.wrapped === wrapped
                ? { ...record, ...made, wrappedAt: Math.max(wrappedAt, createdAt), version: record.version + 1 }
                : undefined,
            ),
          );
        } catch (error) {
          if (!isUnreadable(error)) throw error;
          unreadable += 1;
        }
      }
      return { rewrites, unreadable };
    },
  };
}

/** Takes keys out of service that are no longer current: they open what still lies about, and seal nothing any more. */
function retireStep({ store }: StepDeps, organisationId: OrganisationId): Step {
  return {
    range: keysRange(organisationId),
    async look(items) {
      const enabled = items.map((item) => dataKeys.fromItem(item)).filter(({ state }) => state === "enabled");
      const current = await currentOf(store, enabled);
      const rewrites = enabled
        .filter(({ id }) => !current.has(id))
        .map(({ id }) =>
          rewriteOf(dataKeys, { hash: id }, (record) =>
            record.state === "enabled" ? { ...record, state: "retired" as const, version: record.version + 1 } : undefined,
          ),
        );
      return { rewrites, unreadable: 0 };
    },
  };
}

function rewriteOf<T extends Versioned>(collection: Collection<T>, key: Key, apply: (record: T) => T | undefined): Rewrite {
  // The pair is consistent by this signature; the list of rewrites forgets which T each one has.
  return { collection, key, apply } as unknown as Rewrite;
}
