import type { Clock } from "#kernel/clock.ts";
import type { FeedCursor, Item, Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import type { PublicEvent } from "./public-event.ts";
import { publicEventOf } from "./public-event.ts";
import type { Position } from "./position.ts";

/** An event on its way to streams, and the text that all streams of its organisation send. */
export interface Told {
  readonly event: PublicEvent;
  readonly position: Position;
  frame?: string;
}

export interface Listener {
  readonly organisationId: string;
  offer(told: Told): void;
}

/** Follows the feed once for all streams of this process that are up to date. */
export interface Tail {
  /** Tells a listener every event after `cursor`, from where it has read by itself. Close to the end only: see below. */
  join(listener: Listener, cursor: FeedCursor | undefined): void;
  leave(listener: Listener): void;
  /** This process has committed something. */
  wake(): void;
  /** Where it is; `undefined` while nobody listens. */
  readonly position: Position | undefined;
  /** Whether a listener has been told everything up to `position`: one that has only just joined has not. */
  follows(listener: Listener): boolean;
}

export const PAGE = 500;
const POLL_MS = 500;
/** After a commit of this process, ms: what is committed together is read together. */
const GATHER_MS = 15;
const FAULT_MS = 500;
/** Events remembered, to tell those again that were told already. */
const REMEMBERED = 5_000;

interface Live {
  /** Events told up to this number were told before it came. */
  readonly since: number;
}

/** The events of a page that clients are told, with their places. */
export function tellable(items: readonly Item[], cursor: FeedCursor | undefined): Told[] {
  const found: Told[] = [];
  for (const [index, item] of items.entries()) {
    const event = publicEventOf(item);
    if (event !== undefined) found.push({ event, position: { cursor, offset: index + 1 } });
  }
  return found;
}

/**
 * Cursors cannot be compared, so nobody can say whether a newcomer is ahead of the tail or behind it. Therefore the tail first
 * reads to the end of the feed, so that the others are told what the newcomer may have read before them, then goes to where the
 * newcomer is, and reads on from there: what the others were told already is remembered and left out for them. Should something be
 * forgotten by then it is told twice, never not at all.
 */
export function createTail(deps: { readonly store: Store; readonly clock: Clock; readonly onError: (error: unknown) => void }): Tail {
  const { store, clock, onError } = deps;
  const live = new Map<Listener, Live>();
  const byOrganisation = new Map<string, Set<Listener>>();
  const joining = new Map<Listener, FeedCursor | undefined>();
  const told = new Map<string, number>();
  let count = 0;
  let at: { cursor: FeedCursor | undefined } | undefined;
  let running = false;
  let signal = Promise.withResolvers<void>();

  /** Goes to where one of these newcomers is, and takes in all that are there. */
  const admit = (newcomers: ReadonlyMap<Listener, FeedCursor | undefined>): void => {
    const [first] = [...newcomers].filter(([listener]) => joining.has(listener));
    if (first === undefined) return;
    if (at === undefined || ![...joining.values()].includes(at.cursor)) at = { cursor: first[1] };
    for (const [listener, cursor] of joining) {
      if (cursor !== at.cursor) continue;
      joining.delete(listener);
      live.set(listener, { since: count });
      const list = byOrganisation.get(listener.organisationId) ?? new Set();
      byOrganisation.set(listener.organisationId, list.add(listener));
    }
  };

  const tell = (one: Told): void => {
    const { id, organisationId } = one.event;
    const before = told.get(id);
    for (const listener of byOrganisation.get(organisationId) ?? []) {
      const since = live.get(listener)?.since ?? 0;
      if (before === undefined || before <= since) listener.offer(one);
    }
    count += 1;
    told.delete(id);
    told.set(id, count);
    if (told.size <= REMEMBERED) return;
    for (const oldest of told.keys()) {
      told.delete(oldest);
      return;
    }
  };

  const run = async (): Promise<void> => {
    running = true;
    try {
      while (live.size > 0 || joining.size > 0) {
        if (live.size === 0) admit(joining);
        const cursor = at?.cursor;
        const newcomers = new Map(joining);
        const page = await store.feed(cursor, PAGE);
        for (const one of tellable(page.items, cursor)) tell(one);
        at = { cursor: page.cursor };
        if (page.items.length === PAGE) continue;
        // What they have read themselves was there before this page was: those who listen have been told it by now.
        admit(newcomers);
        if (newcomers.size > 0 || joining.size > 0) continue;
        await Promise.race([signal.promise.then(() => clock.sleep(GATHER_MS)), clock.sleep(POLL_MS)]);
        signal = Promise.withResolvers<void>();
      }
    } finally {
      running = false;
      // Whoever comes next begins where it is itself. After a fault the listeners are where the last page ended.
      if (live.size === 0 && joining.size === 0) {
        at = undefined;
        told.clear();
      }
    }
  };

  const begin = (): void => {
    if (running || (live.size === 0 && joining.size === 0)) return;
    run().catch(async (error: unknown) => {
      if (!(error instanceof StoreUnavailableError)) onError(error);
      await clock.sleep(FAULT_MS);
      begin();
    });
  };

  return {
    join(listener, cursor) {
      joining.set(listener, cursor);
      signal.resolve();
      begin();
    },
    leave(listener) {
      joining.delete(listener);
      live.delete(listener);
      const list = byOrganisation.get(listener.organisationId);
      list?.delete(listener);
      if (list?.size === 0) byOrganisation.delete(listener.organisationId);
    },
    wake: () => signal.resolve(),
    get position() {
      return live.size > 0 && at !== undefined ? { cursor: at.cursor, offset: 0 } : undefined;
    },
    follows: (listener) => live.has(listener),
  };
}
