import type { EventType } from "#audit/index.ts";
import type { Collection, Item, Versioned } from "#storage/index.ts";

/**
 * Rows that lie in the table of a told collection beside its objects, and of which no event has to tell everything: what an operator
 * signs in with, whose an e-mail address is. Each belongs to something of which events do speak.
 */
export interface Companion {
  /** The key that a row has to have by its own members; `undefined` for a row that is no such companion. */
  readonly hashOf: (item: Item) => string | undefined;
  /** The id of what it belongs to. */
  readonly ownerOf: (item: Item) => string;
  /** Whether the row and the object it belongs to say the same of each other. */
  readonly agrees?: (item: Item, owner: Item) => boolean;
  /** Where it belongs to no object of the collection: the event that is told of the owner whenever such a row is written. */
  readonly toldBy?: EventType;
}

/** A companion for the list that a verifier is given. */
export function companion<T extends Versioned>(collection: Collection<T>, of: Omit<Companion, "hashOf">): Companion {
  return {
    ...of,
    hashOf(item) {
      try {
        return collection.keyOf(collection.fromItem(item)).hash;
      } catch {
        // A row that lacks members of this kind is one of another kind, or of none.
        return undefined;
      }
    },
  };
}

/** Which of the companions a row is: its own members and the key it lies under have to give the same key. */
export function companionAt(companions: readonly Companion[], hash: string, item: Item): Companion | undefined {
  return item.id === hash ? companions.find(({ hashOf }) => hashOf(item) === hash) : undefined;
}
