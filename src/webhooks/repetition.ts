import type { Item } from "#storage/index.ts";

/**
 * Which leaf of the audit log an event is; `undefined` while it is not sealed. The log has every event once, in the order in which the
 * feed told it first.
 */
export type PlaceOf = (eventId: string) => Promise<number | undefined>;

/** Leaves out what a feed tells again after a long break (docs/adr/0012). One for each term of a router. */
export interface Repetition {
  /** To be asked before the feed is read. @returns whether it may be: after a break it has to be known first how far the routing had come */
  ready(now: number): Promise<boolean>;
  /** The ids of those events that were routed before. `newest`: the time of the newest event routed, ms */
  repeatedOf(items: readonly Item[], newest: number): Promise<ReadonlySet<string>>;
  /** These were gone through. */
  routed(items: readonly Item[], repeated: ReadonlySet<string>): void;
  /** The feed has nothing more. */
  caughtUp(now: number): void;
  /** What is kept in the store with the position. */
  kept(): { readonly last_event: string | null; readonly read_at: number; readonly routed_place: number | null };
}

/** A break after which a feed may repeat itself, ms: half of the time that DynamoDB keeps a stream. */
const BREAK_MS = 12 * 60 * 60 * 1000;
/**
 * How long a term that begins after a break waits for the log to have the last routed event, ms: sealing has only just begun as well. A
 * log that stands still does not hold up webhooks for ever.
 */
const PATIENCE_MS = 60_000;
/** Places asked for at once. */
const PLACES = 32;

/**
 * After a break everything that stands in the log at or before the event routed last was routed before: router and sealer read one
 * feed, in one order. Without the log, or where it does not have that event in time, repetitions come twice.
 * @param stored what `kept` gave, as it came back from the store
 */
export function createRepetition(placeOf: PlaceOf | undefined, stored: Item | undefined, now: number): Repetition {
  let lastEvent = typeof stored?.last_event === "string" ? stored.last_event : undefined;
  /** When the feed was last read on without a break. While it may repeat itself this stays, so that a kill changes nothing. */
  let readAt = typeof stored?.read_at === "number" ? stored.read_at : now;
  /** Up to where everything was routed, while the feed may repeat itself. */
  let place = typeof stored?.routed_place === "number" ? stored.routed_place : undefined;
  const waitUntil = now + PATIENCE_MS;
  /** A break in the middle of a term is one of the clock or of this process: the log went on or stood still just as this did. */
  let begun = false;
  let known = false;

  return {
    async ready(at) {
      if (known) return true;
      if (at - readAt < BREAK_MS || lastEvent === undefined || placeOf === undefined) {
        if (place === undefined) readAt = at;
        begun = true;
        return true;
      }
      const found = await placeOf(lastEvent);
      place = found ?? place;
      if (found === undefined && !begun && at < waitUntil) return false;
      known = true;
      return true;
    },
    async repeatedOf(items, newest) {
      const repeated = new Set<string>();
      const end = place;
      if (!known || end === undefined || placeOf === undefined) return repeated;
      // What is newer than the newest routed event cannot have been routed.
      const asked = items.filter((item) => Date.parse(String(item.timestamp)) <= newest).map((item) => String(item.event_id));
      for (let at = 0; at < asked.length; at += PLACES) {
        const ids = asked.slice(at, at + PLACES);
        const places = await Promise.all(ids.map((id) => placeOf(id)));
        for (const [n, found] of places.entries()) if (found !== undefined && found <= end) repeated.add(ids[n] ?? "");
      }
      return repeated;
    },
    routed(items, repeated) {
      // Of a repetition the last one is an older event: how far the routing had come stays true until something new is routed.
      const last = items.findLast((item) => !repeated.has(String(item.event_id)));
      if (last !== undefined) lastEvent = String(last.event_id);
    },
    caughtUp(at) {
      known = false;
      begun = true;
      place = undefined;
      readAt = at;
    },
    kept: () => ({ last_event: lastEvent ?? null, read_at: readAt, routed_place: place ?? null }),
  };
}
