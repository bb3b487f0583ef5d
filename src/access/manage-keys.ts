import type { Asked, CommitQueue, Executed } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import type { ApiKeyId, Ids } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import type { Random } from "#kernel/random.ts";
import type { Collection, Store } from "#storage/index.ts";
import type { ApiKeyRecord } from "./api-key.ts";
import { API_KEYS_TABLE, apiKeyFromItem, apiKeyToItem, presentApiKey } from "./api-key.ts";
import type { Authenticator } from "./authenticate.ts";
import { parseAllowlist } from "./ip-allowlist.ts";
import { issueApiKey } from "./issue-api-key.ts";
import type { Environment } from "./key-text.ts";
import { revokeApiKey } from "./revoke-api-key.ts";

export const apiKeys: Collection<ApiKeyRecord> = {
  table: API_KEYS_TABLE,
  keyOf: (key) => ({ hash: key.id }),
  toItem: apiKeyToItem,
  fromItem: apiKeyFromItem,
};

export interface AccessDeps {
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
  readonly authenticator: Authenticator;
}

export interface CreateKeyBody {
  readonly name: string;
  readonly rate_limit_per_minute?: number;
  readonly ip_allowlist?: readonly string[];
}

/**
 * POST /v1/api-keys. The answer is the only place the key's text ever appears: it is not stored, so a
 * repetition under the same Idempotency-Key cannot show it again and has `secret: null`.
 */
export async function createKey(deps: AccessDeps, asked: Asked, environment: Environment, body: CreateKeyBody): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const eventId = deps.ids.next("event");
  const allowlist = parseAllowlist(body.ip_allowlist ?? []);
  if (!allowlist.ok) return { ok: true, replayed: false, reply: refused(allowlist, requestId).reply };
  const { record, text } = issueApiKey(deps, {
    organisationId,
    name: body.name,
    environment,
    ipAllowlist: allowlist.entries,
    ...(body.rate_limit_per_minute === undefined ? {} : { rateLimitPerMinute: body.rate_limit_per_minute }),
  });
  const executed = await deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    needs: [],
    decide(view) {
      const work = workOn(view);
      work.put(apiKeys, record);
      work.tell({
        id: eventId,
        type: "api_key.created",
        objectId: record.id,
        details: { rate_limit_per_minute: record.rateLimitPerMinute, ip_allowlist: record.ipAllowlist },
      });
      return work.outcome(replied(201, { ...presentApiKey(record), secret: null }));
    },
  });
  if (!executed.ok || executed.replayed || executed.reply.status !== 201) return executed;
  return { ...executed, reply: replied(201, { ...presentApiKey(record), secret: text }) };
}

/** POST /v1/api-keys/{id}/revoke. */
export async function revokeKey(deps: AccessDeps, asked: Asked, id: ApiKeyId): Promise<Executed> {
  const { organisationId, requestId, apiKeyId } = asked.actor;
  const eventId = deps.ids.next("event");
  const found = await readKey(deps.store, asked.actor.organisationId, id);
  const executed = await deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    needs: found === undefined ? [] : [{ collection: apiKeys, key: { hash: id }, mode: "write" }],
    decide(view, at) {
      const work = workOn(view);
      const record = found === undefined ? undefined : work.get(apiKeys, { hash: id });
      if (record === undefined || record.organisationId !== organisationId) return refused(refuse("not_found"), requestId);
      invariant(apiKeyId !== null, "a request is made with a key");
      const decision = revokeApiKey(record, apiKeyId as ApiKeyId, at);
      if (!decision.ok) return refused(decision, requestId);
      work.put(apiKeys, decision.record);
      work.tell({ id: eventId, type: "api_key.revoked", objectId: id });
      return work.outcome(replied(200, { ...presentApiKey(decision.record) }));
    },
  });
  deps.authenticator.forget(id);
  return executed;
}

/** A key of this organisation; another's reads like an unknown one. */
export async function readKey(store: Store, organisationId: string, id: ApiKeyId): Promise<ApiKeyRecord | undefined> {
  const item = await store.get(API_KEYS_TABLE, { hash: id });
  return item === undefined || item.organisation_id !== organisationId ? undefined : apiKeyFromItem(item);
}
