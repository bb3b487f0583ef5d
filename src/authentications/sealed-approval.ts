import type { OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { DataKey, Sealed, Vault } from "#vault/index.ts";
import type { Approval } from "./approval.ts";
import type { Authentication } from "./authentication.ts";
import { AUTHENTICATIONS_TABLE } from "./authentication.ts";

const binding = (organisationId: OrganisationId, id: string) => ({
  organisation_id: organisationId,
  table: AUTHENTICATIONS_TABLE,
  record: id,
  field: "approval",
});

/** Seals what is approved for its record: it names people. */
export function sealApproval(vault: Vault, dataKey: DataKey, id: string, approval: Approval): JsonObject {
  return { ...vault.seal(dataKey, binding(dataKey.organisationId, id), JSON.stringify(approval)) };
}

/** Opens what is approved. */
export async function openApproval(
  vault: Vault,
  { organisationId, id, approval }: Pick<Authentication, "organisationId" | "id" | "approval">,
): Promise<Approval> {
  const sealed = approval as unknown as Sealed;
  const dataKey = await vault.dataKeyById(organisationId, sealed.key_id);
  return JSON.parse(vault.open(dataKey, binding(organisationId, id), sealed)) as Approval;
}
