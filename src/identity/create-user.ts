import type { Asked, CommitQueue, Executed } from "#commit/index.ts";
import { replied, workOn } from "#commit/index.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { Ids, OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Store } from "#storage/index.ts";
import type { Sealed, Vault } from "#vault/index.ts";
import type { User } from "./user.ts";
import { users } from "./user.ts";

export interface IdentityDeps {
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly vault: Vault;
  readonly ids: Ids;
}

function binding(organisationId: OrganisationId, record: string) {
  return { organisation_id: organisationId, table: "smartfinance-users", record, field: "name" };
}

/** POST /v1/users. The name is personal data and is stored sealed. */
export async function createUser(deps: IdentityDeps, asked: Asked, body: { readonly name: string }): Promise<Executed> {
  const { organisationId } = asked.actor;
  const id = deps.ids.next("user");
  const eventId = deps.ids.next("event");
  const dataKey = await deps.vault.dataKey(organisationId);
  const name = { ...deps.vault.seal(dataKey, binding(organisationId, id), body.name) };
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    privateReply: true,
    needs: [],
    decide(view, at) {
      const user: User = { id, organisationId, name, accountCount: 0, createdAt: at, version: 1 };
      const work = workOn(view);
      work.put(users, user);
      work.tell({ id: eventId, type: "user.created", objectId: id, userId: id });
      return work.outcome(replied(201, present(user, body.name)));
    },
  });
}

/** The user as the API shows it. */
export async function presentUser(vault: Vault, user: User): Promise<JsonObject> {
  const sealed = user.name as unknown as Sealed;
  const dataKey = await vault.dataKeyById(user.organisationId, sealed.key_id);
  return present(user, vault.open(dataKey, binding(user.organisationId, user.id), sealed));
}

function present(user: User, name: string): JsonObject {
  return { id: user.id, object: "user", name, account_count: user.accountCount, created_at: toTimestamp(user.createdAt) };
}
