import type { Clock } from "#kernel/clock.ts";
import type { FeedCursor, Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { findEvent } from "./find.ts";
import type { LogReader } from "./log-reader.ts";

export interface AgeAlarmDeps {
  readonly store: Store;
  readonly reader: Pick<LogReader, "state">;
  readonly clock: Pick<Clock, "now">;
  /** How old an event may be that is not sealed, ms. */
  readonly limitMs: number;
  /** Told when it is exceeded: first at once, then every minute for as long as it is. */
  readonly onLate: (ageMs: number, first: boolean) => void;
  /** Told when it is not exceeded any more. */
  readonly onOver: () => void;
}

/** Tells when sealing is so far behind that events could be changed unnoticed for too long. */
export interface AgeAlarm {
  readonly late: boolean;
  /** Looks how old the oldest unsealed event is: two reads, and more where the feed repeats itself. At most one look at a time; never rejects. */
  look(): Promise<void>;
}

const AGAIN_MS = 60_000;
/** Pages of one look, and events of one: the next look goes on where it ended. */
const PAGES = 10;
const PAGE = 100;

export function createAgeAlarm({ store, reader, clock, limitMs, onLate, onOver }: AgeAlarmDeps): AgeAlarm {
  let lateSince: number | undefined;
  let toldAt = 0;
  let looking: Promise<void> | undefined;

  /** Where the oldest unsealed event was looked for last, for a log that was read up to `from`: before it is nothing that is not sealed. */
  let looked: { readonly from: FeedCursor | undefined; at: FeedCursor | undefined } | undefined;
  /** The event that waits, and since when this process has seen that: its own time may be ahead. */
  let waiting: { readonly id: string; since: number } | undefined;
  let unreadableSince: number | undefined;

  /** The oldest event that is not in the log. */
  const oldest = async (): Promise<{ readonly id: string; readonly at: number } | undefined> => {
    const state = await reader.state();
    if (looked === undefined || looked.from !== state?.cursor) looked = { from: state?.cursor, at: state?.cursor };
    for (let page = 0; page < PAGES; page++) {
      const { items, cursor } = await store.feed(looked.at, page === 0 ? 1 : PAGE);
      for (const item of items) {
        const id = String(item.event_id);
        const at = Date.parse(String(item.timestamp));
        // After a break a feed may tell again what was sealed long ago (docs/adr/0012).
        const old = waiting?.id === id || Number.isNaN(at) || clock.now() - at > limitMs;
        const sealed = old && state !== undefined && (await findEvent(store, id, state.size)) !== undefined;
        if (!sealed) return { id, at };
      }
      if (cursor === looked.at) return undefined;
      // What was gone through is sealed, or gone from the table.
      looked.at = cursor;
    }
    return undefined;
  };

  /** How long something has waited for being sealed, ms; 0 where nothing does. @throws StoreUnavailableError */
  const waited = async (): Promise<number> => {
    try {
      const found = await oldest();
      unreadableSince = undefined;
      const now = clock.now();
      if (found?.id !== waiting?.id) waiting = found === undefined ? undefined : { id: found.id, since: now };
      if (found === undefined || waiting === undefined) return 0;
      waiting.since = Math.min(waiting.since, now);
      return Math.max(Number.isNaN(found.at) ? 0 : now - found.at, now - waiting.since);
    } catch (error) {
      if (error instanceof StoreUnavailableError) throw error;
      // What is stored of the log is no log: whoever did that is not to be told of nowhere.
      const now = clock.now();
      unreadableSince = Math.min(unreadableSince ?? now, now);
      return now - unreadableSince;
    }
  };

  const look = async (): Promise<void> => {
    const age = await waited();
    const now = clock.now();
    if (age <= limitMs) {
      if (lateSince !== undefined) onOver();
      lateSince = undefined;
      return;
    }
    const first = lateSince === undefined;
    lateSince ??= now;
    if (!first && Math.abs(now - toldAt) < AGAIN_MS) return;
    toldAt = now;
    onLate(age, first);
  };

  return {
    get late() {
      return lateSince !== undefined;
    },
    look() {
      // While the store cannot be read nobody knows; that it cannot is told by everything else.
      looking ??= look()
        .catch(() => undefined)
        .finally(() => {
          looking = undefined;
        });
      return looking;
    },
  };
}
