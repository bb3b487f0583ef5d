import type { KeyObject } from "node:crypto";
import type { Clock } from "#kernel/clock.ts";
import { isGood } from "#kernel/clock.ts";
import type { WebhookDeliveryId, WebhookEndpointId } from "#kernel/ids.ts";
import type { Random } from "#kernel/random.ts";
import { unitInterval } from "#kernel/random.ts";
import type { Outbound } from "#outbound/index.ts";
import type { Store } from "#storage/index.ts";
import type { Vault } from "#vault/index.ts";
import { attemptDelivery, signingKeys } from "./attempt.ts";
import type { Delivery } from "./delivery.ts";
import { deliveryFromItem, endWrites, enqueueWrite, QUEUE_TABLE } from "./delivery.ts";
import type { DisabledReason, WebhookEndpoint } from "./endpoint.ts";
import { webhookEndpoints } from "./endpoint.ts";
import type { Health } from "./health.ts";
import type { Journal } from "./journal.ts";
import { delayAsked } from "./schedule.ts";
import { ENDPOINTS_TABLE } from "./secret.ts";
import type { Entry } from "./waiting-line.ts";
import { createWaitingLine } from "./waiting-line.ts";

/** Deliveries of one endpoint in memory, those under way and those whose end is being written included. */
const WINDOW = 1_000;
/** Deliveries passed over in one look through the queue. What lies behind them waits until those before it end. */
const MAX_PASSED_OVER = 5_000;
const PAGE = 200;
/** Deliveries under way at once to one endpoint that answers; one that does not gets one at a time. */
const MAX_SENDING = 64;
const FIRST_SENDING = 8;
/** How often an endpoint is read anew because it was changed meanwhile. */
const MAX_READS = 8;
/** How long what is known of an endpoint counts, ms: its URL, its secrets, whether it is disabled. */
const KNOWN_MS = 1_000;
/** How long to wait after something of our own went wrong, ms. */
const PAUSE_MS = 1_000;
/** How far the clocks of two nodes may differ, ms. An attempt that ended later than that was made before the clock was set back. */
const MAX_SKEW_MS = 60_000;

export interface LaneDeps {
  readonly store: Store;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly random: Random;
  readonly outbound: Outbound;
  readonly journal: Journal;
  readonly health: Health;
  readonly disable: (endpoint: WebhookEndpoint, reason: DisabledReason) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

/** The deliveries to one endpoint. Lanes share nothing, so a slow endpoint is slow for itself. */
export interface Lane {
  /** Something new is in the queue. */
  wake(): void;
  /** The endpoint may have been disabled, enabled again or changed: what is known of it counts no more. */
  changed(): void;
  /** Goes on with what is due. To be called several times a second. */
  tick(): void;
  hasten(id: WebhookDeliveryId): Promise<boolean>;
  /** There is nothing to do: nothing in the queue, or the endpoint is not enabled, or it was stopped. */
  readonly idle: boolean;
  /** Something is being sent, or its end written. */
  readonly busy: boolean;
  /** Begins nothing any more. */
  stop(): void;
}

interface Known {
  readonly endpoint: WebhookEndpoint | undefined;
  readonly keys: readonly KeyObject[];
  readonly until: number;
}

/** Drains one endpoint's queue. What is not in memory is in the store, and a kill loses nothing: a delivery leaves the queue with its end. */
export function createLane(deps: LaneDeps, endpointId: WebhookEndpointId): Lane {
  const { store, vault, clock, random, journal, health, onError } = deps;
  const line = createWaitingLine();
  /** What the store may not show yet: a delivery's next attempt, or `null` for its end. Kept until a look begins after it is durable. */
  const overlay = new Map<string, { readonly delivery: Delivery | null; durable: boolean }>();
  let position: string | undefined;
  let atEnd = false;
  let mustRestart = false;
  let looking = false;
  let sending = 0;
  let most = FIRST_SENDING;
  let known: Known | undefined;
  let changes = 0;
  let enabledAt: number | undefined;
  let pausedUntil = 0;
  let tickedAt = 0;
  let stopped = false;

  const isPaused = (): boolean => isGood(pausedUntil, PAUSE_MS, clock.now());

  /** The endpoint as it is, or was a moment ago. */
  const endpointNow = async (): Promise<Known> => {
    for (let reads = 1; ; reads++) {
      const now = clock.now();
      if (known !== undefined && isGood(known.until, KNOWN_MS, now)) return known;
      const asked = changes;
      const item = await store.get(ENDPOINTS_TABLE, { hash: endpointId });
      const endpoint = item === undefined ? undefined : webhookEndpoints.fromItem(item);
      const usable = endpoint?.status === "enabled";
      const keys = usable ? await signingKeys(vault, endpoint, now) : [];
      // What was read may be from before the change. Whoever changes it all the time gets what was read last, for a moment.
      if (asked !== changes && reads < MAX_READS) continue;
      // Enabled again: what waited for a retry is due now.
      if (usable && enabledAt !== endpoint.enabledAt) {
        mustRestart ||= enabledAt !== undefined;
        enabledAt = endpoint.enabledAt;
      }
      known = { endpoint: usable ? endpoint : undefined, keys, until: now + KNOWN_MS };
      return known;
    }
  };

  /** Whether an endpoint is somewhere else by now than where it was sent to. */
  const hasMoved = async (url: string): Promise<boolean> => {
    known = undefined;
    const { endpoint } = await endpointNow();
    return endpoint !== undefined && endpoint.url !== url;
  };

  const dueAt = ({ last, nextAt, enabling }: Delivery, { enabledAt: current }: WebhookEndpoint, now: number): number => {
    if (last === null) return nextAt;
    // An earlier version kept no name: by its time it may have been of another enabling. Once only, for this attempt is kept with one.
    const isOther = enabling === undefined ? last.at < current : enabling !== current;
    return isOther || last.at > now + MAX_SKEW_MS ? 0 : nextAt;
  };

  /** Reads on in the queue while there is room. */
  const look = async (endpoint: WebhookEndpoint): Promise<void> => {
    const due = line.nextDue <= clock.now();
    if (due || mustRestart) {
      mustRestart = false;
      line.restart();
      position = undefined;
      atEnd = false;
    }
    while (!atEnd && !stopped && line.size + overlay.size < WINDOW && line.passedOver < MAX_PASSED_OVER) {
      for (const [id, { durable }] of overlay) if (durable) overlay.delete(id);
      atEnd = true;
      const from = position === undefined ? {} : { from: position };
      const page = await store.query({ table: QUEUE_TABLE, hash: endpointId, ...from, order: "ascending", limit: PAGE });
      const now = clock.now();
      for (const item of page.items) {
        const id = String(item.id);
        if (id === position || line.has(id)) continue;
        const newer = overlay.get(id);
        if (newer?.delivery === null) continue;
        const delivery = newer?.delivery ?? deliveryFromItem(item);
        line.look(delivery, dueAt(delivery, endpoint, now), now);
      }
      const last = page.items.at(-1);
      if (last !== undefined) position = String(last.id);
      if (page.cursor !== undefined) atEnd = false;
      send();
    }
  };

  const pump = async (): Promise<void> => {
    if (looking || stopped || isPaused()) return;
    looking = true;
    try {
      const { endpoint } = await endpointNow();
      if (endpoint === undefined) return;
      await look(endpoint);
      send();
    } catch (error) {
      pausedUntil = clock.now() + PAUSE_MS;
      onError(error);
    } finally {
      looking = false;
      for (const [id, { durable }] of overlay) if (durable) overlay.delete(id);
    }
  };

  function send(): void {
    while (!stopped && sending < most && !isPaused()) {
      const entry = line.next();
      if (entry === undefined) return;
      sending += 1;
      deliver(entry)
        .catch((error: unknown) => {
          pausedUntil = clock.now() + PAUSE_MS;
          line.putBack(entry);
          onError(error);
        })
        .finally(() => {
          sending -= 1;
          send();
          if (line.size + overlay.size < WINDOW / 2 && !atEnd) void pump();
        });
    }
  }

  const deliver = async (entry: Entry): Promise<void> => {
    const { endpoint, keys } = await endpointNow();
    if (endpoint === undefined) {
      // Disabled meanwhile: it rests in the queue, and so does what must not overtake it should it be enabled again.
      line.postpone(entry, Number.POSITIVE_INFINITY);
      mustRestart = true;
      return;
    }
    const outcome = await attemptDelivery(deps, entry.delivery, endpoint.url, keys);
    if (outcome.kind === "not_sent") {
      line.putBack(entry);
      pausedUntil = clock.now() + PAUSE_MS / 10;
      return;
    }
    const { attempt } = outcome;
    const delivery: Delivery = { ...entry.delivery, attempts: entry.delivery.attempts + 1, last: attempt, enabling: endpoint.enabledAt };
    if (outcome.kind === "delivered") {
      most = Math.min(MAX_SENDING, most + 1);
      // Those behind it need not wait for the disk: after a kill all of them are sent again, in order.
      end(entry, delivery, "delivered");
      health.delivered(endpoint);
      return;
    }
    most = Math.max(1, Math.floor(most / 2));
    // What is gone is the place. Where another was named during the attempt, that one is tried.
    const isGone = outcome.kind === "gone" && !(await hasMoved(endpoint.url));
    const delay = isGone ? undefined : delayAsked(delivery.attempts, unitInterval(random), outcome.retryAfterMs);
    if (delay === undefined) end(entry, delivery, "dead");
    else {
      const later = { ...delivery, nextAt: attempt.at + delay };
      line.postpone(entry, later.nextAt);
      note(later.id, later, journal.write([enqueueWrite(later)]));
    }
    const reason = isGone ? "gone" : health.failed(endpoint, attempt.at) ? "failing" : undefined;
    if (reason !== undefined) {
      // Tried again with the next failure.
      await deps.disable(endpoint, reason).catch(onError);
      known = undefined;
    }
  };

  const end = (entry: Entry, delivery: Delivery, ending: "delivered" | "dead"): void => {
    line.end(entry);
    note(delivery.id, null, journal.write(endWrites(delivery, ending)));
  };

  const note = (id: string, delivery: Delivery | null, written: Promise<boolean>): void => {
    const noted = { delivery, durable: false };
    overlay.set(id, noted);
    written.then(
      () => {
        noted.durable = true;
        if (!looking && overlay.get(id) === noted) overlay.delete(id);
      },
      (error: unknown) => {
        // It stays in the queue as it was, and is looked at again.
        if (overlay.get(id) === noted) overlay.delete(id);
        mustRestart = true;
        onError(error);
      },
    );
  };

  return {
    wake() {
      atEnd = false;
      void pump();
    },
    changed() {
      changes += 1;
      known = undefined;
      atEnd = false;
      void pump();
    },
    tick() {
      const now = clock.now();
      // What waits for a time of before the clock was set back is looked at anew.
      if (now + MAX_SKEW_MS < tickedAt) mustRestart = true;
      tickedAt = now;
      const more = !atEnd && line.passedOver < MAX_PASSED_OVER;
      if (more || mustRestart || known === undefined || line.size > sending || line.nextDue <= now) void pump();
    },
    async hasten(id) {
      if (line.has(id)) return true;
      const waiting = overlay.get(id);
      if (waiting !== undefined && !waiting.durable) {
        // Its end or its next attempt is being written; either way it has just been tried.
        return waiting.delivery !== null;
      }
      const item = await store.get(QUEUE_TABLE, { hash: endpointId, range: id });
      if (item === undefined) return false;
      if (line.has(id) || overlay.has(id)) return true;
      const found = deliveryFromItem(item);
      if (!(await journal.write([enqueueWrite({ ...found, nextAt: Math.min(found.nextAt, clock.now()) })]))) return true;
      mustRestart = true;
      void pump();
      return true;
    },
    get idle() {
      if (looking || sending > 0 || overlay.size > 0) return false;
      // Of a disabled endpoint everything rests in the queue, and another lane takes it up.
      if (stopped || (known !== undefined && known.endpoint === undefined)) return true;
      return atEnd && !mustRestart && line.size === 0 && line.passedOver === 0;
    },
    get busy() {
      return sending > 0 || [...overlay.values()].some(({ durable }) => !durable);
    },
    stop() {
      stopped = true;
    },
  };
}
