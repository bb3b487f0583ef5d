import type { OrganisationId } from "#kernel/ids.ts";
import type { Collection, Item, Key, Versioned } from "#storage/index.ts";
import { tableDefinition } from "#storage/index.ts";
import type { Binding } from "./seal.ts";

/**
 * Where sealed texts lie, told by the room that seals them: the re-encryption goes through these. A sealed text is an
 * attribute of the stored item, and is bound to the item's `id`, the table and the attribute's name. What expires by itself
 * (kept replies) is no place: the old key goes on opening it for its time.
 */
export interface SealedPlace {
  readonly collection: Collection<Versioned>;
  /** The attributes that hold a sealed text or `null`. */
  readonly fields: readonly string[];
  /** The index, or the primary key where absent, in which all items of an organisation are found … */
  readonly index?: string;
  /** … and under which hash values. */
  hashes(organisationId: OrganisationId): readonly string[];
}

/** Declares a place, keeping the collection's own type out of the list of places. */
export function sealedPlace<T extends Versioned>(
  place: Omit<SealedPlace, "collection"> & { readonly collection: Collection<T> },
): SealedPlace {
  // The collection only ever gets records that it made itself.
  return place as unknown as SealedPlace;
}

/** The primary key of a stored item. */
export function keyOfItem(collection: Pick<SealedPlace["collection"], "table">, item: Item): Key {
  const { hash, range } = tableDefinition(collection.table);
  return { hash: String(item[hash]), ...(range === undefined ? {} : { range: String(item[range]) }) };
}

/** What the sealed text in `field` of an item is bound to. */
export function bindingOf(place: SealedPlace, organisationId: OrganisationId, item: Item, field: string): Binding {
  return { organisation_id: organisationId, table: place.collection.table, record: String(item.id), field };
}
