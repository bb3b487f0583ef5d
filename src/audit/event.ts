import { hash } from "node:crypto";
import { canonicalJson } from "#kernel/canonical-json.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { EventId, OrganisationId } from "#kernel/ids.ts";
import { partitionOf } from "#kernel/ids.ts";
import type { JsonObject, JsonValue } from "#kernel/json.ts";
import type { Minor } from "#kernel/money.ts";
import { minorToWire } from "#kernel/money.ts";
import type { Item } from "#storage/index.ts";
import type { EventType } from "./event-types.ts";

/** Who acted, and through what: the same for every event of one request. */
export interface Actor {
  readonly organisationId: OrganisationId;
  /** `null` for what an operator does, and for what the installation itself does (first start). */
  readonly apiKeyId: string | null;
  /** The operator who is signed in, where one acts. */
  readonly operatorId?: string | null;
  /** Whom the caller counts as wherever a second person is asked for, where that is another than `operatorId` and `apiKeyId` say. */
  readonly personId?: string | null;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly requestId: string | null;
}

/**
 * The person behind an actor, for everything that two persons have to do: the operator; of an API key the operator who owns it;
 * else the key itself. `null` for the installation.
 */
export function personOf(actor: Pick<Actor, "apiKeyId" | "operatorId" | "personId">): string | null {
  return actor.personId ?? actor.operatorId ?? actor.apiKeyId;
}

/** What happened, as a decision tells it. Amounts in minor units. */
export interface EventDraft {
  readonly id: EventId;
  readonly type: EventType;
  /** The id of the object that changed. */
  readonly objectId: string;
  readonly userId?: string | undefined;
  readonly transactionId?: string | undefined;
  readonly amount?: Minor | undefined;
  readonly currency?: string | undefined;
  /** The ledger entries of this change: the balances are a fold of these over all events. */
  readonly entries?: readonly { readonly accountId: string; readonly amount: Minor }[] | undefined;
  /** Further facts; never personal data, never a secret. */
  readonly details?: JsonObject | undefined;
}

/** What a change left of an object on which money or access depends: the facts that are others than before, `null` for those that are gone. */
export interface ObjectChange {
  readonly objectId: string;
  /** The object's version with this change. */
  readonly version: number;
  readonly set: JsonObject;
}

/** What the unit of writes adds to an event: nobody who tells one has to think of it. */
export interface EventObjects {
  /** The version that the object has after the change; absent where nothing of that id was written. */
  readonly version?: number | undefined;
  readonly changes?: readonly ObjectChange[] | undefined;
}

const NO_OBJECTS: EventObjects = {};

/** An event as it is stored, and the same as one line of canonical JSON for the audit log channel. */
export interface BuiltEvent {
  readonly item: Item;
  readonly line: string;
  /** The JSON text of `item`. */
  readonly text: string;
}

/**
 * Builds the stored event. Its `checksum` is the lower-case hex SHA-256 of the RFC 8785 canonical JSON
 * of all members except `checksum` itself and `partition` (which only says where it is kept).
 */
export function buildEvent(draft: EventDraft, actor: Actor, at: number, { version, changes }: EventObjects = NO_OBJECTS): BuiltEvent {
  // The members stand in the order RFC 8785 sorts them, so that the plain serialiser gives the canonical
  // text: the general one costs several times as much, on every transfer. A test holds the two together.
  // Details and changes, which few events have, may have names that an object does not keep in that order (numbers).
  const body = {
    amount: draft.amount === undefined ? null : minorToWire(draft.amount),
    api_key_id: actor.apiKeyId,
    ...(changes === undefined ? {} : { changes: JSON.parse(canonicalJson(changes.map(changeToItem))) as JsonValue }),
    currency: draft.currency ?? null,
    details: draft.details === undefined ? null : (JSON.parse(canonicalJson(draft.details)) as JsonValue),
    entries: draft.entries === undefined ? null : draft.entries.map((e) => ({ account_id: e.accountId, amount: minorToWire(e.amount) })),
    event_id: draft.id,
    event_type: draft.type,
    ip_address: actor.ip,
    object_id: draft.objectId,
    ...(typeof actor.operatorId === "string" ? { operator_id: actor.operatorId } : {}),
    organisation_id: actor.organisationId,
    request_id: actor.requestId,
    timestamp: toTimestamp(at),
    transaction_id: draft.transactionId ?? null,
    user_agent: actor.userAgent,
    user_id: draft.userId ?? null,
    ...(version === undefined ? {} : { version }),
  };
  const text = body.details === null && changes === undefined ? JSON.stringify(body) : canonicalJson(body);
  const checksum = hash("sha256", text);
  const line = `${text.slice(0, -1)},"checksum":"${checksum}"}`;
  const partition = partitionOf(actor.organisationId, draft.id);
  return { item: { ...body, checksum, partition }, line, text: `${line.slice(0, -1)},"partition":"${partition}"}` };
}

const changeToItem = ({ objectId, version, set }: ObjectChange): JsonObject => ({ object_id: objectId, set, version });

/** The checksum a stored event ought to have, by the general canonicaliser. */
export function checksumOf(item: Item): string {
  const { checksum: _checksum, partition: _partition, ...body } = item;
  return hash("sha256", canonicalJson(body));
}

/** The event as the API shows it. */
export function presentEvent(item: Item): JsonObject {
  const { partition: _partition, event_id, ...rest } = item;
  return { id: event_id, object: "event", event_id, ...rest };
}

/** When a stored event was committed, ms; 0 for one that tells no time, which only somebody else than this program has written. */
export function timeOf(event: Item): number {
  const at = typeof event.timestamp === "string" ? Date.parse(event.timestamp) : Number.NaN;
  return Number.isSafeInteger(at) ? at : 0;
}
