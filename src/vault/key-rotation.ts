import { invariant } from "#kernel/assert.ts";
import { toTimestamp } from "#kernel/clock.ts";
import { isId } from "#kernel/ids.ts";
import type { KeyRotationId, OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Collection, Store, Versioned } from "#storage/index.ts";
import type { DataKeyId } from "./data-key-record.ts";

export const ROTATIONS_TABLE = "smartfinance-key-rotations";
/** The hash value under which rotations under way are found after a restart. */
export const RUNNING = "running";

/** `data_keys`: new data keys, and everything sealed again under them. `wrapping_keys`: every data key wrapped anew. */
export const rotationTargets = ["data_keys", "wrapping_keys"] as const;
export type RotationTarget = (typeof rotationTargets)[number];
export const rotationReasons = ["scheduled", "compromise"] as const;
export type RotationReason = (typeof rotationReasons)[number];

/**
 * Where a sweep stands. It is stored with the records it changed, in one commit, so whoever continues it (after a kill, or
 * on another node) knows exactly what is done.
 */
export interface Progress {
  /** `sweep` goes over everything until a whole pass found nothing to do; `retire` then takes the old keys out of service. */
  readonly phase: "sweep" | "retire";
  /** 1, 2, 3 … */
  readonly pass: number;
  /** Which step of the phase, from 0, and how far into it. */
  readonly step: number;
  readonly cursor: string | null;
  /** Records looked at in this pass. */
  readonly examined: number;
  /** Records this pass had to change, those that somebody else changed meanwhile included. */
  readonly found: number;
  /** Sealed texts of this pass that do not open, and so stay as they are. */
  readonly unreadable: number;
  /** Sealed texts of this pass that stay under an old key, because their user may have no further one; absent where there is none. */
  readonly kept?: number;
  /** Records changed by all passes. */
  readonly rewritten: number;
}

export interface RotationFault {
  /** `key_blocked` ends the rotation, `too_many_keys` is told at its end; the others are tried again. */
  readonly code: "key_blocked" | "too_many_keys" | "kms_unavailable" | "store_unavailable";
  readonly detail: string;
}

export interface KeyRotation extends Versioned {
  readonly id: KeyRotationId;
  readonly organisationId: OrganisationId;
  readonly target: RotationTarget;
  readonly reason: RotationReason;
  /** The key that was named (the compromised one, or one to be replaced alone); `null` for all. */
  readonly keyId: DataKeyId | null;
  readonly status: "running" | "completed" | "failed";
  /** Why it failed, or what keeps a running one from going on; `null` while nothing does. */
  readonly fault: RotationFault | null;
  readonly progress: Progress;
  /** Who works on it, and until when nobody else should: spares work; correctness rests on conditional writes. */
  readonly worker: string | null;
  readonly leasedUntil: number;
  /**
   * Of a rotation over all keys: keys of users whose ids tell an earlier time get successors. Later than that of any before it, also where
   * the clock of then was ahead; absent in those from before it was kept, whose `createdAt` it was.
   */
  readonly cut?: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly completedAt: number | null;
}

/** A pass at its beginning. */
export function firstPass(): Progress {
  return {
    phase: "sweep",
    pass: 1,
    step: 0,
    cursor: null,
    examined: 0,
    found: 0,
    unreadable: 0,
    rewritten: 0,
  };
}

interface StoredRotation {
  readonly id: KeyRotationId;
  readonly organisation_id: OrganisationId;
  readonly target: RotationTarget;
  readonly reason: RotationReason;
  readonly key_id: DataKeyId | null;
  readonly status: KeyRotation["status"];
  /** Absent in records from before it was kept. */
  readonly fault?: { readonly code: RotationFault["code"]; readonly detail: string } | null;
  readonly progress: Progress;
  readonly worker: string | null;
  readonly leased_until: number;
  readonly cut?: number;
  readonly created_at: number;
  readonly updated_at: number;
  readonly completed_at: number | null;
  readonly version: number;
}

export const keyRotations: Collection<KeyRotation> = {
  table: ROTATIONS_TABLE,
  keyOf: (rotation) => ({ hash: rotation.id }),
  toItem: (r) => ({
    id: r.id,
    organisation_id: r.organisationId,
    ...(r.status === "running" ? { running: RUNNING } : {}),
    target: r.target,
    reason: r.reason,
    key_id: r.keyId,
    status: r.status,
    fault: r.fault === null ? null : { ...r.fault },
    progress: { ...r.progress },
    worker: r.worker,
    leased_until: r.leasedUntil,
    ...(r.cut === undefined ? {} : { cut: r.cut }),
    created_at: r.createdAt,
    updated_at: r.updatedAt,
    completed_at: r.completedAt,
    version: r.version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredRotation;
    invariant(isId("keyRotation", stored.id) && typeof stored.progress === "object", "a stored rotation is malformed");
    return {
      id: stored.id,
      organisationId: stored.organisation_id,
      target: stored.target,
      reason: stored.reason,
      keyId: stored.key_id,
      status: stored.status,
      fault: stored.fault ?? null,
      progress: stored.progress,
      worker: stored.worker,
      leasedUntil: stored.leased_until,
      ...(stored.cut === undefined ? {} : { cut: stored.cut }),
      createdAt: stored.created_at,
      updatedAt: stored.updated_at,
      completedAt: stored.completed_at,
      version: stored.version,
    };
  },
};

/** Which scheduled rotations of an organisation over all its keys run: one of each target at a time. */
export interface RotationPointer extends Versioned {
  readonly organisationId: OrganisationId;
  readonly running: Readonly<Record<RotationTarget, KeyRotationId | null>>;
  /** That of the newest; absent where there was none since it is kept. */
  readonly cut?: number;
}

/** What the pointer of an organisation is before its first rotation. */
export const noneRunning: RotationPointer["running"] = { data_keys: null, wrapping_keys: null };

export const rotationPointers: Collection<RotationPointer> = {
  table: ROTATIONS_TABLE,
  keyOf: ({ organisationId }) => ({ hash: organisationId }),
  toItem: (pointer) => ({
    id: pointer.organisationId,
    current: pointer.running.data_keys,
    current_wrapping: pointer.running.wrapping_keys,
    ...(pointer.cut === undefined ? {} : { cut: pointer.cut }),
    version: pointer.version,
  }),
  fromItem: (item) => ({
    organisationId: item.id as OrganisationId,
    running: {
      data_keys: item.current as KeyRotationId | null,
      // Absent in records from before rotations of wrapping keys were told apart.
      wrapping_keys: (item.current_wrapping ?? null) as KeyRotationId | null,
    },
    ...(typeof item.cut === "number" ? { cut: item.cut } : {}),
    version: Number(item.version),
  }),
};

/** A rotation of this organisation; another's reads like an unknown one. */
export async function readRotation(store: Store, organisationId: OrganisationId, id: string): Promise<KeyRotation | undefined> {
  const item = await store.get(ROTATIONS_TABLE, { hash: id });
  return item === undefined || item.organisation_id !== organisationId ? undefined : keyRotations.fromItem(item);
}

/** The rotation as the API shows it. @param steps how many steps a pass has */
export function presentRotation(rotation: KeyRotation, steps: number): JsonObject {
  const { phase, pass, step, examined, rewritten, unreadable } = rotation.progress;
  const done = rotation.status === "completed";
  return {
    id: rotation.id,
    object: "key_rotation",
    target: rotation.target,
    reason: rotation.reason,
    key_id: rotation.keyId,
    status: rotation.status,
    error: rotation.fault === null ? null : { ...rotation.fault },
    progress: {
      pass,
      steps_done: done || phase === "retire" ? steps : step,
      steps_total: steps,
      examined,
      rewritten,
      unreadable,
    },
    created_at: toTimestamp(rotation.createdAt),
    updated_at: toTimestamp(rotation.updatedAt),
    completed_at: rotation.completedAt === null ? null : toTimestamp(rotation.completedAt),
  };
}
