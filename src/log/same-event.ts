import { canonicalJson } from "#kernel/canonical-json.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import { partitionOf } from "#kernel/ids.ts";
import type { Item } from "#storage/index.ts";
import { HASH_BYTES } from "./hashing.ts";
import { entryOf } from "./leaf.ts";
import type { SealedEntry } from "./rows.ts";

/** Whether two stored items say the same; their members may stand in another order. */
export function isSame(a: Item, b: Item): boolean {
  if (a === b || JSON.stringify(a) === JSON.stringify(b)) return true;
  try {
    return canonicalJson(a) === canonicalJson(b);
  } catch {
    return false;
  }
}

/** Whether an event that a feed tells again is the one that was sealed, in its own partition. Never throws. */
export function isSealedAs(event: Item, { organisationId, eventId, opening, entry }: SealedEntry): boolean {
  if (event.organisation_id !== organisationId || event.partition !== partitionOf(organisationId as OrganisationId, eventId)) return false;
  // A feed may tell it as it was before its address was erased.
  const told = opening.length === HASH_BYTES ? { ...event, ip_address: null, user_agent: null } : event;
  try {
    return entryOf(told, opening).equals(entry);
  } catch {
    return false;
  }
}
