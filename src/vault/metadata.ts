import type { OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { TableName } from "#storage/index.ts";
import type { DataKey, Sealed } from "./seal.ts";
import type { Vault } from "./vault.ts";

/** A client's own key-value pairs on an object. Stored encrypted, shown only to its organisation. */
export type Metadata = Readonly<Record<string, string>>;

/** Seals metadata under a data key; bound to the very record, so that it cannot be moved to another. */
export function sealMetadata(vault: Vault, dataKey: DataKey, table: TableName, record: string, metadata: Metadata): JsonObject {
  const binding = { organisation_id: dataKey.organisationId, table, record, field: "metadata" };
  return { ...vault.seal(dataKey, binding, JSON.stringify(metadata)) };
}

/** Seals metadata with the organisation's current key; `null` stays `null` and needs no key. */
export async function sealOptional(
  vault: Vault,
  organisationId: OrganisationId,
  table: TableName,
  record: string,
  metadata: Metadata | undefined,
): Promise<JsonObject | null> {
  if (metadata === undefined) return null;
  return sealMetadata(vault, await vault.dataKey(organisationId), table, record, metadata);
}

/** Opens stored metadata; an empty object where there is none. */
export async function openMetadata(
  vault: Vault,
  organisationId: OrganisationId,
  table: TableName,
  record: string,
  sealed: JsonObject | null,
): Promise<Metadata> {
  if (sealed === null) return {};
  const stored = sealed as unknown as Sealed;
  const dataKey = await vault.dataKeyById(organisationId, stored.key_id);
  const binding = { organisation_id: organisationId, table, record, field: "metadata" };
  return JSON.parse(vault.open(dataKey, binding, stored)) as Metadata;
}
