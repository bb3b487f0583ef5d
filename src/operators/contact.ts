import { isId } from "#kernel/ids.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { Contact } from "#factors/index.ts";
import type { Store } from "#storage/index.ts";
import type { Vault } from "#vault/index.ts";
import { readOperator } from "./operator.ts";
import { openOperatorProfile } from "./profile.ts";

/** Where an operator is told what became of his factors. */
export async function operatorContact(
  { store, vault }: { readonly store: Store; readonly vault: Vault },
  organisationId: OrganisationId,
  id: string,
): Promise<Contact | undefined> {
  const operator = isId("operator", id) ? await readOperator(store, organisationId, id) : undefined;
  if (operator === undefined) return undefined;
  const { email } = await openOperatorProfile(vault, organisationId, operator.id, operator.profile);
  return { email, phone: null };
}
