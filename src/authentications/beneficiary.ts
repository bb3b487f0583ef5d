import type { AccountId, AuthenticationId, BeneficiaryId, OrganisationId, UserId } from "#kernel/ids.ts";
import { derivedId } from "#kernel/ids.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Collection, Store } from "#storage/index.ts";
import { toldMembers } from "#storage/index.ts";
import type { DataKey, Sealed, Vault } from "#vault/index.ts";

export const BENEFICIARIES_TABLE = "smartfinance-beneficiaries";

/** A payee whom a user has put on the list of trusted beneficiaries, authenticated (RTS Art 13). */
export interface Beneficiary {
  readonly id: BeneficiaryId;
  readonly organisationId: OrganisationId;
  readonly userId: UserId;
  readonly accountId: AccountId;
  /** Sealed. */
  readonly name: JsonObject;
  readonly status: "active" | "removed";
  /** The authentication of the latest change. */
  readonly authenticationId: AuthenticationId;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly version: number;
}

/** There is one of a user and an account, so that a payment's decision finds it without a look-up. */
export function beneficiaryIdOf(userId: UserId, accountId: AccountId): BeneficiaryId {
  return derivedId("beneficiary", userId, accountId);
}

/** What the audit log is told. The name is sealed, and nobody's business there. */
const BENEFICIARY_FACTS = ["organisation_id", "user_id", "account_id", "status", "authentication_id"];

export const beneficiaries: Collection<Beneficiary> = {
  table: BENEFICIARIES_TABLE,
  told: toldMembers("ben_", (one) => beneficiaries.toItem(one), BENEFICIARY_FACTS),
  keyOf: ({ id }) => ({ hash: id }),
  toItem: (one) => ({
    id: one.id,
    organisation_id: one.organisationId,
    user_id: one.userId,
    account_id: one.accountId,
    name: one.name,
    status: one.status,
    authentication_id: one.authenticationId,
    created_at: one.createdAt,
    updated_at: one.updatedAt,
    version: one.version,
  }),
  fromItem: (item) => ({
    id: item.id as BeneficiaryId,
    organisationId: item.organisation_id as OrganisationId,
    userId: item.user_id as UserId,
    accountId: item.account_id as AccountId,
    name: item.name as JsonObject,
    status: item.status as Beneficiary["status"],
    authenticationId: item.authentication_id as AuthenticationId,
    createdAt: Number(item.created_at),
    updatedAt: Number(item.updated_at),
    version: Number(item.version),
  }),
};

const binding = (organisationId: OrganisationId, id: string) => ({
  organisation_id: organisationId,
  table: BENEFICIARIES_TABLE,
  record: id,
  field: "name",
});

export function sealBeneficiaryName(vault: Vault, dataKey: DataKey, id: BeneficiaryId, name: string): JsonObject {
  return { ...vault.seal(dataKey, binding(dataKey.organisationId, id), name) };
}

/** The beneficiary as the API shows it, its name opened. */
export async function presentBeneficiary(vault: Vault, one: Beneficiary): Promise<JsonObject> {
  const sealed = one.name as unknown as Sealed;
  const dataKey = await vault.dataKeyById(one.organisationId, sealed.key_id);
  return showBeneficiary(one, vault.open(dataKey, binding(one.organisationId, one.id), sealed));
}

/** The same where the name is at hand. */
export function showBeneficiary(one: Beneficiary, name: string): JsonObject {
  return {
    id: one.id,
    object: "beneficiary",
    user_id: one.userId,
    account_id: one.accountId,
    name,
    status: one.status,
    authentication_id: one.authenticationId,
    created_at: toTimestamp(one.createdAt),
    updated_at: toTimestamp(one.updatedAt),
    version: one.version,
  };
}

/** A beneficiary of this organisation; another's reads like an unknown one. */
export async function readBeneficiary(store: Store, organisationId: OrganisationId, id: BeneficiaryId): Promise<Beneficiary | undefined> {
  const item = await store.get(BENEFICIARIES_TABLE, { hash: id });
  return item === undefined || item.organisation_id !== organisationId ? undefined : beneficiaries.fromItem(item);
}
