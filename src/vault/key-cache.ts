import type { KeyObject } from "node:crypto";
import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import { isGood } from "#kernel/clock.ts";
import { keyringId } from "./data-key-record.ts";
import type { DataKeyId, DataKeyRecord, KeyState, KeySubject } from "./data-key-record.ts";
import type { DataKey } from "./seal.ts";

/** How long, how often and how many data keys stay unwrapped in the memory of one process. */
export interface KeyCacheBounds {
  /** Data keys kept in memory. Default 10,000. */
  readonly maxCached: number;
  /** Milliseconds until a key is unwrapped by the KMS again. Default five minutes: what an outage of the KMS is bridged by. */
  readonly cacheMs: number;
  /** Seals and opens until a key is unwrapped by the KMS again. Default 10,000,000. */
  readonly cacheUses: number;
  /**
   * Milliseconds until a key's state and its subject's keyring are read from the store again. Default five seconds:
   * within it every node notices what was rotated, blocked or destroyed.
   */
  readonly checkMs: number;
}

interface Held {
  readonly value: DataKey;
  /** Milliseconds since the epoch: when the KMS has to be asked again. */
  readonly expiresAt: number;
  /** Seals and opens together at which the KMS has to be asked again. */
  readonly usesEnd: number;
  /** Milliseconds since the epoch: when the record has to be read again. */
  checkAt: number;
}

type Facts = Pick<DataKeyRecord, "id" | "organisationId" | "userId" | "purpose" | "state">;

/** A key as it is handed out. */
export function handleOf({ id, organisationId, userId, purpose }: Omit<Facts, "state">, secret: KeyObject): DataKey {
  return { id, organisationId, userId, purpose, secret, uses: 0, opens: 0 };
}

const usesOf = (dataKey: DataKey): number => dataKey.uses + (dataKey.opens ?? 0);

/** Creates an empty cache. @throws InvariantError for bounds that bound nothing. */
export function createKeyCache(clock: Clock, bounds: Partial<KeyCacheBounds>) {
  const { maxCached = 10_000, cacheMs = 5 * 60_000, cacheUses = 10_000_000, checkMs = 5_000 } = bounds;
  invariant(maxCached >= 1 && cacheMs > 0 && cacheUses >= 1 && checkMs > 0, "the vault's bounds are wrong");
  const keys = new Map<DataKeyId, Held>();
  /** How often keys were used whose secret is no longer held: the count bounds what one key may seal, so it goes on. */
  const counts = new Map<DataKeyId, { readonly uses: number; readonly opens: number }>();
  const currents = new Map<string, { readonly id: DataKeyId; readonly checkAt: number }>();

  const remember = <K, V>(map: Map<K, V>, key: K, value: V): void => {
    map.delete(key);
    if (map.size >= maxCached) {
      // A map keeps insertion order, and every refresh inserts anew: the first is the one refreshed longest ago.
      for (const oldest of map.keys()) {
        map.delete(oldest);
        break;
      }
    }
    map.set(key, value);
  };
  const nameOf = (subject: KeySubject): string =>
    subject.userId === null && subject.purpose === "data-key" ? subject.organisationId : `${subject.organisationId}/${keyringId(subject)}`;
  const alive = (held: Held, now: number): boolean => isGood(held.expiresAt, cacheMs, now) && usesOf(held.value) < held.usesEnd;

  return {
    /** A key that may be used without asking anybody. */
    key(id: DataKeyId): DataKey | undefined {
      const held = keys.get(id);
      if (held === undefined) return undefined;
      const now = clock.now();
      return isGood(held.checkAt, checkMs, now) && alive(held, now) ? held.value : undefined;
    },
    /** A key that needs no unwrapping, though its record has to be read. */
    unwrapped(id: DataKeyId): DataKey | undefined {
      const held = keys.get(id);
      return held !== undefined && alive(held, clock.now()) ? held.value : undefined;
    },
    /** The record was read at `since`. */
    checked(dataKey: DataKey, state: KeyState, since: number): DataKey {
      const held = keys.get(dataKey.id as DataKeyId);
      if (held !== undefined) held.checkAt = since + checkMs;
      if (state === "retired") dataKey.blocked = "seal";
      return dataKey;
    },
    /** Keeps the handle that is in use already, so that its count of uses goes on. */
    hold(facts: Facts, secret: KeyObject, since: number): DataKey {
      const { id, state } = facts;
      const value = keys.get(id)?.value ?? { ...handleOf(facts, secret), ...counts.get(id) };
      counts.delete(id);
      if (state === "retired") value.blocked = "seal";
      remember(keys, id, { value, expiresAt: since + cacheMs, usesEnd: usesOf(value) + cacheUses, checkAt: since + checkMs });
      return value;
    },
    current(subject: KeySubject): DataKeyId | undefined {
      const entry = currents.get(nameOf(subject));
      return entry !== undefined && isGood(entry.checkAt, checkMs, clock.now()) ? entry.id : undefined;
    },
    makeCurrent(subject: KeySubject, id: DataKeyId, since: number): void {
      remember(currents, nameOf(subject), { id, checkAt: since + checkMs });
    },
    dropCurrent(subject: KeySubject): void {
      currents.delete(nameOf(subject));
    },
    /** Forgets a key; whoever holds it still cannot use it any more. */
    drop(id: DataKeyId): void {
      const held = keys.get(id);
      if (held !== undefined) held.value.blocked = "all";
      keys.delete(id);
    },
    /** Lets go of keys that have to be unwrapped again anyway. Handles in use go on until their work is done. */
    sweep(): void {
      const now = clock.now();
      for (const [id, held] of keys) {
        if (alive(held, now)) continue;
        keys.delete(id);
        remember(counts, id, { uses: held.value.uses, opens: held.value.opens ?? 0 });
      }
    },
    usesOf(id: string): { readonly seals: number; readonly opens: number } | undefined {
      const held = keys.get(id as DataKeyId);
      return held === undefined ? undefined : { seals: held.value.uses, opens: held.value.opens ?? 0 };
    },
  };
}
