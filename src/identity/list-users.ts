import type { OrganisationId } from "#kernel/ids.ts";
import { firstIdAt, isId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Query } from "#storage/index.ts";
import type { IdentityDeps } from "./deps.ts";
import { indexesOf } from "./profile.ts";
import type { User, UserStatus, UserType } from "./user.ts";
import { users, USERS_TABLE, userStatusKey } from "./user.ts";

/** Ids are drawn when a request arrives, the creation is the commit: how far the two may lie apart, ms. */
const SLACK_MS = 120_000;

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
  const from = filter.from === undefined ? {} : { from: firstIdAt("user", Math.max(0, filter.from - SLACK_MS)) };
  const newest = boundOf(filter, clock.now());
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

/**
 * Where the ids of a list begin. They stand still while a clock that was set back catches up with them, so a list up to now has no such
 * bound: nothing else is newer. A further page begins where the one before has ended.
 */
function boundOf({ to, cursor }: UserFilter, now: number): string | undefined {
  return to === undefined || cursor !== undefined || to + SLACK_MS >= now ? undefined : firstIdAt("user", Math.max(0, to + SLACK_MS));
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
