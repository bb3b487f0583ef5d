import type { OperatorId, OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Binding, Sealed, Vault } from "#vault/index.ts";
import { OPERATORS_TABLE } from "./operator.ts";

/** Everything that tells who an operator is. Stored in one sealed envelope. */
export type OperatorProfile = {
  readonly name: string;
  /** As it was given. */
  readonly email: string;
};

const bindingOf = (organisationId: OrganisationId, id: OperatorId): Binding => ({
  organisation_id: organisationId,
  table: OPERATORS_TABLE,
  record: id,
  field: "profile",
});

/** Seals a profile under the organisation's data key: operators are staff, who are disabled, not erased one by one. */
export async function sealOperatorProfile(
  vault: Vault,
  organisationId: OrganisationId,
  id: OperatorId,
  profile: OperatorProfile,
): Promise<JsonObject> {
  return { ...vault.seal(await vault.dataKey(organisationId), bindingOf(organisationId, id), JSON.stringify(profile)) };
}

export async function openOperatorProfile(
  vault: Vault,
  organisationId: OrganisationId,
  id: OperatorId,
  envelope: JsonObject,
): Promise<OperatorProfile> {
  const sealed = envelope as unknown as Sealed;
  const dataKey = await vault.dataKeyById(organisationId, sealed.key_id);
  return JSON.parse(vault.open(dataKey, bindingOf(organisationId, id), sealed)) as OperatorProfile;
}

/** The keyed hash that an operator is found by. @param normalised as `normaliseEmail` gives it */
export async function emailIndexOf(vault: Vault, organisationId: OrganisationId, normalised: string): Promise<string> {
  return (await vault.indexKey(organisationId)).hmac("operator_email", normalised);
}
