import { invariant } from "#kernel/assert.ts";
import { canonicalJson } from "#kernel/canonical-json.ts";
import type { JsonObject, JsonValue } from "#kernel/json.ts";
import type { Item } from "#storage/index.ts";
import { HASH_BYTES, sha256 } from "./hashing.ts";
import type { Hash } from "./hashing.ts";

/*
 * What a leaf commits to. The entry is SHA-256 of the RFC 8785 text of the event's members, so tiles and bundles show nothing
 * of it. Two members are personal data, the caller's address and its client software; they stand in the text as
 * `client_sha256`, the SHA-256 of 16 random bytes (the salt) and their own RFC 8785 text. While the salt is kept, anyone who
 * has the event can recompute the leaf. Once the two members and the salt are erased, and the hash is kept in the salt's
 * place, the leaf can still be recomputed, but nobody can find the address by trying all there are.
 */

/** What opens a leaf's hidden part: the salt (16 bytes), or the hash itself where the part was erased (32 bytes). */
export type Opening = Buffer;

export const SALT_BYTES = 16;

/** The members of an event that no leaf has in the clear. */
const HIDDEN = ["ip_address", "user_agent"] as const;
/** Members that say nothing of what happened: where the event is kept, a hash of the rest, what the API adds when it shows one. */
const BESIDE: ReadonlySet<string> = new Set([...HIDDEN, "partition", "checksum", "id", "object", "proof"]);

/** The hash that stands for the hidden members of an event. */
function clientHash(event: Item, opening: Opening): Hash {
  const { ip_address = null, user_agent = null } = event;
  if (opening.length === HASH_BYTES) {
    // The hash opens nothing: whoever shows an address beside it could show any.
    invariant(ip_address === null && user_agent === null, "an erased leaf has no address");
    return opening;
  }
  invariant(opening.length === SALT_BYTES, "a salt has 16 bytes");
  // Two members in their order, both text or null: the plain serialiser gives the RFC 8785 text.
  const text = JSON.stringify({ ip_address, user_agent });
  return sha256(Buffer.concat([opening, Buffer.from(text, "utf8")]));
}

/** What is kept in the salt's place when the hidden members of an event are erased. */
export function erasedOpening(event: Item, opening: Opening): Opening {
  return clientHash(event, opening);
}

/** The members that every stored event has: with these and no others the text is made without the general canonicaliser. */
const USUAL = 17;
/** Of those the ones that the text does not have in the clear. */
const UNSAID = [...HIDDEN, "checksum", "partition"] as const;
const STORED: ReadonlySet<string> = new Set([
  "amount",
  "api_key_id",
  "currency",
  "details",
  "entries",
  "event_id",
  "event_type",
  "object_id",
  "organisation_id",
  "request_id",
  "timestamp",
  "transaction_id",
  "user_id",
  ...UNSAID,
]);
/** Members that stand in an event only where there is something to say: the operator who acted, and what the event is told of objects. */
const OPTIONAL: Readonly<Record<string, (value: unknown) => boolean>> = {
  operator_id: (value) => typeof value === "string",
  version: (value) => typeof value === "number",
  changes: (value) => Array.isArray(value),
};
const SHOWN: ReadonlySet<string> = new Set([
  ...[...STORED].filter((name) => name !== "partition"),
  ...Object.keys(OPTIONAL),
  "id",
  "object",
  "proof",
]);

/** Whether a stored event has exactly the members that events have, so that its leaf says all of it. */
export function hasStoredMembers(event: Item): boolean {
  const names = Object.keys(event).filter((name) => !Object.hasOwn(OPTIONAL, name) || OPTIONAL[name]?.(event[name]) !== true);
  return names.length === USUAL && names.every((name) => STORED.has(name));
}

/** Whether an event as the API shows it has no members but those that events have. */
export function hasShownMembersOnly(event: Item): boolean {
  return Object.keys(event).every((name) => SHOWN.has(name));
}

/** The text that the leaf of an event commits to. */
export function leafText(event: Item, opening: Opening): string {
  const client_sha256 = clientHash(event, opening).toString("hex");
  return usualText(event, client_sha256) ?? generalText(event, client_sha256);
}

export function generalText(event: Item, client_sha256: string): string {
  const members: Record<string, JsonObject[string]> = { client_sha256 };
  for (const [name, value] of Object.entries(event)) {
    // Assigned, it would become the prototype and vanish from the text.
    invariant(name !== "__proto__", "an event has no such member");
    if (!BESIDE.has(name)) members[name] = value;
  }
  return canonicalJson(members);
}

/** The same for an event as nearly all are: its members named in the order RFC 8785 sorts them, at a tenth of the cost. */
export function usualText(event: Item, client_sha256: string): string | undefined {
  const { entries, details, version } = event;
  const versioned = Object.hasOwn(event, "version");
  if (details !== null || Object.keys(event).length !== (versioned ? USUAL + 1 : USUAL)) return undefined;
  // With the thirteen below, and the version, these are all: another member in the place of one of them takes the general way.
  for (const name of UNSAID) if (!Object.hasOwn(event, name)) return undefined;
  // Entries with more to say, or with something else in their place, take the general way.
  if (Array.isArray(entries) && !(entries as readonly JsonValue[]).every(isUsualEntry)) return undefined;
  const own = {
    amount: event.amount,
    api_key_id: event.api_key_id,
    client_sha256,
    currency: event.currency,
    details,
    entries: Array.isArray(entries)
      ? (entries as readonly JsonObject[]).map(({ account_id, amount }) => ({ account_id, amount }))
      : entries,
    event_id: event.event_id,
    event_type: event.event_type,
    object_id: event.object_id,
    organisation_id: event.organisation_id,
    request_id: event.request_id,
    timestamp: event.timestamp,
    transaction_id: event.transaction_id,
    user_id: event.user_id,
    ...(versioned ? { version } : {}),
  };
  // And so does a member that is not there.
  for (const value of Object.values(own)) if (value === undefined) return undefined;
  return JSON.stringify(own);
}

function isUsualEntry(entry: JsonValue): boolean {
  if (typeof entry !== "object" || entry === null) return false;
  const { account_id, amount } = entry as JsonObject;
  return Object.keys(entry).length === 2 && typeof account_id === "string" && typeof amount === "number";
}

/** The entry of the log that stands for an event: 32 bytes. */
export function entryOf(event: Item, opening: Opening): Hash {
  return sha256(leafText(event, opening));
}
