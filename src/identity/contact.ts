import type { OrganisationId } from "#kernel/ids.ts";
import { isId } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import type { Vault } from "#vault/index.ts";
import { DataKeyBlockedError, DataKeyNotFoundError } from "#vault/index.ts";
import { openProfile } from "./profile.ts";
import { readUser } from "./user.ts";

/** The addresses a user can be told something at. */
export interface UserContact {
  readonly email: string | null;
  readonly phone: string | null;
}

/** How a user is reached; `undefined` for an id that is no user of this organisation, and for one who was erased. */
export async function contactOfUser(
  { store, vault }: { readonly store: Store; readonly vault: Vault },
  organisationId: OrganisationId,
  id: string,
): Promise<UserContact | undefined> {
  const user = isId("user", id) ? await readUser(store, organisationId, id) : undefined;
  if (user === undefined || user.profile === null) return undefined;
  try {
    const { email, phone } = await openProfile(vault, organisationId, user.id, user.profile);
    return { email, phone };
  } catch (error) {
    // Erased since it was read.
    if (error instanceof DataKeyNotFoundError || error instanceof DataKeyBlockedError) return undefined;
    throw error;
  }
}
