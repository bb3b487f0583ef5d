import type { EventDraft, ObjectChange } from "#audit/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { JsonObject, JsonValue } from "#kernel/json.ts";
import type { Versioned } from "#storage/index.ts";
import type { Change } from "./command.ts";

/** What the events of one command are told beside what it said itself. */
export interface ToldOfObjects {
  /** The version that the object of an event has now; `undefined` where the command has not written it. */
  versionOf(draft: EventDraft): number | undefined;
  /** The changes that go with an event. Each goes with one: that of its object, else with the first. */
  changesOf(draft: EventDraft): readonly ObjectChange[] | undefined;
}

/** Above this many changes a look at all of them for each event costs more than a map. */
const FEW = 12;

/**
 * What the events of a command are told of the records that it changes.
 * @param before the record as it was before this command; `undefined` where there was none
 */
export function tellObjects(
  changes: readonly Change[],
  events: readonly EventDraft[],
  before: (change: Change) => Versioned | undefined,
): ToldOfObjects {
  const versions = changes.length > FEW ? versionsById(changes) : undefined;
  const facts: ObjectChange[] = [];
  for (const change of changes) {
    const { collection, record } = change;
    const { told } = collection;
    if (told === undefined) continue;
    const old = before(change);
    if (old === undefined ? told.implied?.has(record) === true : told.isSame?.(old, record) === true) continue;
    const set = difference(old === undefined ? {} : told.facts(old), told.facts(record));
    if (set !== undefined) facts.push({ objectId: idOf(change), version: record.version, set });
  }
  // Nearly always nothing: a payment changes balances only, which its entries say.
  const byEvent = facts.length === 0 ? undefined : deal(facts, events);
  return {
    versionOf: ({ objectId }) => (versions === undefined ? versionAmong(changes, objectId) : versions.get(objectId)),
    changesOf: (draft) => byEvent?.get(draft),
  };
}

/** Deals the changes out to the events: a batch has hundreds, which one event could not hold. */
function deal(facts: readonly ObjectChange[], events: readonly EventDraft[]): Map<EventDraft, ObjectChange[]> {
  const about = new Map<string, EventDraft>();
  for (const event of events) if (!about.has(event.objectId)) about.set(event.objectId, event);
  const dealt = new Map<EventDraft, ObjectChange[]>();
  for (const change of facts) {
    const event = about.get(change.objectId) ?? relatedTo(change.set, about) ?? events[0];
    invariant(event, "a change has an event");
    const own = dealt.get(event);
    if (own === undefined) dealt.set(event, [change]);
    else own.push(change);
  }
  return dealt;
}

/** The event of what an object belongs to: a review to its transaction, funds set aside to what they are set aside for. */
function relatedTo(set: JsonObject, about: ReadonlyMap<string, EventDraft>): EventDraft | undefined {
  for (const [name, value] of Object.entries(set)) {
    const event = about.get(name === "transaction_id" ? String(value) : name.slice(name.indexOf(".") + 1));
    if (event !== undefined) return event;
  }
  return undefined;
}

/** The id by which an object is asked for: its own, else the last part of its key. */
function idOf({ collection, record }: Change): string {
  if ("id" in record && typeof record.id === "string") return record.id;
  const { hash, range } = collection.keyOf(record);
  return range ?? hash;
}

/** Whether the record is that object itself, and not one that is kept under the object's id beside it (what a payment waits for). */
function hasId({ record }: Change, id: string): boolean {
  return "id" in record && record.id === id;
}

/** What `versionAmong` says of every id. */
function versionsById(changes: readonly Change[]): ReadonlyMap<string, number> {
  const versions = new Map<string, number>();
  for (const own of [true, false]) {
    for (const change of changes) {
      const id = idOf(change);
      if (hasId(change, id) === own && !versions.has(id)) versions.set(id, change.record.version);
    }
  }
  return versions;
}

function versionAmong(changes: readonly Change[], objectId: string): number | undefined {
  let beside: number | undefined;
  for (const change of changes) {
    if (hasId(change, objectId)) return change.record.version;
    if (beside === undefined && idOf(change) === objectId) beside = change.record.version;
  }
  return beside;
}

/** The facts that are others than before, `null` for those that are gone; `undefined` where there are none. */
function difference(before: JsonObject, after: JsonObject): JsonObject | undefined {
  const set: Record<string, JsonValue> = {};
  let differs = false;
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const value = after[name] ?? null;
    if (JSON.stringify(before[name] ?? null) === JSON.stringify(value)) continue;
    set[name] = value;
    differs = true;
  }
  return differs ? set : undefined;
}
