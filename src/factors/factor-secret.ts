import type { FactorId, OrganisationId, UserId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Collection, Key, Store, Versioned } from "#storage/index.ts";
import type { DataKey, Sealed, Vault } from "#vault/index.ts";
import { DataKeyNotFoundError } from "#vault/index.ts";
import type { Subject } from "./factor.ts";

export const FACTOR_SECRETS_TABLE = "smartfinance-factor-secrets";

/**
 * What of a factor must be read by nobody: the secret of a TOTP, the address codes go to. A record of its own under the factor's
 * id, so that a rotation of keys finds it. `null` once the factor is gone.
 */
export interface FactorSecret extends Versioned {
  readonly id: FactorId;
  readonly organisationId: OrganisationId;
  readonly secret: JsonObject | null;
}

export const factorSecrets: Collection<FactorSecret> = {
  table: FACTOR_SECRETS_TABLE,
  keyOf: ({ id }) => ({ hash: id }),
  toItem: ({ id, organisationId, secret, version }) => ({ id, organisation_id: organisationId, secret, version }),
  fromItem: (item) => ({
    id: item.id as FactorId,
    organisationId: item.organisation_id as OrganisationId,
    secret: item.secret as JsonObject | null,
    version: Number(item.version),
  }),
};

export const secretKey = (id: FactorId): Key => ({ hash: id });

const binding = (organisation_id: OrganisationId, record: FactorId) => ({
  organisation_id,
  table: FACTOR_SECRETS_TABLE,
  record,
  field: "secret",
});

/** The key that a subject's secrets are sealed under: a user's own goes when the user is erased. @throws UserShreddedError then */
export function subjectKey(vault: Vault, { organisationId, kind, id }: Subject): Promise<DataKey> {
  return kind === "user" ? vault.userKey(organisationId, id as UserId) : vault.dataKey(organisationId);
}

/** Seals a secret for its factor. Synchronous, for decisions. */
export function sealSecret(vault: Vault, dataKey: DataKey, id: FactorId, secret: string): JsonObject {
  return { ...vault.seal(dataKey, binding(dataKey.organisationId, id), secret) };
}

/**
 * The secrets of factors, by id; those that are gone are absent, also with the key of a user who was erased.
 * @throws StoreUnavailableError and its family; SealBrokenError
 */
export async function readSecrets(
  { store, vault }: { readonly store: Store; readonly vault: Vault },
  organisationId: OrganisationId,
  ids: readonly FactorId[],
): Promise<ReadonlyMap<FactorId, string>> {
  const found = new Map<FactorId, string>();
  if (ids.length === 0) return found;
  const items = await store.getMany(ids.map((id) => ({ table: FACTOR_SECRETS_TABLE, key: secretKey(id) })));
  for (const item of items) {
    if (item === undefined) continue;
    const { id, secret } = factorSecrets.fromItem(item);
    if (secret === null) continue;
    const sealed = secret as unknown as Sealed;
    const dataKey = await keyOf(vault, organisationId, sealed.key_id);
    if (dataKey !== undefined) found.set(id, vault.open(dataKey, binding(organisationId, id), sealed));
  }
  return found;
}

async function keyOf(vault: Vault, organisationId: OrganisationId, keyId: string): Promise<DataKey | undefined> {
  try {
    return await vault.dataKeyById(organisationId, keyId);
  } catch (error) {
    if (error instanceof DataKeyNotFoundError) return undefined;
    throw error;
  }
}
