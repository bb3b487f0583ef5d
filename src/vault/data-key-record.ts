import { invariant } from "#kernel/assert.ts";
import { isId } from "#kernel/ids.ts";
import type { Id, OrganisationId } from "#kernel/ids.ts";
import type { Item } from "#storage/index.ts";
import type { EncryptionContext } from "./kms.ts";

export const DATA_KEYS_TABLE = "smartfinance-data-keys";

export type DataKeyId = Id<"dataKey">;

/** A wrapped data key as it is stored under its own id: whoever holds a sealed field finds its key at once. */
export interface DataKeyRecord {
  readonly id: DataKeyId;
  readonly organisationId: OrganisationId;
  readonly wrapped: string;
  readonly kmsKeyId: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** Stored under the organisation's id: which of its data keys seals now, and all there are (for rotation and shredding). */
export interface KeyringRecord {
  readonly organisationId: OrganisationId;
  readonly currentKeyId: DataKeyId;
  readonly keyIds: readonly DataKeyId[];
  readonly version: number;
}

/** How many data keys one organisation may have: a rotation a week for twenty years, and 32 KB of item. */
export const MAX_KEYS_PER_ORGANISATION = 1000;

/** What a data key is wrapped for. Ids only. */
export function dataKeyContext(organisationId: OrganisationId, id: DataKeyId): EncryptionContext {
  return { organisation_id: organisationId, data_key_id: id, purpose: "data-key" };
}

export function dataKeyToItem(record: DataKeyRecord): Item {
  return {
    id: record.id,
    organisation_id: record.organisationId,
    wrapped_key: record.wrapped,
    kms_key_id: record.kmsKeyId,
    created_at: record.createdAt,
    version: 1,
  };
}

export function dataKeyFromItem(item: Item): DataKeyRecord {
  const { id, organisation_id, wrapped_key, kms_key_id, created_at } = item;
  invariant(isId("dataKey", id) && isId("organisation", organisation_id), "a stored data key has malformed ids");
  invariant(
    typeof wrapped_key === "string" && typeof kms_key_id === "string" && typeof created_at === "number",
    `data key ${id} is malformed`,
  );
  return { id, organisationId: organisation_id, wrapped: wrapped_key, kmsKeyId: kms_key_id, createdAt: created_at };
}

export function keyringToItem(record: KeyringRecord): Item {
  return {
    id: record.organisationId,
    organisation_id: record.organisationId,
    current_key_id: record.currentKeyId,
    key_ids: record.keyIds,
    version: record.version,
  };
}

export function keyringFromItem(item: Item): KeyringRecord {
  const { organisation_id, current_key_id, key_ids, version } = item;
  invariant(isId("organisation", organisation_id) && item["id"] === organisation_id, "a stored keyring has malformed ids");
  invariant(Array.isArray(key_ids) && key_ids.every((id) => isId("dataKey", id)), `the keyring of ${organisation_id} is malformed`);
  const keyIds = key_ids as readonly DataKeyId[];
  const currentKeyId = keyIds.find((id) => id === current_key_id);
  invariant(currentKeyId !== undefined && typeof version === "number", `the keyring of ${organisation_id} has no current key`);
  return { organisationId: organisation_id, currentKeyId, keyIds, version };
}
