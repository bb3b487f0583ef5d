import type { Asked, Executed } from "#commit/index.ts";
import { refused, workOn } from "#commit/index.ts";
import type { AccountId, UserId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import { accounts } from "#ledger/index.ts";
import type { IdentityDeps } from "./deps.ts";
import { keptReply, showReply } from "./present-user.ts";
import { changedUser, MAX_ACCOUNTS, readUser, users } from "./user.ts";

/**
 * POST /v1/users/{id}/close: for good, once every account of the user is closed.
 *
 * The accounts are found through an index, which may lag, but the user itself counts them: when the index gives fewer, the
 * answer is `contention`. A closed account stays closed, and opening one writes the user, so what was checked still holds at
 * the commit.
 */
export async function closeUser(deps: IdentityDeps, asked: Asked, id: UserId): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const eventId = deps.ids.next("event");
  const found = await readUser(deps.store, organisationId, id);
  const owned = found === undefined ? [] : await accountsOf(deps, id);
  if (found !== undefined && owned.length < found.accountCount) return { ok: false, code: "contention" };
  const executed = await deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    needs:
      found === undefined
        ? []
        : [
            { collection: users, key: { hash: id }, mode: "write" },
            ...owned.map((account) => ({ collection: accounts, key: { hash: account }, mode: "read" as const })),
          ],
    decide(view, at) {
      const work = workOn(view);
      const user = found === undefined ? undefined : work.get(users, { hash: id });
      if (user === undefined) return refused(refuse("not_found"), requestId);
      if (user.status === "closed") return refused(refuse("user_status_conflict", undefined, "The user is closed."), requestId);
      const open = owned.filter((account) => work.get(accounts, { hash: account })?.status !== "closed");
      if (open.length > 0 || user.accountCount !== owned.length) return refused(refuse("user_has_open_accounts"), requestId);
      const next = changedUser(user, { status: "closed", closedAt: at }, at);
      work.put(users, next);
      work.tell({ id: eventId, type: "user.closed", objectId: id, userId: id });
      return work.outcome(keptReply(200, next));
    },
  });
  return showReply(deps, organisationId, executed);
}

async function accountsOf({ store }: IdentityDeps, id: UserId): Promise<readonly AccountId[]> {
  const page = await store.query({
    table: "smartfinance-accounts",
    index: "UserAccountsIndex",
    hash: id,
    order: "ascending",
    limit: MAX_ACCOUNTS,
  });
  return page.items.map((item) => accounts.fromItem(item).id);
}
