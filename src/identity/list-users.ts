import type { OrganisationId } from "#kernel/ids.ts";
import type { Query } from "#storage/index.ts";
import type { IdentityDeps } from "./deps.ts";
import { indexesOf } from "./profile.ts";
import type { User, UserStatus } from "./user.ts";
import { users, USERS_TABLE, userStatusKey } from "./user.ts";

export interface UserFilter {
  readonly status?: UserStatus | undefined;
  readonly email?: string | undefined;
  readonly phone?: string | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/**
 * A page of an organisation's users, newest first. The most telling filter chooses the index, the others are applied to what
 * it gives: such a page may be shorter than asked for although more follow.
 */
export async function listUsers(
  { store, vault }: Pick<IdentityDeps, "store" | "vault">,
  organisationId: OrganisationId,
  filter: UserFilter,
): Promise<{ readonly users: readonly User[]; readonly cursor: string | undefined }> {
  const { status, email = null, phone = null, limit, cursor } = filter;
  const { emailIndex, phoneIndex } = await indexesOf(vault, organisationId, { email, phone });
  const by: Pick<Query, "hash"> & { readonly index: string } =
    emailIndex !== null
      ? { index: "EmailUsersIndex", hash: emailIndex }
      : phoneIndex !== null
        ? { index: "PhoneUsersIndex", hash: phoneIndex }
        : status !== undefined
          ? { index: "StatusUsersIndex", hash: userStatusKey(organisationId, status) }
          : { index: "OrganisationUsersIndex", hash: organisationId };
  const page = await store.query({
    table: USERS_TABLE,
    ...by,
    order: "descending",
    limit,
    ...(cursor === undefined ? {} : { cursor }),
  });
  const found = page.items
    .map((item) => users.fromItem(item))
    .filter(
      (user) =>
        user.organisationId === organisationId &&
        (status === undefined || user.status === status) &&
        (phoneIndex === null || user.phoneIndex === phoneIndex),
    );
  return { users: found, cursor: page.cursor };
}
