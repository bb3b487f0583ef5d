import type { BuiltEvent } from "#audit/index.ts";
import { buildEvent } from "#audit/index.ts";
import { InvariantError, invariant } from "#kernel/assert.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Collection, Item, Key, TableName, Versioned, Write } from "#storage/index.ts";
import { FEED_TABLE } from "#storage/index.ts";
import type { Command, Outcome, View } from "./command.ts";
import { IDEMPOTENCY_TABLE, keepReply } from "./idempotency.ts";
import { createKeyed } from "./keyed.ts";
import type { Loaded } from "./load-group.ts";

interface Slot {
  readonly table: TableName;
  readonly item: Item | undefined;
  /** The stored version this unit builds on; 0 when absent. */
  readonly base: number;
  /** The item is of a commit in flight. */
  readonly speculated: boolean;
  collection: Collection<Versioned> | undefined;
  record: Versioned | undefined;
  dirty: boolean;
}

/** What an event is reckoned with, bytes. A kept reply is reckoned twice: quoting or sealing makes it longer. */
const EVENT_BYTES = 3000;

/** The state one group of commands is decided over, and the writes that come of it. */
export interface Unit {
  readonly view: View;
  /** The stored item under a loaded key. */
  stored(table: TableName, key: Key): Item | undefined;
  /** How many writes applying this outcome would add. */
  cost(command: Command, outcome: Outcome): number;
  /** About how many bytes of JSON applying this outcome would add. */
  weight(command: Command, outcome: Outcome): number;
  apply(command: Command, outcome: Outcome, at: number, seal?: (body: string) => JsonObject): void;
  readonly size: number;
  writes(): Write[];
  events(): readonly BuiltEvent[];
}

/**
 * A unit over loaded items. Records are decoded once and encoded once, however many commands of the
 * group touch them, which is what makes one hot account as fast as many.
 */
export function createUnit(loaded: Loaded): Unit {
  const slots = createKeyed<Slot>();
  const appended: Write[] = [];
  const events: BuiltEvent[] = [];
  let size = 0;

  const slotOf = (table: TableName, key: Key): Slot | undefined => {
    const known = slots.get(table, key);
    if (known !== undefined) return known;
    const source = loaded.get(table, key);
    if (source === undefined) return undefined;
    const base = source.item === undefined ? 0 : Number(source.item.version);
    const { item, speculated } = source;
    const slot: Slot = { table, item, base, speculated, collection: undefined, record: undefined, dirty: false };
    slots.set(table, key, slot);
    return slot;
  };

  const view: View = {
    get<T extends Versioned>(collection: Collection<T>, key: Key): T | undefined {
      const slot = slotOf(collection.table, key);
      invariant(slot !== undefined, `record of ${collection.table} was not among the command's needs`);
      if (slot.record === undefined && slot.item !== undefined) {
        slot.record = collection.fromItem(slot.item);
        slot.collection = collection as unknown as Collection<Versioned>;
      }
      return slot.record as T | undefined;
    },
  };

  return {
    view,
    stored: (table, key) => loaded.get(table, key)?.item,
    cost(command, outcome) {
      let cost = outcome.events.length + (command.idempotency === undefined ? 0 : 1);
      for (const { collection, record } of outcome.changes) {
        const slot = slots.get(collection.table, collection.keyOf(record));
        if (slot === undefined || !slot.dirty) cost += 1;
      }
      return cost;
    },
    weight(command, outcome) {
      let weight =
        (command.idempotency === undefined ? 0 : 2 * Buffer.byteLength(outcome.reply.body)) + outcome.events.length * EVENT_BYTES;
      for (const { collection, record } of outcome.changes) weight += Buffer.byteLength(JSON.stringify(collection.toItem(record)));
      return weight;
    },
    apply(command, outcome, at, seal) {
      invariant(outcome.changes.length === 0 || outcome.events.length > 0, "a change without an audit event");
      for (const { collection, record } of outcome.changes) {
        const key = collection.keyOf(record);
        const slot = slotOf(collection.table, key);
        if (slot === undefined) {
          // Never loaded: a new record under a fresh id. It becomes visible to later commands of the group only by its id, which none knows yet.
          invariant(record.version === 1, "a record is replaced without having been loaded");
          appended.push({ op: "put", table: collection.table, item: collection.toItem(record), condition: "absent" });
          size += 1;
          continue;
        }
        const current = slot.record?.version ?? slot.base;
        if (record.version <= current)
          throw new InvariantError(`a record of ${slot.table} goes from version ${current} to ${record.version}`);
        if (!slot.dirty) size += 1;
        slot.dirty = true;
        slot.collection = collection;
        slot.record = record;
      }
      for (const draft of outcome.events) {
        const event = buildEvent(draft, command.actor, at);
        events.push(event);
        appended.push({ op: "put", table: FEED_TABLE, item: event.item, condition: "absent" });
        size += 1;
      }
      if (command.idempotency !== undefined) {
        const { organisationId } = command.actor;
        const stored = loaded.get(IDEMPOTENCY_TABLE, { hash: command.idempotency.id })?.item;
        appended.push(keepReply(organisationId, command.idempotency, outcome.reply, stored, at, seal, command.actor.requestId));
        size += 1;
      }
    },
    get size() {
      return size;
    },
    writes() {
      const writes = appended.slice();
      for (const slot of slots.values()) {
        if (slot.record === undefined || slot.collection === undefined) continue;
        if (!slot.dirty) {
          // Something was decided on what is not durable yet, be it a refusal: that must turn out true as well.
          if (slot.speculated) {
            writes.push({ op: "check", table: slot.table, key: slot.collection.keyOf(slot.record), condition: { version: slot.base } });
          }
          continue;
        }
        const condition = slot.base === 0 ? ("absent" as const) : { version: slot.base };
        writes.push({ op: "put", table: slot.table, item: slot.collection.toItem(slot.record), condition });
      }
      return writes;
    },
    events: () => events,
  };
}
