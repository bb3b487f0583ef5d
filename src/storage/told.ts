import type { JsonObject, JsonValue } from "#kernel/json.ts";
import type { Told } from "./collection.ts";
import type { Item } from "./port.ts";

/**
 * Tells of records kept under their ids the named members, as they are stored. Never one that holds personal data, a free text or a
 * secret, not even sealed: what is sealed anew is another text.
 */
export function toldMembers<T>(prefix: string, toItem: (record: T) => Item, names: readonly string[]): Told<T> {
  return {
    prefix,
    keyOf: (_organisationId, id) => ({ hash: id }),
    facts(record): JsonObject {
      const item = toItem(record);
      const facts: Record<string, JsonValue> = {};
      for (const name of names) facts[name] = item[name] ?? null;
      return facts;
    },
  };
}
