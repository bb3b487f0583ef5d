import type { PublicEventType } from "#events/index.ts";
import { invariant } from "#kernel/assert.ts";
import { toTimestamp } from "#kernel/clock.ts";
import { isId } from "#kernel/ids.ts";
import type { OrganisationId, WebhookEndpointId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Collection, Store, Versioned } from "#storage/index.ts";
import { ENDPOINTS_TABLE } from "./secret.ts";

/** The most endpoints of one organisation. */
export const MAX_ENDPOINTS = 20;
/** The hash value under which endpoints are found that there is something to do for. */
export const WORK = "work";
/** The same for those that are disabled: nothing but what is past its time. */
export const RESTING = "resting";

/** Why an endpoint is disabled: somebody asked for it, it answered 410, or it took nothing for days. */
export const disabledReasons = ["by_request", "gone", "failing"] as const;
export type DisabledReason = (typeof disabledReasons)[number];

export interface WebhookEndpoint extends Versioned {
  readonly id: WebhookEndpointId;
  readonly organisationId: OrganisationId;
  readonly url: string;
  readonly description: string | null;
  /** `null`: every type, those of the future too. */
  readonly eventTypes: readonly PublicEventType[] | null;
  /** `deleted` ones are shown to nobody; they wait for their deliveries to be taken away. */
  readonly status: "enabled" | "disabled" | "deleted";
  readonly disabledReason: DisabledReason | null;
  /** Sealed, bound to this record. */
  readonly secret: JsonObject;
  readonly previousSecret: JsonObject | null;
  /** Milliseconds since the epoch, as all times here. */
  readonly previousSecretExpiresAt: number | null;
  /** When it was enabled for the last time: what waited for a retry then is tried at once. */
  readonly enabledAt: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

interface StoredEndpoint {
  readonly id: WebhookEndpointId;
  readonly organisation_id: OrganisationId;
  readonly url: string;
  readonly description: string | null;
  readonly event_types: readonly PublicEventType[] | null;
  readonly status: WebhookEndpoint["status"];
  readonly disabled_reason: DisabledReason | null;
  readonly secret: JsonObject;
  readonly previous_secret: JsonObject | null;
  readonly previous_secret_expires_at: number | null;
  readonly enabled_at: number;
  readonly created_at: number;
  readonly updated_at: number;
  readonly version: number;
}

export const webhookEndpoints: Collection<WebhookEndpoint> = {
  table: ENDPOINTS_TABLE,
  keyOf: ({ id }) => ({ hash: id }),
  toItem: (e) => ({
    id: e.id,
    organisation_id: e.organisationId,
    work: e.status === "disabled" ? RESTING : WORK,
    url: e.url,
    description: e.description,
    event_types: e.eventTypes,
    status: e.status,
    disabled_reason: e.disabledReason,
    secret: e.secret,
    previous_secret: e.previousSecret,
    previous_secret_expires_at: e.previousSecretExpiresAt,
    enabled_at: e.enabledAt,
    created_at: e.createdAt,
    updated_at: e.updatedAt,
    version: e.version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredEndpoint;
    invariant(isId("webhookEndpoint", stored.id) && typeof stored.url === "string", "a stored webhook endpoint is malformed");
    return {
      id: stored.id,
      organisationId: stored.organisation_id,
      url: stored.url,
      description: stored.description,
      eventTypes: stored.event_types,
      status: stored.status,
      disabledReason: stored.disabled_reason,
      secret: stored.secret,
      previousSecret: stored.previous_secret,
      previousSecretExpiresAt: stored.previous_secret_expires_at,
      enabledAt: stored.enabled_at,
      createdAt: stored.created_at,
      updatedAt: stored.updated_at,
      version: stored.version,
    };
  },
};

/** Which endpoints an organisation has. One record, so that neither the limit nor the routing depends on an index. */
export interface Roster extends Versioned {
  readonly organisationId: OrganisationId;
  readonly endpoints: readonly WebhookEndpointId[];
}

export const rosters: Collection<Roster> = {
  table: ENDPOINTS_TABLE,
  keyOf: ({ organisationId }) => ({ hash: organisationId }),
  toItem: ({ organisationId, endpoints, version }) => ({ id: organisationId, endpoints, version }),
  fromItem: (item) => ({
    organisationId: item.id as OrganisationId,
    endpoints: item.endpoints as readonly WebhookEndpointId[],
    version: Number(item.version),
  }),
};

/** An endpoint of this organisation; another's, or a deleted one, reads like an unknown one. */
export async function readEndpoint(store: Store, organisationId: OrganisationId, id: string): Promise<WebhookEndpoint | undefined> {
  const item = await store.get(ENDPOINTS_TABLE, { hash: id });
  if (item === undefined || item.organisation_id !== organisationId || item.status === "deleted") return undefined;
  return webhookEndpoints.fromItem(item);
}

/** The endpoint as the API shows it. @param at milliseconds */
export function presentEndpoint(endpoint: WebhookEndpoint, at: number): JsonObject {
  const { previousSecretExpiresAt: until } = endpoint;
  return {
    id: endpoint.id,
    object: "webhook_endpoint",
    url: endpoint.url,
    description: endpoint.description,
    event_types: endpoint.eventTypes,
    status: endpoint.status,
    disabled_reason: endpoint.disabledReason,
    previous_secret_expires_at: until === null || until <= at ? null : toTimestamp(until),
    created_at: toTimestamp(endpoint.createdAt),
    updated_at: toTimestamp(endpoint.updatedAt),
    version: endpoint.version,
  };
}
