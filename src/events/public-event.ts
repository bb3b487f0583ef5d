import type { OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Item } from "#storage/index.ts";
import type { PublicEventType } from "./public-types.ts";
import { isPublicEventType, publicType } from "./public-types.ts";

/** An event as clients are told it: which object, not what it is like now. Nothing personal, nothing secret. */
export interface PublicEvent {
  readonly id: string;
  readonly organisationId: OrganisationId;
  readonly type: PublicEventType;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly objectId: string;
  /** The version that the object had after it; absent where it has none, and in events from before they told it. */
  readonly version?: number | undefined;
}

/** The public side of a stored audit event; `undefined` for one that clients are not told. */
export function publicEventOf(item: Item): PublicEvent | undefined {
  const { event_type, event_id, organisation_id, timestamp, object_id, user_id, version } = item;
  if (!isPublicEventType(event_type)) return undefined;
  const ofFactors = publicType(event_type).of_factors === true;
  if (ofFactors && typeof user_id !== "string") return undefined;
  return {
    id: String(event_id),
    organisationId: organisation_id as OrganisationId,
    type: event_type,
    createdAt: String(timestamp),
    objectId: String(object_id),
    ...(typeof version === "number" && !ofFactors ? { version } : {}),
  };
}

/** The event as webhooks, stream and list show it. */
export function presentPublicEvent(event: PublicEvent): JsonObject {
  return {
    id: event.id,
    object: "event",
    type: event.type,
    created_at: event.createdAt,
    data: {
      object: event.objectId,
      object_type: publicType(event.type).object_type,
      ...(event.version === undefined ? {} : { version: event.version }),
    },
  };
}
