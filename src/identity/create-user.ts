import type { Asked, Executed } from "#commit/index.ts";
import { refuseAtOnce, refused, workOn } from "#commit/index.ts";
import type { OrganisationId, UserId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import type { Metadata, Vault } from "#vault/index.ts";
import type { IdentityDeps } from "./deps.ts";
import { newUserStatusOf, organisations } from "./organisation.ts";
import { keptReply, showReply } from "./present-user.ts";
import type { Address, Profile } from "./profile.ts";
import { BLANK, checkProfile, indexesOf, sealProfile } from "./profile.ts";
import type { User, UserType } from "./user.ts";
import { newUser, users } from "./user.ts";

export interface CreateUserBody {
  readonly type?: UserType;
  readonly name: string;
  readonly email?: string;
  readonly phone?: string;
  readonly date_of_birth?: string;
  readonly address?: Address;
  readonly tax_id?: string;
  readonly registration_number?: string;
  readonly legal_form?: string;
  readonly reference?: string;
  readonly metadata?: Metadata;
}

/** A kept reply that runs out within this time counts as gone: no request lasts as long, so what is kept is there when it is wanted. */
const RUNS_OUT_MS = 120_000;

/**
 * POST /v1/users. Makes the user's own data key, which is durable before the user is, then the user. A key whose user was never
 * made (a crash in between) seals nothing and is told to nobody.
 */
export async function createUser(deps: IdentityDeps, asked: Asked, body: CreateUserBody): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const { type = "personal", ...personal } = body;
  const profile: Profile = { ...BLANK, ...personal };
  const refusal = checkProfile(profile, type, deps.clock.now());
  if (refusal !== undefined) return refuseAtOnce(refusal, requestId);
  const id = deps.ids.next("user");
  const eventId = deps.ids.next("event");
  // A repeated request is answered with what is kept. Without this look each repetition would make another key for nobody.
  const fields = (await isKept(deps, asked)) ? undefined : await sealedFields(deps.vault, organisationId, id, profile);
  const executed = await deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    needs: [{ collection: organisations, key: { hash: organisationId }, mode: "read" }],
    decide(view, at) {
      // The store may have this decided before it looks: the commit then meets the kept reply, and this is never answered.
      if (fields === undefined) return refused(refuse("contention"), requestId);
      const work = workOn(view);
      const status = newUserStatusOf(work.get(organisations, { hash: organisationId }));
      const user = newUser({ id, organisationId, type, status, ...fields }, at);
      work.put(users, user);
      work.tell({ id: eventId, type: "user.created", objectId: id, userId: id, details: { type, status } });
      return work.outcome(keptReply(201, user));
    },
  });
  return showReply(deps, organisationId, executed);
}

/** Everything of a user that needs the vault. */
export async function sealedFields(
  vault: Vault,
  organisationId: OrganisationId,
  id: UserId,
  profile: Profile,
): Promise<Pick<User, "profile" | "emailIndex" | "phoneIndex">> {
  const indexes = await indexesOf(vault, organisationId, profile);
  return { profile: sealProfile(vault, await vault.userKey(organisationId, id), id, profile), ...indexes };
}

async function isKept({ store, clock }: IdentityDeps, { idempotency }: Asked): Promise<boolean> {
  if (idempotency === undefined) return false;
  const kept = await store.get("smartfinance-idempotency", { hash: idempotency.id });
  return kept !== undefined && Number(kept.expires_at) * 1000 > clock.now() + RUNS_OUT_MS;
}
