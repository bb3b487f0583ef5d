import type { EventDraft } from "#audit/index.ts";
import type { Asked, CommitQueue, Executed } from "#commit/index.ts";
import { refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import type { PublicEventType } from "#events/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Ids, OrganisationId, WebhookEndpointId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Random } from "#kernel/random.ts";
import { checkTarget } from "#outbound/index.ts";
import type { Store } from "#storage/index.ts";
import type { Vault } from "#vault/index.ts";
import type { WebhookEndpoint } from "./endpoint.ts";
import { MAX_ENDPOINTS, presentEndpoint, readEndpoint, rosters, webhookEndpoints } from "./endpoint.ts";
import { mintSecret, openSecret, sealSecret } from "./secret.ts";

export interface EndpointDeps {
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
  /** Whether http and this very machine are allowed as targets. */
  readonly development: boolean;
}

export interface EndpointFields {
  readonly url?: string;
  readonly event_types?: readonly PublicEventType[] | null;
  readonly description?: string | null;
  readonly status?: "enabled" | "disabled";
}

/** The longest overlap of two secrets, seconds: a week. */
export const MAX_OVERLAP_SECONDS = 604_800;

type Details = NonNullable<EventDraft["details"]>;

/** Names are judged again when they are resolved, at each delivery: what they lead to may change. */
function refuseUrl(url: string | undefined, development: boolean): Refusal | undefined {
  if (url === undefined) return undefined;
  const target = checkTarget(url, { development });
  if (target.ok) return undefined;
  const rule = development
    ? "It must be http or https, to this machine or the public internet, without user and password."
    : "It must be https, on the public internet, on port 443 or above 1023, without user and password. For development a server that is not " +
      "live can be started with SMARTFINANCE_WEBHOOK_DEVELOPMENT=true, which allows http and the machine it runs on.";
  return refuse("url_not_allowed", "url", `${rule} The reason is ${target.reason}.`);
}

const typesOf = (types: readonly PublicEventType[] | null | undefined): readonly PublicEventType[] | null =>
  types === undefined || types === null ? null : [...new Set(types)].sort();

/** POST /v1/webhook-endpoints. The answer is the only place where the secret appears. */
export async function createEndpoint(deps: EndpointDeps, asked: Asked, body: EndpointFields & { readonly url: string }): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const bad = refuseUrl(body.url, deps.development);
  if (bad !== undefined) return refuseAtOnce(bad, requestId);
  const dataKey = await deps.vault.dataKey(organisationId);
  // Drawn when there is nothing to wait for any more: what has a later id counts as told after it was made.
  const id = deps.ids.next("webhookEndpoint");
  const eventId = deps.ids.next("event");
  const secret = mintSecret(deps.random);
  const sealed = sealSecret(deps.vault, dataKey, id, "secret", secret);
  const rosterKey = { hash: organisationId };
  const executed = await deps.queue.execute({
    actor: asked.actor,
    needs: [{ collection: rosters, key: rosterKey, mode: "write" }],
    decide(view, at) {
      const work = workOn(view);
      const roster = work.get(rosters, rosterKey) ?? { organisationId, endpoints: [], version: 0 };
      if (roster.endpoints.length >= MAX_ENDPOINTS)
        return refused(refuse("too_many_webhook_endpoints", undefined, `The most is ${MAX_ENDPOINTS}.`), requestId);
      const record: WebhookEndpoint = {
        id,
        organisationId,
        url: body.url,
        description: body.description ?? null,
        eventTypes: typesOf(body.event_types),
        status: "enabled",
        disabledReason: null,
        secret: sealed,
        previousSecret: null,
        previousSecretExpiresAt: null,
        enabledAt: at,
        createdAt: at,
        updatedAt: at,
        version: 1,
      };
      work.put(webhookEndpoints, record);
      work.put(rosters, { ...roster, endpoints: [...roster.endpoints, id], version: roster.version + 1 });
      work.tell({ id: eventId, type: "webhook_endpoint.created", objectId: id, details: detailsOf(record) });
      return work.outcome(replied(201, { ...presentEndpoint(record, at), secret: null }));
    },
  });
  return withSecret(executed, secret);
}

/** PATCH /v1/webhook-endpoints/{id}. What is absent stays. */
export async function updateEndpoint(
  deps: EndpointDeps,
  asked: Asked,
  id: WebhookEndpointId,
  body: EndpointFields,
  ifVersion: number | undefined,
): Promise<Executed> {
  const bad = refuseUrl(body.url, deps.development);
  if (bad !== undefined) return refuseAtOnce(bad, asked.actor.requestId);
  return onEndpoint(deps, asked, id, "webhook_endpoint.updated", (before, at) => {
    if (ifVersion !== undefined && ifVersion !== before.version)
      return refuse("version_conflict", undefined, `The current version is ${before.version}.`);
    const status = body.status ?? before.status;
    const changed = status !== before.status;
    const record: WebhookEndpoint = {
      ...before,
      url: body.url ?? before.url,
      eventTypes: body.event_types === undefined ? before.eventTypes : typesOf(body.event_types),
      description: body.description === undefined ? before.description : body.description,
      status,
      disabledReason: status === "enabled" ? null : changed ? "by_request" : before.disabledReason,
      enabledAt: changed && status === "enabled" ? at : before.enabledAt,
    };
    return { ok: true, record, details: { before: detailsOf(before), after: detailsOf(record) } };
  });
}

/** POST /v1/webhook-endpoints/{id}/rotate-secret. Both secrets sign until the overlap ends. */
export async function rotateSecret(
  deps: EndpointDeps,
  asked: Asked,
  id: WebhookEndpointId,
  { overlap_seconds: overlap }: { readonly overlap_seconds: number },
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const found = await readEndpoint(deps.store, organisationId, id);
  if (found === undefined) return refuseAtOnce(refuse("not_found"), requestId);
  const secret = mintSecret(deps.random);
  const dataKey = await deps.vault.dataKey(organisationId);
  const sealed = sealSecret(deps.vault, dataKey, id, "secret", secret);
  // Bound to its field, so that the former one has to be sealed anew for its new place. Found out before the decision, which
  // takes it only when the secret has not changed since.
  const former = await openSecret(deps.vault, organisationId, id, "secret", found.secret);
  const resealed = sealSecret(deps.vault, dataKey, id, "previous_secret", former);
  const executed = await onEndpoint(deps, asked, id, "webhook_endpoint.secret_rotated", (before, at) => {
    if (before.version !== found.version) return refuse("contention");
    const overlapping = before.previousSecretExpiresAt !== null && before.previousSecretExpiresAt > at;
    if (overlapping && overlap > 0) return refuse("rotation_overlapping");
    const previous = overlap === 0 ? null : resealed;
    const record = { ...before, secret: sealed, previousSecret: previous, previousSecretExpiresAt: previous && at + overlap * 1000 };
    return { ok: true, record, details: { overlap_seconds: overlap } };
  });
  return withSecret(executed, secret);
}

/** DELETE /v1/webhook-endpoints/{id}. Its deliveries are taken away in the background. */
export async function deleteEndpoint(deps: EndpointDeps, asked: Asked, id: WebhookEndpointId): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const eventId = deps.ids.next("event");
  const rosterKey = { hash: organisationId };
  if ((await readEndpoint(deps.store, organisationId, id)) === undefined) return refuseAtOnce(refuse("not_found"), requestId);
  return deps.queue.execute({
    actor: asked.actor,
    needs: [
      { collection: rosters, key: rosterKey, mode: "write" },
      { collection: webhookEndpoints, key: { hash: id }, mode: "write" },
    ],
    decide(view, at) {
      const work = workOn(view);
      const record = work.get(webhookEndpoints, { hash: id });
      const roster = work.get(rosters, rosterKey);
      if (record === undefined || record.status === "deleted" || roster === undefined) return refused(refuse("not_found"), requestId);
      const endpoints = roster.endpoints.filter((one) => one !== id);
      work.put(rosters, { ...roster, endpoints, version: roster.version + 1 });
      work.put(webhookEndpoints, { ...record, status: "deleted", updatedAt: at, version: record.version + 1 });
      work.tell({ id: eventId, type: "webhook_endpoint.deleted", objectId: id });
      return work.outcome(replied(200, { id, object: "webhook_endpoint", deleted: true }));
    },
  });
}

type Decision = { readonly ok: true; readonly record: WebhookEndpoint; readonly details: Details } | Refusal;

/** Runs one decision on one endpoint of the caller's organisation. */
async function onEndpoint(
  deps: EndpointDeps,
  asked: Asked,
  id: WebhookEndpointId,
  type: EventDraft["type"],
  decide: (before: WebhookEndpoint, at: number) => Decision,
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const eventId = deps.ids.next("event");
  if ((await readEndpoint(deps.store, organisationId, id)) === undefined) return refuseAtOnce(refuse("not_found"), requestId);
  return deps.queue.execute({
    actor: asked.actor,
    needs: [{ collection: webhookEndpoints, key: { hash: id }, mode: "write" }],
    decide(view, at) {
      const work = workOn(view);
      const before = work.get(webhookEndpoints, { hash: id });
      if (before === undefined || before.status === "deleted") return refused(refuse("not_found"), requestId);
      const decision = decide(before, at);
      if (!decision.ok) return refused(decision, requestId);
      const record = { ...decision.record, updatedAt: at, version: before.version + 1 };
      work.put(webhookEndpoints, record);
      work.tell({ id: eventId, type, objectId: id, details: decision.details });
      const shown = presentEndpoint(record, at);
      return work.outcome(replied(200, type === "webhook_endpoint.secret_rotated" ? { ...shown, secret: null } : shown));
    },
  });
}

/** All endpoints of an organisation, newest first: there are few. */
export async function listEndpoints(store: Store, organisationId: OrganisationId): Promise<readonly WebhookEndpoint[]> {
  const item = await store.get(rosters.table, { hash: organisationId });
  const ids = item === undefined ? [] : rosters.fromItem(item).endpoints;
  if (ids.length === 0) return [];
  const items = await store.getMany(ids.map((hash) => ({ table: webhookEndpoints.table, key: { hash } })));
  const found = items.flatMap((one) => (one === undefined ? [] : webhookEndpoints.fromItem(one)));
  return found.filter(({ status }) => status !== "deleted").toReversed();
}

/** What is told of an endpoint in the audit log. Paths and queries of URLs may hold secrets. */
function detailsOf({ url, eventTypes, status }: WebhookEndpoint): Details {
  return { origin: new URL(url).origin, event_types: eventTypes, status };
}

/** Puts the secret into the answer of a success. */
function withSecret(executed: Executed, secret: string): Executed {
  if (!executed.ok || executed.reply.status >= 300) return executed;
  const { reply } = executed;
  return { ...executed, reply: replied(reply.status, { ...(JSON.parse(reply.body) as object), secret }) };
}
