import { invariant } from "#kernel/assert.ts";
import { isId } from "#kernel/ids.ts";
import type { Id, OrganisationId, UserId } from "#kernel/ids.ts";
import type { Collection, Item, Versioned } from "#storage/index.ts";
import type { EncryptionContext } from "./kms.ts";

export const DATA_KEYS_TABLE = "smartfinance-data-keys";
/** Every data key of an organisation, keyrings beside them. */
export const ORGANISATION_KEYS_INDEX = "OrganisationDataKeysIndex";

export type DataKeyId = Id<"dataKey">;

/** What an installation is for. It is part of every encryption context, so no wrapped key opens in the other kind. */
export type Environment = "test" | "live";

/** `data-key` seals fields; `index-key` makes the HMACs that sealed fields are found by. Never one for the other. */
export type KeyPurpose = "data-key" | "index-key";

/** Whose keys they are: an organisation's, or one user's (who can then be forgotten by destroying them). */
export interface KeySubject {
  readonly organisationId: OrganisationId;
  readonly userId: UserId | null;
  readonly purpose: KeyPurpose;
}

/**
 * - `enabled`: the current key seals, older ones open.
 * - `retired`: opens what may still lie about (kept replies); never seals again.
 * - `compromised`: blocked both ways; only the rotation that re-encrypts what it sealed may open with it.
 * - `destroyed`: the wrapped key is overwritten; what it sealed is gone.
 */
export const keyStates = ["enabled", "retired", "compromised", "destroyed"] as const;
export type KeyState = (typeof keyStates)[number];

/** A wrapped data key as it is stored under its own id: whoever holds a sealed field finds its key at once. */
export interface DataKeyRecord extends KeySubject, Versioned {
  readonly id: DataKeyId;
  /** 1, 2, 3 …: which of its subject's keys it is. */
  readonly number: number;
  readonly state: KeyState;
  /** `null` once destroyed. */
  readonly wrapped: string | null;
  readonly kmsKeyId: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** When it was wrapped last, milliseconds since the epoch. */
  readonly wrappedAt: number;
}

/** Stored under the subject's id: which of its data keys seals now, and all there are (for rotation and shredding). */
export interface KeyringRecord extends KeySubject, Versioned {
  /** `null` for a shredded subject: a tombstone, so that no new key is ever made for it. */
  readonly currentKeyId: DataKeyId | null;
  readonly keyIds: readonly DataKeyId[];
}

/** The number of the key that a subject gets next. */
export function nextNumber(keyring: KeyringRecord | undefined): number {
  return (keyring?.keyIds.length ?? 0) + 1;
}

/** How many data keys one organisation may have: a rotation a week for twenty years, and 32 KB of item. */
const MAX_KEYS_PER_ORGANISATION = 1000;
/** How many one user may have: all of them are destroyed in one commit, which DynamoDB bounds at 100 items. */
const MAX_KEYS_PER_USER = 50;

/**
 * Of keys that are compromised a subject may have as many successors beyond that: a full keyring must not keep one from being blocked. No
 * key ever makes room for another: a node that stood still may yet commit what it had sealed under it. Together they are what
 * one commit destroys, beside the six or so other writes of an erasure.
 */
const SPARE_KEYS = 40;

/** How many keys a subject may have. */
export function maxKeysOf(subject: KeySubject): number {
  return subject.userId === null ? MAX_KEYS_PER_ORGANISATION : MAX_KEYS_PER_USER;
}

/** How many where the newest one succeeds a compromised one. */
export function mostKeysOf(subject: KeySubject): number {
  return maxKeysOf(subject) + SPARE_KEYS;
}

/** The id a subject's keyring is stored under. */
export function keyringId(subject: KeySubject): string {
  if (subject.userId !== null) return subject.userId;
  return subject.purpose === "data-key" ? subject.organisationId : `${subject.organisationId}#${subject.purpose}`;
}

/** What a data key is wrapped for. Ids only. */
export function dataKeyContext(subject: KeySubject, id: DataKeyId, environment: Environment): EncryptionContext {
  return {
    organisation_id: subject.organisationId,
    ...(subject.userId === null ? {} : { user_id: subject.userId }),
    data_key_id: id,
    purpose: subject.purpose,
    environment,
  };
}

function subjectOf(item: Item): KeySubject {
  const { organisation_id, user_id = null, purpose } = item;
  invariant(isId("organisation", organisation_id), "a stored key names no organisation");
  invariant(user_id === null || isId("user", user_id), "a stored key names no user");
  invariant(purpose === "data-key" || purpose === "index-key", "a stored key has no purpose");
  return { organisationId: organisation_id, userId: user_id, purpose };
}

function subjectToItem(subject: KeySubject): Item {
  const { organisationId, userId, purpose } = subject;
  return { organisation_id: organisationId, ...(userId === null ? {} : { user_id: userId }), purpose };
}

export const dataKeys: Collection<DataKeyRecord> = {
  table: DATA_KEYS_TABLE,
  keyOf: (record) => ({ hash: record.id }),
  toItem: (record) => ({
    id: record.id,
    ...subjectToItem(record),
    number: record.number,
    state: record.state,
    wrapped_key: record.wrapped,
    kms_key_id: record.kmsKeyId,
    created_at: record.createdAt,
    wrapped_at: record.wrappedAt,
    version: record.version,
  }),
  fromItem(item) {
    const { id, number, state, wrapped_key, kms_key_id, created_at, wrapped_at, version } = item;
    invariant(isId("dataKey", id), "a stored data key has a malformed id");
    const known = keyStates.find((one) => one === state);
    invariant(known !== undefined && (wrapped_key === null) === (known === "destroyed"), `data key ${id} has no state`);
    invariant(
      (wrapped_key === null || typeof wrapped_key === "string") && typeof kms_key_id === "string" && typeof number === "number",
      `data key ${id} is malformed`,
    );
    invariant(
      typeof created_at === "number" && typeof wrapped_at === "number" && typeof version === "number",
      `data key ${id} is malformed`,
    );
    return {
      id,
      ...subjectOf(item),
      number,
      state: known,
      wrapped: wrapped_key,
      kmsKeyId: kms_key_id,
      createdAt: created_at,
      wrappedAt: wrapped_at,
      version,
    };
  },
};

export const keyrings: Collection<KeyringRecord> = {
  table: DATA_KEYS_TABLE,
  keyOf: (record) => ({ hash: keyringId(record) }),
  toItem: (record) => ({
    id: keyringId(record),
    ...subjectToItem(record),
    current_key_id: record.currentKeyId,
    key_ids: record.keyIds,
    version: record.version,
  }),
  fromItem(item) {
    const { id, current_key_id, key_ids, version } = item;
    const subject = subjectOf(item);
    invariant(id === keyringId(subject), "a stored keyring has a foreign id");
    invariant(Array.isArray(key_ids) && key_ids.every((one) => isId("dataKey", one)), `the keyring ${id} is malformed`);
    const keyIds = key_ids as readonly DataKeyId[];
    const currentKeyId = current_key_id === null ? null : keyIds.find((one) => one === current_key_id);
    invariant(currentKeyId !== undefined && typeof version === "number", `the keyring ${id} has no current key`);
    return { ...subject, currentKeyId, keyIds, version };
  },
};
