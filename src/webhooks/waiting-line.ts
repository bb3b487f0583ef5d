import type { Delivery } from "./delivery.ts";

/** Deliveries held in memory, of which each may be sent once nothing before it shares a key with it. */
export interface Entry {
  delivery: Delivery;
  /** How many of its keys another one is before it at. */
  waitsFor: number;
  sending: boolean;
}

/**
 * The part of an endpoint's queue that is in memory. Pure: it decides what may be sent, and knows nothing of stores and
 * sockets. Deliveries must be looked at in the order of the queue.
 */
export interface WaitingLine {
  /** Deliveries in memory. */
  readonly size: number;
  /** Deliveries passed over since `restart`, because they wait for their time or for one that does. */
  readonly passedOver: number;
  /** When the first of those comes due, ms; infinity when none waits. */
  readonly nextDue: number;
  has(id: string): boolean;
  /** Takes the next delivery of the queue into memory, or passes it over. @param dueAt when it may be sent, ms */
  look(delivery: Delivery, dueAt: number, now: number): void;
  /** The next one that may be sent; it counts as being sent from then on. */
  next(): Entry | undefined;
  /** Puts one back that could not be sent for reasons of our own. */
  putBack(entry: Entry): void;
  /** It has ended: what waited for it may go. */
  end(entry: Entry): void;
  /** It waits for a retry, and everything behind it that shares a key with it, or with one of those, leaves memory. */
  postpone(entry: Entry, dueAt: number): void;
  /** Forgets what was passed over: the queue is looked at from its beginning. What is in memory stays. */
  restart(): void;
}

export function createWaitingLine(): WaitingLine {
  const entries = new Map<string, Entry>();
  const lines = new Map<string, Entry[]>();
  const ready: Entry[] = [];
  let blocked = new Set<string>();
  let passedOver = 0;
  let nextDue = Number.POSITIVE_INFINITY;

  const passOver = (delivery: Delivery): void => {
    for (const key of delivery.keys) blocked.add(key);
    passedOver += 1;
  };

  /** Takes an entry out of memory; those behind it move up. */
  const leave = (entry: Entry): void => {
    entries.delete(entry.delivery.id);
    for (const key of entry.delivery.keys) {
      const line = lines.get(key) ?? [];
      const place = line.indexOf(entry);
      line.splice(place, 1);
      if (line.length === 0) lines.delete(key);
      const head = line[0];
      if (place !== 0 || head === undefined) continue;
      head.waitsFor -= 1;
      if (head.waitsFor === 0) ready.push(head);
    }
  };

  return {
    get size() {
      return entries.size;
    },
    get passedOver() {
      return passedOver;
    },
    get nextDue() {
      return nextDue;
    },
    has: (id) => entries.has(id),
    look(delivery, dueAt, now) {
      if (delivery.keys.some((key) => blocked.has(key))) {
        passOver(delivery);
        return;
      }
      if (dueAt > now) {
        passOver(delivery);
        nextDue = Math.min(nextDue, dueAt);
        return;
      }
      const entry: Entry = { delivery, waitsFor: 0, sending: false };
      entries.set(delivery.id, entry);
      for (const key of delivery.keys) {
        const line = lines.get(key);
        if (line === undefined) lines.set(key, [entry]);
        else {
          line.push(entry);
          entry.waitsFor += 1;
        }
      }
      if (entry.waitsFor === 0) ready.push(entry);
    },
    next() {
      const entry = ready.shift();
      if (entry !== undefined) entry.sending = true;
      return entry;
    },
    putBack(entry) {
      entry.sending = false;
      ready.push(entry);
    },
    end: leave,
    postpone(entry, dueAt) {
      nextDue = Math.min(nextDue, dueAt);
      const dropped: Entry[] = [entry];
      const held = new Set(entry.delivery.keys);
      let behind = false;
      for (const other of entries.values()) {
        if (other === entry) behind = true;
        else if (behind && !other.sending && other.delivery.keys.some((key) => held.has(key))) {
          dropped.push(other);
          for (const key of other.delivery.keys) held.add(key);
        }
      }
      // From the back, so that nobody moves up who is about to leave.
      for (const one of dropped.toReversed()) {
        leave(one);
        passOver(one.delivery);
      }
      for (let i = ready.length - 1; i >= 0; i--) {
        const one = ready[i];
        if (one !== undefined && dropped.includes(one)) ready.splice(i, 1);
      }
    },
    restart() {
      blocked = new Set();
      passedOver = 0;
      nextDue = Number.POSITIVE_INFINITY;
    },
  };
}
