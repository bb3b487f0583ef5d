import type { PublicEvent, PublicEventType } from "#events/index.ts";
import { presentPublicEvent } from "#events/index.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { OrganisationId, WebhookDeliveryId, WebhookEndpointId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Item, Write } from "#storage/index.ts";

export const QUEUE_TABLE = "smartfinance-webhook-queue";
export const DELIVERIES_TABLE = "smartfinance-webhook-deliveries";
export const DEAD_INDEX = "DeadWebhookDeliveriesIndex";

/** How an attempt ended. */
export interface Attempt {
  /** Milliseconds since the epoch; when it ended. */
  readonly at: number;
  /** The status that was answered; `null` when nothing was. */
  readonly status: number | null;
  /** Why nothing counted as an answer, a reason of the outbound client; `null` when something did. */
  readonly failure: string | null;
  readonly latencyMs: number;
}

/** One event on its way to one endpoint. */
export interface Delivery {
  readonly id: WebhookDeliveryId;
  readonly endpointId: WebhookEndpointId;
  readonly event: PublicEvent;
  /** What it must not overtake: deliveries to the same endpoint that share one of these go one after the other. */
  readonly keys: readonly string[];
  /** Milliseconds since the epoch; when it was put into the queue. */
  readonly createdAt: number;
  readonly attempts: number;
  /** Not before this time, ms. */
  readonly nextAt: number;
  readonly last: Attempt | null;
  /** When its endpoint, at the last attempt, had been enabled. A name for that enabling: no clock says what was tried before one. */
  readonly enabling?: number;
  /** The ended delivery that this one repeats. */
  readonly resendOf: WebhookDeliveryId | null;
}

/** How a delivery ended: taken by the endpoint, or given up. */
export type Ending = "delivered" | "dead";

export function deliveryToItem(delivery: Delivery): Item {
  const { event, last } = delivery;
  return {
    endpoint_id: delivery.endpointId,
    id: delivery.id,
    organisation_id: event.organisationId,
    event_id: event.id,
    event_type: event.type,
    event_at: event.createdAt,
    object_id: event.objectId,
    ...(event.version === undefined ? {} : { object_version: event.version }),
    keys: delivery.keys,
    created_at: delivery.createdAt,
    attempts: delivery.attempts,
    next_at: delivery.nextAt,
    last: last === null ? null : { at: last.at, status: last.status, failure: last.failure, latency_ms: last.latencyMs },
    ...(delivery.enabling === undefined ? {} : { enabling: delivery.enabling }),
    resend_of: delivery.resendOf,
  };
}

interface StoredAttempt {
  readonly at: number;
  readonly status: number | null;
  readonly failure: string | null;
  readonly latency_ms: number;
}

export function deliveryFromItem(item: Item): Delivery {
  const last = item.last as unknown as StoredAttempt | null;
  return {
    id: item.id as WebhookDeliveryId,
    endpointId: item.endpoint_id as WebhookEndpointId,
    event: {
      id: String(item.event_id),
      organisationId: item.organisation_id as OrganisationId,
      type: item.event_type as PublicEventType,
      createdAt: String(item.event_at),
      objectId: String(item.object_id),
      ...(typeof item.object_version === "number" ? { version: item.object_version } : {}),
    },
    keys: (item.keys ?? []) as readonly string[],
    createdAt: Number(item.created_at),
    attempts: Number(item.attempts),
    nextAt: Number(item.next_at),
    last: last === null ? null : { at: last.at, status: last.status, failure: last.failure, latencyMs: last.latency_ms },
    ...(typeof item.enabling === "number" ? { enabling: item.enabling } : {}),
    resendOf: item.resend_of as WebhookDeliveryId | null,
  };
}

/** The body that is sent, the same bytes at every attempt. */
export function bodyOf({ event }: Delivery): string {
  return JSON.stringify(presentPublicEvent(event));
}

/** Puts a delivery into the queue, or its next attempt. */
export function enqueueWrite(delivery: Delivery): Write {
  return { op: "put", table: QUEUE_TABLE, item: deliveryToItem(delivery), condition: "none" };
}

/** Takes an ended delivery out of the queue and into the log, in one commit. Can be repeated. */
export function endWrites(delivery: Delivery, ending: Ending): Write[] {
  const { keys: _keys, next_at: _next, enabling: _enabling, ...kept } = deliveryToItem(delivery);
  const dead = ending === "dead" ? { dead_at: delivery.endpointId } : {};
  return [
    { op: "delete", table: QUEUE_TABLE, key: { hash: delivery.endpointId, range: delivery.id }, condition: "none" },
    { op: "put", table: DELIVERIES_TABLE, item: { ...kept, status: ending, ...dead }, condition: "none" },
  ];
}

/** A delivery as the API shows it, from the queue or from the log. */
export function presentDelivery(item: Item): JsonObject {
  const { id, endpointId, event, attempts, createdAt, nextAt, last, resendOf } = deliveryFromItem(item);
  const ended = typeof item.status === "string";
  return {
    id,
    object: "webhook_delivery",
    endpoint_id: endpointId,
    event_id: event.id,
    event_type: event.type,
    object_id: event.objectId,
    status: ended ? (item.status as string) : "pending",
    attempts,
    response_status: last?.status ?? null,
    failure: last?.failure ?? null,
    latency_ms: last?.latencyMs ?? null,
    last_attempt_at: last === null ? null : toTimestamp(last.at),
    next_attempt_at: ended || attempts === 0 ? null : toTimestamp(nextAt),
    resend_of: resendOf,
    created_at: toTimestamp(createdAt),
  };
}
