import type { Asked, Executed } from "#commit/index.ts";
import { refused, workOn } from "#commit/index.ts";
import type { UserId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import type { RiskProfile } from "#risk/index.ts";
import { riskProfiles } from "#risk/index.ts";
import type { IdentityDeps } from "./deps.ts";
import { keptReply, showReply } from "./present-user.ts";
import { changedUser, readUser, users } from "./user.ts";

/** How often an erasure is prepared anew because a rotation gave the user another key in between. */
const MAX_ATTEMPTS = 5;

/**
 * POST /v1/users/{id}/erase: crypto-shredding. In one commit the user's wrapped data keys are destroyed, the sealed profile and
 * the search indexes are taken out of the record, what is remembered of habits and places is emptied, and the event is written. What was sealed under the keys and lies elsewhere
 * (kept replies, backups of the record) is unreadable from then on: on this node at once, on others within the vault's bound.
 */
export async function eraseUser(deps: IdentityDeps, asked: Asked, id: UserId): Promise<Executed> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const executed = await attemptErasure(deps, asked, id);
    if (executed !== "another key") return showReply(deps, asked.actor.organisationId, executed);
  }
  return { ok: false, code: "contention" };
}

async function attemptErasure(deps: IdentityDeps, asked: Asked, id: UserId): Promise<Executed | "another key"> {
  const { organisationId, requestId } = asked.actor;
  const eventId = deps.ids.next("event");
  const found = await readUser(deps.store, organisationId, id);
  const shredding = found === undefined ? undefined : await deps.vault.shredUser(organisationId, id);
  let anotherKey = false;
  const executed = await deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    needs:
      shredding === undefined
        ? []
        : [
            { collection: users, key: { hash: id }, mode: "write" },
            { collection: riskProfiles, key: { hash: id }, mode: "write" },
            ...shredding.needs,
          ],
    decide(view, at) {
      anotherKey = false;
      const work = workOn(view);
      const user = shredding === undefined ? undefined : work.get(users, { hash: id });
      if (user === undefined || shredding === undefined) return refused(refuse("not_found"), requestId);
      if (user.erasedAt !== null) return refused(refuse("user_erased"), requestId);
      if (user.status !== "closed")
        return refused(refuse("user_status_conflict", undefined, "Only a closed user can be erased."), requestId);
      anotherKey = !shredding.apply(work);
      if (anotherKey) return refused(refuse("contention"), requestId);
      const next = changedUser(user, { profile: null, emailIndex: null, phoneIndex: null, erasedAt: at }, at);
      work.put(users, next);
      const habits = work.get(riskProfiles, { hash: id });
      if (habits !== undefined) work.put(riskProfiles, forgotten(habits));
      work.tell({ id: eventId, type: "user.erased", objectId: id, userId: id });
      return work.outcome(keptReply(200, next));
    },
  });
  if (anotherKey && executed.ok) return "another key";
  if (executed.ok && executed.reply.status === 200) shredding?.forget();
  return executed;
}

/** The profile without anything learnt. It is not deleted, because the store's commits only put; nothing is paid by a closed user. */
function forgotten(profile: RiskProfile): RiskProfile {
  return {
    id: profile.id,
    version: profile.version + 1,
    firstSeen: profile.firstSeen,
    lastSeen: profile.lastSeen,
    recent: [],
    amounts: [],
    devices: [],
    userAgents: [],
    places: [],
    payees: [],
    lastLocation: undefined,
    hours: profile.hours.map(() => 0),
  };
}
