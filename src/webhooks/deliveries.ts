import type { Asked, CommitQueue, Executed } from "#commit/index.ts";
import { refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import type { Ids, OrganisationId, WebhookDeliveryId, WebhookEndpointId } from "#kernel/ids.ts";
import { isId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Item, Query, Store } from "#storage/index.ts";
import { DEAD_INDEX, DELIVERIES_TABLE, presentDelivery, QUEUE_TABLE } from "./delivery.ts";
import { readEndpoint, webhookEndpoints } from "./endpoint.ts";

export const deliveryStatuses = ["pending", "delivered", "dead"] as const;
export type DeliveryStatus = (typeof deliveryStatuses)[number];

export interface DeliveryPage {
  readonly ok: true;
  readonly items: readonly Item[];
  readonly next: string | undefined;
}

/**
 * Deliveries of an endpoint, newest first. The queue is read before the log, because a delivery goes from the one to the
 * other: it may be seen twice, and is shown once, but never not at all.
 * @param cursor the id of the last delivery of the page before
 */
export async function listDeliveries(
  store: Store,
  endpointId: WebhookEndpointId,
  asked: { readonly status: DeliveryStatus | undefined; readonly limit: number; readonly cursor: string | undefined },
): Promise<DeliveryPage | Refusal> {
  const { status, limit, cursor } = asked;
  if (cursor !== undefined && !isId("webhookDelivery", cursor)) return refuse("invalid_cursor", "cursor");
  const range = { ...(cursor === undefined ? {} : { to: cursor }), order: "descending" as const, limit: limit + 2 };
  const read = async (query: Pick<Query, "table" | "index">): Promise<readonly Item[]> =>
    (await store.query({ ...query, hash: endpointId, ...range })).items;
  const queued = status === undefined || status === "pending" ? await read({ table: QUEUE_TABLE }) : [];
  const ended =
    status === "pending"
      ? []
      : status === "dead"
        ? await read({ table: DELIVERIES_TABLE, index: DEAD_INDEX })
        : await read({ table: DELIVERIES_TABLE });
  const merged = new Map([...queued, ...ended].map((item) => [String(item.id), item]));
  merged.delete(cursor ?? "");
  const sorted = [...merged.values()].sort((a, b) => (String(a.id) < String(b.id) ? 1 : -1)).slice(0, limit + 1);
  const items = sorted.slice(0, limit);
  // A page of the delivered ones is cut from the log before the dead ones are left out of it: it may be short.
  const shown = status === "delivered" ? items.filter((item) => item.status === status) : items;
  return { ok: true, items: shown, next: sorted.length > limit ? String(items.at(-1)?.id) : undefined };
}

/** A delivery of an endpoint of this organisation, from the queue or from the log. */
export async function readDelivery(
  store: Store,
  organisationId: OrganisationId,
  endpointId: WebhookEndpointId,
  id: WebhookDeliveryId,
): Promise<Item | undefined> {
  const key = { hash: endpointId, range: id };
  const item = (await store.get(QUEUE_TABLE, key)) ?? (await store.get(DELIVERIES_TABLE, key));
  return item?.organisation_id === organisationId ? item : undefined;
}

/**
 * POST …/resend. Writes only that it was asked for: the worker meets that in the feed, and hastens the delivery or makes
 * another one of the same event. So nothing is lost between the two, whichever node works.
 */
export async function resendDelivery(
  deps: { readonly store: Store; readonly queue: CommitQueue; readonly ids: Ids },
  asked: Asked,
  endpointId: WebhookEndpointId,
  id: WebhookDeliveryId,
): Promise<Executed> {
  const { store, queue, ids } = deps;
  const { organisationId, requestId } = asked.actor;
  const eventId = ids.next("event");
  const missing: Executed = refuseAtOnce(refuse("not_found"), requestId);
  if ((await readEndpoint(store, organisationId, endpointId)) === undefined) return missing;
  const delivery = await readDelivery(store, organisationId, endpointId, id);
  if (delivery === undefined) return missing;
  const key = { hash: endpointId };
  return queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    needs: [{ collection: webhookEndpoints, key, mode: "read" }],
    decide(view) {
      const work = workOn(view);
      const endpoint = work.get(webhookEndpoints, key);
      if (endpoint === undefined || endpoint.status === "deleted") return refused(refuse("not_found"), requestId);
      if (endpoint.status === "disabled") return refused(refuse("webhook_endpoint_disabled"), requestId);
      work.tell({ id: eventId, type: "webhook_delivery.resent", objectId: id, details: { endpoint_id: endpointId } });
      return work.outcome(replied(202, presentDelivery(delivery)));
    },
  });
}
