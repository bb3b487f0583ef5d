import type { Asked, Executed } from "#commit/index.ts";
import { refused, workOn } from "#commit/index.ts";
import type { UserId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import { DataKeyNotFoundError, UserShreddedError } from "#vault/index.ts";
import { sealedFields } from "./create-user.ts";
import type { IdentityDeps } from "./deps.ts";
import { keptReply, showReply } from "./present-user.ts";
import type { Profile } from "./profile.ts";
import { checkProfile, openProfile } from "./profile.ts";
import type { User } from "./user.ts";
import { changedUser, readUser, users } from "./user.ts";

/** What may be changed; `null` clears a field, what is absent stays. */
export type UpdateUserBody = { readonly [K in Exclude<keyof Profile, "name" | "metadata">]?: Profile[K] } & {
  readonly name?: string;
  readonly metadata?: Profile["metadata"] | null;
};

/** How often a change is made anew because the user changed (an account was opened) while it was sealed. */
const MAX_ATTEMPTS = 5;

/** PATCH /v1/users/{id}. @param ifVersion the version the client has seen, from If-Match */
export async function updateUser(
  deps: IdentityDeps,
  asked: Asked,
  id: UserId,
  body: UpdateUserBody,
  ifVersion: number | undefined,
): Promise<Executed> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const executed = await attemptUpdate(deps, asked, id, body, ifVersion);
    if (executed !== "stale") return showReply(deps, asked.actor.organisationId, executed);
  }
  return { ok: false, code: "contention" };
}

async function attemptUpdate(
  deps: IdentityDeps,
  asked: Asked,
  id: UserId,
  body: UpdateUserBody,
  ifVersion: number | undefined,
): Promise<Executed | "stale"> {
  const { organisationId, requestId } = asked.actor;
  const refusedAtOnce = (...refusal: Parameters<typeof refuse>): Executed => ({
    ok: true,
    replayed: false,
    reply: refused(refuse(...refusal), requestId).reply,
  });
  const eventId = deps.ids.next("event");
  const found = await readUser(deps.store, organisationId, id);
  if (found === undefined) return refusedAtOnce("not_found");
  if (found.erasedAt !== null || found.profile === null) return refusedAtOnce("user_erased");
  if (ifVersion !== undefined && ifVersion !== found.version)
    return refusedAtOnce("version_conflict", undefined, `The current version is ${found.version}.`);

  let fields: Pick<User, "profile" | "emailIndex" | "phoneIndex">;
  try {
    const before = await openProfile(deps.vault, organisationId, id, found.profile);
    const profile: Profile = { ...before, ...body, metadata: body.metadata === null ? {} : (body.metadata ?? before.metadata) };
    const refusal = checkProfile(profile, found.type, deps.clock.now());
    if (refusal !== undefined) return refusedAtOnce(refusal.code, refusal.param, refusal.detail);
    fields = await sealedFields(deps.vault, organisationId, id, profile);
  } catch (error) {
    // Erased since it was read; reading it again tells so.
    if (error instanceof DataKeyNotFoundError || error instanceof UserShreddedError) return "stale";
    throw error;
  }

  let stale = false;
  const executed = await deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    needs: [{ collection: users, key: { hash: id }, mode: "write" }],
    decide(view, at) {
      const work = workOn(view);
      const user = work.get(users, { hash: id });
      stale = user?.version !== found.version;
      if (user === undefined || stale) return refused(refuse("version_conflict"), requestId);
      const next = changedUser(user, fields, at);
      work.put(users, next);
      // The names of what changed and no values: the profile is personal.
      work.tell({ id: eventId, type: "user.updated", objectId: id, userId: id, details: { fields: Object.keys(body).sort() } });
      return work.outcome(keptReply(200, next));
    },
  });
  return stale && executed.ok ? "stale" : executed;
}
