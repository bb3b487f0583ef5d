import { hash } from "node:crypto";
import type { FactorId, OrganisationId } from "#kernel/ids.ts";
import type { Collection, Key, Versioned } from "#storage/index.ts";
import type { Subject } from "./factor.ts";
import { FACTORS_TABLE } from "./factor-set.ts";

/** Whose a passkey is: one record for each credential id of an organisation, so that none is registered twice (WebAuthn 7.1). */
export interface Credential extends Versioned {
  readonly id: string;
  /** `null` once it was removed; it may be registered again. */
  readonly owner: Subject["id"] | null;
  readonly factorId: FactorId | null;
}

export const credentials: Collection<Credential> = {
  table: FACTORS_TABLE,
  keyOf: ({ id }) => ({ hash: id }),
  toItem: ({ id, owner, factorId, version }) => ({ id, credential_of: owner, factor_id: factorId, version }),
  fromItem: (item) => ({
    id: String(item.id),
    owner: item.credential_of as Credential["owner"],
    factorId: item.factor_id as FactorId | null,
    version: Number(item.version),
  }),
};

/** Credential ids have up to 1,023 bytes: the key is made of their hash. */
export function credentialKey(organisationId: OrganisationId, credentialId: string): Key {
  return { hash: `${organisationId}#${hash("sha256", credentialId, "base64url")}` };
}
