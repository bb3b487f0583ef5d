import type { OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Binding, DataKey, Sealed } from "./seal.ts";
import type { Vault } from "./vault.ts";

/** Where the body of a kept reply is sealed for: its own record, so that it cannot be moved to another. */
function bindingOf(organisationId: OrganisationId, record: string): Binding {
  return { organisation_id: organisationId, table: "smartfinance-idempotency", record, field: "body" };
}

/** Seals the body of the reply that is kept in `record`. Synchronous. */
export function sealReply(vault: Vault, dataKey: DataKey, record: string, body: string): JsonObject {
  return { ...vault.seal(dataKey, bindingOf(dataKey.organisationId, record), body) };
}

/** Opens what `sealReply` made, also under an older key. @throws as `Vault.dataKeyById` and `Sealer.open` */
export async function openReply(vault: Vault, organisationId: OrganisationId, record: string, kept: JsonObject): Promise<string> {
  const sealed = kept as unknown as Sealed;
  return vault.open(await vault.dataKeyById(organisationId, sealed.key_id), bindingOf(organisationId, record), sealed);
}
