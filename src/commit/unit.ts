import type { BuiltEvent } from "#audit/index.ts";
import { buildEvent } from "#audit/index.ts";
import { InvariantError, invariant } from "#kernel/assert.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Collection, Item, Key, TableName, Versioned, Write } from "#storage/index.ts";
import { FEED_TABLE } from "#storage/index.ts";
import type { Change, Command, IdempotencyClaim, Outcome, View } from "./command.ts";
import { checkKept, IDEMPOTENCY_TABLE, keepReply } from "./idempotency.ts";
import type { Loaded, Slot } from "./slot.ts";
import { baseOf } from "./slot.ts";
import type { Assumed } from "./speculation.ts";
import { tellObjects } from "./told.ts";

/** What an event is reckoned with, bytes. A kept reply is reckoned twice: quoting or sealing makes it longer. */
const EVENT_BYTES = 3000;
/** What a reply is reckoned with that is kept as a reference, bytes. */
const REFERENCE_BYTES = 500;

/** The state one group of commands is decided over, and the writes that come of it. */
export interface Unit {
  readonly view: View;
  /** The stored item under a loaded key. */
  stored(table: TableName, key: Key): Item | undefined;
  /** How many writes applying this outcome would add. */
  cost(command: Command, outcome: Outcome): number;
  /** About how many bytes of JSON applying this outcome would add. */
  weight(command: Command, outcome: Outcome): number;
  /** @param sealed the body of the reply, where it is kept sealed */
  apply(command: Command, outcome: Outcome, at: number, sealed: JsonObject | undefined): void;
  /** The writes so far. A function and no getter: objects with getters that are made anew get a hidden class each, which outlives them. */
  size(): number;
  /** The writes, and those records among them that others may know of. */
  writes(): { readonly writes: Write[]; readonly assumed: Assumed[] };
  events(): readonly BuiltEvent[];
}

/**
 * A unit over loaded items. Records are decoded once and encoded once, however many commands of the
 * group touch them, which is what makes one hot account as fast as many.
 */
export function createUnit(loaded: Loaded): Unit {
  const appended: Write[] = [];
  const events: BuiltEvent[] = [];
  let size = 0;

  /** Those that a command has looked at or changed. */
  const used = new Set<Slot>();
  const view: View = {
    get<T extends Versioned>(collection: Collection<T>, key: Key): T | undefined {
      const slot = loaded.get(collection.table, key);
      // The message is only built when it is needed: this runs several times for every transfer.
      if (slot === undefined) throw new InvariantError(`record of ${collection.table} was not among the command's needs`);
      used.add(slot);
      if (slot.record === undefined && slot.item !== undefined) {
        slot.record = collection.fromItem(slot.item);
        slot.collection = collection as unknown as Collection<Versioned>;
      }
      return slot.record as T | undefined;
    },
  };

  /** The record that a change replaces, as the commands before it have left it. */
  const before = ({ collection, record }: Change): Versioned | undefined => {
    if (record.version === 1) return undefined;
    const slot = loaded.get(collection.table, collection.keyOf(record));
    if (slot === undefined || slot.record !== undefined || slot.item === undefined) return slot?.record;
    return collection.fromItem(slot.item);
  };

  /** What is part of this very commit is kept with it. */
  const checkBefore = (id: string, claim: IdempotencyClaim, at: number): void => {
    if (appended.some((write) => write.op === "put" && write.table === IDEMPOTENCY_TABLE && write.item.id === id)) return;
    const check = checkKept(id, claim, loaded.get(IDEMPOTENCY_TABLE, { hash: id })?.item, at);
    if (check === undefined) return;
    appended.push(check);
    size += 1;
  };

  return {
    view,
    stored: (table, key) => loaded.get(table, key)?.item,
    cost(command, outcome) {
      let cost = outcome.events.length + (command.idempotency === undefined ? 0 : 1) + (command.after === undefined ? 0 : 1);
      for (const { collection, record } of outcome.changes) {
        const slot = loaded.get(collection.table, collection.keyOf(record));
        if (slot === undefined || !slot.dirty) cost += 1;
      }
      return cost;
    },
    weight(command, outcome) {
      const { shows, body } = outcome.reply;
      const kept = shows === undefined ? 2 * Buffer.byteLength(body) : REFERENCE_BYTES;
      let weight = (command.idempotency === undefined ? 0 : kept) + outcome.events.length * EVENT_BYTES;
      for (const { collection, record } of outcome.changes) weight += Buffer.byteLength(JSON.stringify(collection.toItem(record)));
      return weight;
    },
    apply(command, outcome, at, sealed) {
      invariant(outcome.changes.length === 0 || outcome.events.length > 0, "a change without an audit event");
      // Before the changes are put in their places, because it compares them with what was there.
      const objects = tellObjects(outcome.changes, outcome.events, before);
      for (const { collection, record } of outcome.changes) {
        const key = collection.keyOf(record);
        const slot = loaded.get(collection.table, key);
        if (slot === undefined) {
          // Never loaded: a new record under a fresh id. It becomes visible to later commands of the group only by its id, which none knows yet.
          invariant(record.version === 1, "a record is replaced without having been loaded");
          appended.push({ op: "put", table: collection.table, item: collection.toItem(record), condition: "absent" });
          size += 1;
          continue;
        }
        const current = slot.record?.version ?? baseOf(slot);
        if (record.version <= current)
          throw new InvariantError(`a record of ${slot.table} goes from version ${current} to ${record.version}`);
        if (!slot.dirty) size += 1;
        slot.dirty = true;
        used.add(slot);
        slot.collection = collection;
        slot.record = record;
      }
      for (const draft of outcome.events) {
        const event = buildEvent(draft, command.actor, at, { version: objects.versionOf(draft), changes: objects.changesOf(draft) });
        events.push(event);
        appended.push({ op: "put", table: FEED_TABLE, item: event.item, text: event.text, condition: "absent" });
        size += 1;
      }
      if (command.idempotency !== undefined) {
        const { organisationId } = command.actor;
        const stored = loaded.get(IDEMPOTENCY_TABLE, { hash: command.idempotency.id })?.item;
        if (command.after !== undefined) checkBefore(command.after, command.idempotency, at);
        appended.push(keepReply(organisationId, command.idempotency, outcome.reply, stored, at, sealed, command.actor.requestId));
        size += 1;
      }
    },
    size: () => size,
    writes() {
      const writes = appended.slice();
      const assumed: Assumed[] = [];
      for (const slot of used) {
        if (slot.record === undefined || slot.collection === undefined) continue;
        const base = baseOf(slot);
        if (!slot.dirty) {
          // Something was decided on what is not durable yet, be it a refusal: that must turn out true as well.
          if (slot.speculated) writes.push({ op: "check", table: slot.table, key: slot.key, condition: { version: base } });
          continue;
        }
        const item = slot.collection.toItem(slot.record);
        writes.push({ op: "put", table: slot.table, item, condition: base === 0 ? "absent" : { version: base } });
        assumed.push({ slot, item });
      }
      return { writes, assumed };
    },
    events: () => events,
  };
}
