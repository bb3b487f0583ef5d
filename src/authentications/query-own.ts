import { readUser } from "#identity/index.ts";
import type { OrganisationId, UserId } from "#kernel/ids.ts";
import type { Query, Store } from "#storage/index.ts";

/** A table that is listed by organisation and by user. */
interface ListedTable {
  readonly table: Query["table"];
  readonly organisationIndex: string;
  readonly userIndex: string;
}

/**
 * A page of the organisation's items, or of one user's, newest first. The index of users knows no organisation, so a user of another one is
 * not even looked for there: a further page, or the id in a cursor, would tell of what is not the asker's.
 */
export async function queryOwn(
  store: Store,
  organisationId: OrganisationId,
  userId: UserId | undefined,
  { table, organisationIndex, userIndex }: ListedTable,
  page: Pick<Query, "limit" | "cursor">,
): ReturnType<Store["query"]> {
  if (userId === undefined) return store.query({ ...page, table, index: organisationIndex, hash: organisationId, order: "descending" });
  if ((await readUser(store, organisationId, userId)) === undefined) return { items: [], cursor: undefined };
  return store.query({ ...page, table, index: userIndex, hash: userId, order: "descending" });
}
