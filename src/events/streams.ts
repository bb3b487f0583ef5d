import type { Clock } from "#kernel/clock.ts";
import { isGood } from "#kernel/clock.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { FeedCursor, Store } from "#storage/index.ts";
import { InvalidCursorError } from "#storage/index.ts";
import type { DataKey, Vault } from "#vault/index.ts";
import type { Position } from "./position.ts";
import { openPosition, sealPosition } from "./position.ts";
import { presentPublicEvent } from "./public-event.ts";
import type { PublicEventType } from "./public-types.ts";
import type { Listener, Told } from "./tail.ts";
import { createTail, PAGE, tellable } from "./tail.ts";

export interface StreamLimits {
  /** Streams of this process at once. */
  readonly total: number;
  /** Streams of one caller at once. */
  readonly perKey: number;
  /** Bytes written to a stream and not taken by its client yet, above which it is cut off. */
  readonly bufferBytes: number;
}

export const streamDefaults: StreamLimits = { total: 1_000, perKey: 10, bufferBytes: 256 * 1024 };

/** Where a stream is written to: an answer whose head is out. */
export interface Sink {
  write(text: string): unknown;
  end(): unknown;
  destroy(): unknown;
  on(event: "close" | "error", listener: () => void): unknown;
  readonly destroyed: boolean;
  /** Bytes written that the other side has not taken yet. */
  readonly writableLength: number;
}

/** Who listens. */
export interface Subscriber {
  readonly organisationId: OrganisationId;
  /** Under whom its streams are counted: `callerIdOf` its principal. */
  readonly callerId: string;
  /** `undefined`: every type. */
  readonly types: ReadonlySet<PublicEventType> | undefined;
  /** Whether its key may still listen, found out anew; `undefined` when that cannot be found out now. */
  readonly mayListen: () => Promise<boolean | undefined>;
}

/** Room for one stream, to be used or given up. */
export interface Reserved {
  readonly ok: true;
  start(response: Sink): void;
  giveUp(): void;
}

export interface Streams {
  /**
   * Makes room for a stream and finds out where it begins: behind `lastEventId`, or about now without one.
   * Throws what the store and the vault throw.
   */
  reserve(subscriber: Subscriber, lastEventId: string | undefined): Promise<Reserved | Refusal>;
  /** This process has committed something. */
  wake(): void;
  /** Streams open now. */
  readonly size: number;
  /** Ends every stream; their clients go on elsewhere with the id they have. */
  close(): void;
}

export interface StreamsDeps {
  readonly store: Store;
  readonly vault: Vault;
  readonly clock: Clock;
  /** A cursor close to the end of the feed, and not behind it. */
  readonly nearEnd: () => Promise<FeedCursor | undefined>;
  readonly limits?: Partial<StreamLimits>;
  readonly onError: (error: unknown) => void;
}

/** How often streams are looked after, ms. */
const ROUND_MS = 500;
const HEARTBEAT_MS = 15_000;
/** How often it is found out whether a key may still listen. With the round it stays below five seconds. */
const RECHECK_MS = 2_000;
/** How long nobody need know whether a key may still listen, ms. */
const UNKNOWN_MS = 4_000;
/** How long a client that catches up may take no bytes, ms. */
const STALLED_MS = 10_000;
/** A stream that begins about now is told nothing older than this, ms. */
const FRESH_MS = 5_000;
/** What a client waits before it comes again, ms; browsers heed it. */
const RETRY_MS = 2_000;

interface Stream extends Listener {
  readonly subscriber: Subscriber;
  readonly response: Sink;
  dataKey: DataKey;
  open: boolean;
  /** Milliseconds; what was committed before is not told, while it catches up. What comes behind that is new whatever its clock said. */
  notBefore: number;
  beatAt: number;
  checkAt: number;
  knownAt: number;
}

export function createStreams(deps: StreamsDeps): Streams {
  const { store, vault, clock, nearEnd, onError } = deps;
  const limits: StreamLimits = { ...streamDefaults, ...deps.limits };
  const tail = createTail({ store, clock, onError });
  const streams = new Set<Stream>();
  const perKey = new Map<string, number>();
  let reserved = 0;
  let caring = false;
  let closed = false;

  const release = (callerId: string): void => {
    reserved -= 1;
    const left = (perKey.get(callerId) ?? 1) - 1;
    if (left === 0) perKey.delete(callerId);
    else perKey.set(callerId, left);
  };

  const end = (stream: Stream, how: "end" | "cut"): void => {
    if (!stream.open) return;
    stream.open = false;
    streams.delete(stream);
    tail.leave(stream);
    release(stream.subscriber.callerId);
    if (how === "end") stream.response.end();
    else stream.response.destroy();
  };

  /** Who does not read must not fill our memory: it is cut off, and goes on where it was when it comes again. */
  const write = (stream: Stream, text: string): void => {
    if (!stream.open) return;
    stream.response.write(text);
    stream.beatAt = clock.now() + HEARTBEAT_MS;
    if (stream.response.writableLength > limits.bufferBytes) end(stream, "cut");
  };

  /**
   * Seals a place for a stream. Its key may have been rotated or blocked since it was looked at: that ends this stream and nobody else's,
   * and its client comes again with the id it has. @returns `undefined` where it has ended
   */
  const idOf = (stream: Stream, place: Position): string | undefined => {
    try {
      return sealPosition(vault, stream.dataKey, place);
    } catch (error) {
      onError(error);
      end(stream, "cut");
      return undefined;
    }
  };

  const send = (stream: Stream, told: Told): void => {
    const { types } = stream.subscriber;
    if (types !== undefined && !types.has(told.event.type)) return;
    if (stream.notBefore > 0 && Date.parse(told.event.createdAt) < stream.notBefore) return;
    if (told.frame === undefined) {
      const id = idOf(stream, told.position);
      if (id === undefined) return;
      told.frame = `id: ${id}\nevent: ${told.event.type}\ndata: ${JSON.stringify(presentPublicEvent(told.event))}\n\n`;
    }
    write(stream, told.frame);
  };

  /** Reads on for one stream alone until it is close to the end of the feed, at the pace of its client. */
  const catchUp = async (stream: Stream, from: FeedCursor | undefined): Promise<void> => {
    let cursor = from;
    // Ends with the stream, or with the feed.
    while (stream.open) {
      const page = await store.feed(cursor, PAGE);
      for (const told of tellable(page.items, cursor)) if (told.event.organisationId === stream.organisationId) send(stream, told);
      cursor = page.cursor;
      if (page.items.length < PAGE) {
        stream.notBefore = 0;
        // It may have ended while the page was read.
        if (stream.open) tail.join(stream, cursor);
        return;
      }
      await taken(stream);
    }
  };

  /** Waits until the client has taken most of what was written. */
  const taken = async (stream: Stream): Promise<void> => {
    const until = clock.now() + STALLED_MS;
    // A turn of the event loop in any case: one that catches up must not hold up requests.
    await clock.sleep(0);
    while (stream.open && stream.response.writableLength > limits.bufferBytes / 4) {
      if (!isGood(until, STALLED_MS, clock.now())) end(stream, "cut");
      await clock.sleep(10);
    }
  };

  const check = async (stream: Stream, now: number): Promise<void> => {
    const may = await stream.subscriber.mayListen().catch(() => undefined);
    if (may === true) {
      stream.knownAt = now;
      // The key that ids are sealed with may have been rotated.
      stream.dataKey = await vault.dataKey(stream.organisationId as OrganisationId).catch(() => stream.dataKey);
    } else if (may === false || !isGood(stream.knownAt + UNKNOWN_MS, UNKNOWN_MS, now)) end(stream, "cut");
  };

  /** Heartbeats, and keys that were revoked. Runs while there are streams. */
  const care = async (): Promise<void> => {
    caring = true;
    while (streams.size > 0) {
      const now = clock.now();
      const checks: Promise<void>[] = [];
      for (const stream of streams) {
        if (!isGood(stream.checkAt, RECHECK_MS, now)) {
          stream.checkAt = now + RECHECK_MS;
          checks.push(check(stream, now));
        }
        if (isGood(stream.beatAt, HEARTBEAT_MS, now)) continue;
        // With a place, so that who hears nothing of its types still comes again close to the end. One that is still catching up is behind it.
        const place = tail.follows(stream) ? tail.position : undefined;
        const id = place === undefined ? "" : idOf(stream, place);
        if (id !== undefined) write(stream, id === "" ? ": \n\n" : `: \nid: ${id}\n\n`);
      }
      await Promise.all(checks);
      await clock.sleep(ROUND_MS);
    }
    caring = false;
  };

  /** Where a stream begins; `undefined` for an id that is none of ours. */
  const beginning = async (
    organisationId: OrganisationId,
    lastEventId: string | undefined,
  ): Promise<{ cursor: FeedCursor | undefined } | undefined> => {
    if (lastEventId === undefined) return { cursor: (tail.position ?? { cursor: await nearEnd() }).cursor };
    const position = await openPosition(vault, organisationId, lastEventId);
    if (position === undefined) return undefined;
    try {
      return await behind(position);
    } catch (error) {
      if (error instanceof InvalidCursorError) return undefined;
      throw error;
    }
  };

  const behind = async ({ cursor, offset }: Position): Promise<{ cursor: FeedCursor | undefined }> =>
    offset === 0 ? { cursor } : { cursor: (await store.feed(cursor, offset)).cursor };

  return {
    async reserve(subscriber, lastEventId) {
      const { organisationId, callerId } = subscriber;
      if (closed) return refuse("shutting_down");
      const own = perKey.get(callerId) ?? 0;
      if (reserved >= limits.total || own >= limits.perKey)
        return refuse("too_many_streams", undefined, own >= limits.perKey ? `One key may have ${limits.perKey}.` : undefined);
      reserved += 1;
      perKey.set(callerId, own + 1);
      try {
        const dataKey = await vault.dataKey(organisationId);
        const begin = await beginning(organisationId, lastEventId);
        if (begin === undefined) {
          release(callerId);
          return refuse("invalid_cursor", "Last-Event-ID");
        }
        return {
          ok: true,
          start: (response) => start(subscriber, dataKey, begin.cursor, response, lastEventId === undefined),
          giveUp: () => release(callerId),
        };
      } catch (error) {
        release(callerId);
        throw error;
      }
    },
    wake: () => tail.wake(),
    get size() {
      return streams.size;
    },
    close() {
      closed = true;
      for (const stream of streams) end(stream, "end");
    },
  };

  function start(subscriber: Subscriber, dataKey: DataKey, cursor: FeedCursor | undefined, response: Sink, fresh: boolean): void {
    const now = clock.now();
    const stream: Stream = {
      organisationId: subscriber.organisationId,
      subscriber,
      response,
      dataKey,
      open: true,
      notBefore: fresh ? now - FRESH_MS : 0,
      beatAt: now + HEARTBEAT_MS,
      checkAt: now + RECHECK_MS,
      knownAt: now,
      offer: (told) => send(stream, told),
    };
    streams.add(stream);
    response.on("close", () => end(stream, "cut"));
    // An error of the socket ends in "close".
    response.on("error", () => undefined);
    if (closed || response.destroyed) {
      end(stream, "end");
      return;
    }
    // An id without data: who is cut off before the first event comes again to this very place.
    const id = idOf(stream, { cursor, offset: 0 });
    if (id === undefined) return;
    write(stream, `retry: ${RETRY_MS}\nid: ${id}\n\n`);
    catchUp(stream, cursor).catch((error: unknown) => {
      onError(error);
      end(stream, "cut");
    });
    if (!caring) care().catch(onError);
  }
}
