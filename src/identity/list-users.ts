import { listEndId, oldestIdOf } from "#kernel/id-times.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import { isId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Query } from "#storage/index.ts";
import type { IdentityDeps } from "./deps.ts";
import { indexesOf } from "./profile.ts";
import type { User, UserStatus, UserType } from "./user.ts";
import { users, USERS_TABLE, userStatusKey } from "./user.ts";

export interface UserFilter {
  readonly status?: UserStatus | undefined;
  readonly type?: UserType | undefined;
  readonly email?: string | undefined;
  readonly phone?: string | undefined;
  /** Inclusive bounds on the time of creation, ms. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** Reads for one page, and users of each: a filter that keeps little gives short pages, never long waits. */
const MAX_READS = 10;
const READ = 100;

export type UserPage = { readonly ok: true; readonly users: readonly User[]; readonly cursor: string | undefined } | Refusal;

/**
 * A page of an organisation's users, newest first. The most telling filter chooses the index, the others are applied to what
 * it gives: where they keep little, a page may be shorter than asked for although more follow. The cursor is the id of the last
 * user that was looked at.
 */
export async function listUsers(
  { store, vault, clock }: Pick<IdentityDeps, "store" | "vault" | "clock">,
  organisationId: OrganisationId,
  filter: UserFilter,
): Promise<UserPage> {
  const { limit, cursor } = filter;
  if (cursor !== undefined && !isId("user", cursor)) return refuse("invalid_cursor", "cursor");
  const { email = null, phone = null } = filter;
  const indexes = await indexesOf(vault, organisationId, { email, phone });
  const from = filter.from === undefined ? {} : { from: oldestIdOf("user", filter.from) };
  const newest = listEndId("user", filter.to, cursor, clock.now());
  const found: User[] = [];
  let before: string | undefined = cursor;
  for (let reads = 0; reads < MAX_READS; reads++) {
    const to = before === undefined || (newest !== undefined && newest < before) ? newest : before;
    const page = await store.query({
      table: USERS_TABLE,
      ...indexBy(organisationId, filter, indexes),
      ...from,
      ...(to === undefined ? {} : { to }),
      order: "descending",
      // The bound is inclusive, so the last one seen comes once more.
      limit: (reads === 0 ? limit : READ) + 1,
    });
    for (const [n, item] of page.items.entries()) {
      const user = users.fromItem(item);
      if (user.id === before) continue;
      if (matches(user, organisationId, filter, indexes.phoneIndex)) found.push(user);
      before = user.id;
      if (found.length < limit) continue;
      const more = n + 1 < page.items.length || page.cursor !== undefined;
      return { ok: true, users: found, cursor: more ? user.id : undefined };
    }
    if (page.cursor === undefined) return { ok: true, users: found, cursor: undefined };
  }
  return { ok: true, users: found, cursor: before };
}

interface Indexes {
  readonly emailIndex: string | null;
  readonly phoneIndex: string | null;
}

function indexBy(
  organisationId: OrganisationId,
  { status }: UserFilter,
  { emailIndex, phoneIndex }: Indexes,
): Pick<Query, "hash"> & { readonly index: string } {
  if (emailIndex !== null) return { index: "EmailUsersIndex", hash: emailIndex };
  if (phoneIndex !== null) return { index: "PhoneUsersIndex", hash: phoneIndex };
  return status === undefined
    ? { index: "OrganisationUsersIndex", hash: organisationId }
    : { index: "StatusUsersIndex", hash: userStatusKey(organisationId, status) };
}

function matches(user: User, organisationId: OrganisationId, filter: UserFilter, phoneIndex: string | null): boolean {
  const { status, type, from, to } = filter;
  return (
    user.organisationId === organisationId &&
    (status === undefined || user.status === status) &&
    (type === undefined || user.type === type) &&
    (from === undefined || user.createdAt >= from) &&
    (to === undefined || user.createdAt <= to) &&
    (phoneIndex === null || user.phoneIndex === phoneIndex)
  );
}
