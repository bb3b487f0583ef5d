import type { Asked, Executed } from "#commit/index.ts";
import { refused, workOn } from "#commit/index.ts";
import type { EventId, UserId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import { accounts, restrictHolder } from "#ledger/index.ts";
import { accountsOf } from "./accounts-of.ts";
import type { IdentityDeps } from "./deps.ts";
import { keptReply, showReply } from "./present-user.ts";
import type { StatusReason, User } from "./user.ts";
import { changedUser, readUser, users } from "./user.ts";
import { reasonsFor, restrictionAfter, transitions } from "./user-status.ts";

/** How often a change is prepared anew because the user was given an account, or lost one, in between. */
const MAX_ATTEMPTS = 5;

/** What a status is changed to; `closed` has its own way, because it asks more. */
export interface UserStatusBody {
  readonly status: "active" | "restricted";
  readonly reason_code: StatusReason;
}

/**
 * POST /v1/users/{id}/status: what the verification of a customer has come to. One commit writes the user and what the status
 * does to each of the accounts, so the next payment of any of them is decided on it, without reading the user.
 * A reason that says the opposite of the status is refused: it would stand in the audit log for good.
 * @param ifVersion the version the client has seen, from If-Match
 */
export function changeUserStatus(
  deps: IdentityDeps,
  asked: Asked,
  id: UserId,
  body: UserStatusBody,
  ifVersion: number | undefined,
): Promise<Executed> {
  const { status, reason_code: reason } = body;
  if (!reasonsFor[reason].includes(status)) {
    const refusal = refuse(
      "invalid_request",
      "reason_code",
      `${reason} is a reason for ${reasonsFor[reason].join(" and ")}, not for ${status}.`,
    );
    return deps.queue.execute({ ...asked, needs: [], decide: () => refused(refusal, asked.actor.requestId) });
  }
  return moveUser(deps, asked, id, { to: status, reason, ifVersion });
}

/**
 * POST /v1/users/{id}/close: for good, once every account that the user holds, alone or with others, is closed. A closed account
 * stays closed, and giving the user another writes the user, so what was checked still holds at the commit.
 */
export function closeUser(deps: IdentityDeps, asked: Asked, id: UserId): Promise<Executed> {
  return moveUser(deps, asked, id, { to: "closed", reason: null, ifVersion: undefined });
}

interface Move {
  readonly to: "active" | "restricted" | "closed";
  readonly reason: StatusReason | null;
  readonly ifVersion: number | undefined;
}

async function moveUser(deps: IdentityDeps, asked: Asked, id: UserId, move: Move): Promise<Executed> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const executed = await attemptMove(deps, asked, id, move);
    if (executed !== "stale") return showReply(deps, asked.actor.organisationId, executed);
  }
  return { ok: false, code: "contention" };
}

async function attemptMove(deps: IdentityDeps, asked: Asked, id: UserId, move: Move): Promise<Executed | "stale"> {
  const { organisationId, requestId } = asked.actor;
  const eventId = deps.ids.next("event");
  const found = await readUser(deps.store, organisationId, id);
  const held = found === undefined ? { ids: [], complete: true } : await accountsOf(deps.store, found);
  if (!held.complete) return { ok: false, code: "contention" };
  // A close looks at the accounts only, and whoever moves money on them meanwhile is not kept waiting.
  const mode = move.to === "closed" ? "read" : "write";
  let stale = false;
  const executed = await deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    needs:
      found === undefined
        ? []
        : [
            { collection: users, key: { hash: id }, mode: "write" },
            ...held.ids.map((account) => ({ collection: accounts, key: { hash: account }, mode }) as const),
          ],
    decide(view, at) {
      stale = false;
      const work = workOn(view);
      const user = found === undefined ? undefined : work.get(users, { hash: id });
      if (user === undefined || found === undefined) return refused(refuse("not_found"), requestId);
      if (move.ifVersion !== undefined && move.ifVersion !== user.version)
        return refused(refuse("version_conflict", undefined, `The current version is ${user.version}.`), requestId);
      if (!transitions[user.status].includes(move.to))
        return refused(refuse("user_status_conflict", undefined, `The user is ${user.status}.`), requestId);
      // An account that was not looked at may be there by now.
      stale = user.accountCount !== found.accountCount || user.sharedAccounts.join() !== found.sharedAccounts.join();
      if (stale) return refused(refuse("contention"), requestId);
      const theirs = held.ids.flatMap((account) => work.get(accounts, { hash: account }) ?? []);
      if (move.to === "closed" && theirs.some(({ status }) => status !== "closed"))
        return refused(refuse("user_has_open_accounts"), requestId);
      let changed = 0;
      for (const account of theirs) {
        const next = restrictHolder(account, id, restrictionAfter(user.status, move.to), at);
        if (next !== account) changed += 1;
        // A closed one stays as it is.
        else if (account.status === "closed") continue;
        // One that is as it shall be is put as well: it may have been read before another change of the status, and the user after it.
        work.put(accounts, next === account ? { ...account, version: account.version + 1 } : next);
      }
      const next = changedUser(user, { status: move.to, statusReason: move.reason, ...(move.to === "closed" ? { closedAt: at } : {}) }, at);
      work.put(users, next);
      work.tell(eventOf(eventId, user, move, changed));
      return work.outcome(keptReply(200, next));
    },
  });
  return stale && executed.ok ? "stale" : executed;
}

function eventOf(id: EventId, user: User, { to, reason }: Move, accountsChanged: number) {
  const about = { id, objectId: user.id, userId: user.id };
  if (to === "closed") return { ...about, type: "user.closed" as const };
  return {
    ...about,
    type: "user.status_changed" as const,
    details: { before: user.status, after: to, reason_code: reason, accounts_changed: accountsChanged },
  };
}
