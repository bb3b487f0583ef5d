import { publicEventOf } from "#events/index.ts";
import type { PublicEvent } from "#events/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import { isGood } from "#kernel/clock.ts";
import { createIds } from "#kernel/ids.ts";
import type { Ids, OrganisationId, WebhookDeliveryId, WebhookEndpointId } from "#kernel/ids.ts";
import type { Random } from "#kernel/random.ts";
import type { FeedCursor, Item, Store, Write } from "#storage/index.ts";
import type { Delivery } from "./delivery.ts";
import { DELIVERIES_TABLE, deliveryFromItem, enqueueWrite } from "./delivery.ts";
import type { WebhookEndpoint } from "./endpoint.ts";
import { MAX_ENDPOINTS, rosters, webhookEndpoints } from "./endpoint.ts";
import type { Journal } from "./journal.ts";
import { STATE_TABLE } from "./leader.ts";
import { orderKeys } from "./order-keys.ts";
import type { PlaceOf, Repetition } from "./repetition.ts";
import { createRepetition } from "./repetition.ts";
import { ENDPOINTS_TABLE } from "./secret.ts";

const ROUTER = { hash: "router" } as const;
/** Events looked at in one step: some milliseconds. */
const STEP = 500;
/** Where nothing is to be delivered, the position is written down this often, ms. */
const SAVE_EVERY_MS = 2_000;
/** An endpoint is not sent what happened before it was made. The clocks of two nodes may differ by this, ms. */
const CLOCK_SLACK_MS = 1_000;
/**
 * A feed may repeat everything after a long break (docs/adr/0012). What is so much older than the newest event routed, ms, has been
 * routed before: no event becomes known that late for the first time.
 */
const REPEATED_MS = 24 * 60 * 60 * 1000;
/** Records asked for at once. */
const READ_MAX = 1_000;

export interface RouterDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly journal: Journal;
  /** Where an event is in the audit log. Without it the feed's repetitions of a day come twice. */
  readonly placeOf?: PlaceOf | undefined;
  /** An endpoint has something new in its queue. */
  readonly onQueued: (endpointId: WebhookEndpointId) => void;
  /** An endpoint may have been enabled, disabled, deleted or changed: whoever works on it looks at it anew. */
  readonly onChanged: (endpointId: WebhookEndpointId) => void;
  /** Tries a delivery that waits for its turn at once. @returns whether it is waiting or under way */
  readonly hasten: (endpointId: WebhookEndpointId, id: WebhookDeliveryId) => Promise<boolean>;
}

export interface Router {
  /** Routes some events. @returns whether there are more, or there were `some`, or none; throws what the store throws */
  step(): Promise<"more" | "some" | "none">;
}

/**
 * Puts events into the queues of the endpoints that want them, in the order of the feed, and the new position with them in one
 * commit: a kill leaves both or neither. Made anew for each term, because it goes on from what is stored.
 */
export function createRouter(deps: RouterDeps): Router {
  const { store, clock, random, journal, placeOf, onQueued, onChanged, hasten } = deps;
  let cursor: FeedCursor | undefined;
  let lastId: string | null = null;
  let ids: Ids | undefined;
  let savedAt = 0;
  /** The time of the newest event routed, never beyond our own clock. */
  let newest = 0;
  let repetition: Repetition | undefined;

  const load = async (): Promise<Ids> => {
    const stored = await store.get(STATE_TABLE, ROUTER);
    cursor = typeof stored?.cursor === "string" ? stored.cursor : undefined;
    newest = typeof stored?.newest === "number" ? stored.newest : 0;
    repetition = createRepetition(placeOf, stored, clock.now());
    lastId = typeof stored?.last_id === "string" ? stored.last_id : null;
    // A queue is sent in the order of its ids, so they grow from term to term, whatever the clocks of the nodes say.
    const floor = lastId === null ? 0 : timeOf(lastId) + 1;
    return createIds({ now: () => Math.max(clock.now(), floor), sleep: (ms) => clock.sleep(ms) }, random);
  };

  return {
    async step() {
      ids ??= await load();
      const makeId = (): WebhookDeliveryId => (ids as Ids).next("webhookDelivery");
      invariant(repetition !== undefined, "what is stored has been read");
      if (!(await repetition.ready(clock.now()))) return "none";
      const page = await store.feed(cursor, STEP);
      if (page.items.length === 0) {
        if (cursor !== undefined && page.cursor !== cursor) {
          // Gone from the table. What lies behind them is not.
          cursor = page.cursor;
          return "more";
        }
        repetition.caughtUp(clock.now());
        return "none";
      }
      const repeated = await repetition.repeatedOf(page.items, newest);
      // An embedded feed repeats nothing. And a clock that was far ahead for a while must not make everything after it look old.
      const oldestNew = store.limits.ordered === true ? Number.NEGATIVE_INFINITY : Math.min(newest, clock.now()) - REPEATED_MS;
      const endpoints = await endpointsOf(store, page.items);
      const writes: Write[] = [];
      const queued = new Set<WebhookEndpointId>();
      const changed = new Set<WebhookEndpointId>();
      const room = journal.capacity - 1;
      let routed = 0;
      let resent = false;
      for (const item of page.items) {
        if (String(item.event_type).startsWith("webhook_endpoint.")) changed.add(item.object_id as WebhookEndpointId);
        const at = Date.parse(String(item.timestamp));
        if (at < oldestNew || repeated.has(String(item.event_id))) {
          routed += 1;
          continue;
        }
        newest = Math.max(newest, Math.min(at, clock.now()));
        const own = endpoints.get(String(item.organisation_id)) ?? [];
        const isResent = item.event_type === "webhook_delivery.resent";
        const deliveries = isResent ? await resends(item, own) : route(item, own);
        if (writes.length + deliveries.length > room) break;
        for (const delivery of deliveries) {
          const id = makeId();
          lastId = id;
          writes.push(enqueueWrite({ ...delivery, id }));
          queued.add(delivery.endpointId);
        }
        resent ||= isResent;
        routed += 1;
      }
      invariant(routed > 0, "the deliveries of one event do not fit a commit");
      const next = routed === page.items.length ? page.cursor : (await store.feed(cursor, routed)).cursor;
      repetition.routed(page.items.slice(0, routed), repeated);
      const now = clock.now();
      // What was hastened has ended by the time the same is met again: it would be sent once more.
      if (writes.length > 0 || resent || !isGood(savedAt + SAVE_EVERY_MS, SAVE_EVERY_MS, now)) {
        const state = { id: ROUTER.hash, cursor: next, last_id: lastId, newest, ...repetition.kept() };
        writes.push({ op: "put", table: STATE_TABLE, item: state, condition: "none" });
        if (!(await journal.write(writes))) return "none";
        savedAt = now;
      }
      cursor = next;
      for (const id of changed) onChanged(id);
      for (const id of queued) onQueued(id);
      return page.items.length >= STEP || routed < page.items.length ? "more" : "some";
    },
  };

  function route(item: Item, endpoints: readonly WebhookEndpoint[]): Omit<Delivery, "id">[] {
    const event = endpoints.length === 0 ? undefined : publicEventOf(item);
    if (event === undefined) return [];
    const wanting = endpoints.filter((endpoint) => wants(endpoint, event, clock.now()));
    if (wanting.length === 0) return [];
    const keys = orderKeys(item);
    return wanting.map(({ id }) => fresh(id, event, keys));
  }

  function fresh(endpointId: WebhookEndpointId, event: PublicEvent, keys: readonly string[]): Omit<Delivery, "id"> {
    return { endpointId, event, keys, createdAt: clock.now(), attempts: 0, nextAt: 0, last: null, resendOf: null };
  }

  /** What waits is hastened; what has ended is sent again, past everything that waits. */
  async function resends(item: Item, endpoints: readonly WebhookEndpoint[]): Promise<Omit<Delivery, "id">[]> {
    const id = String(item.object_id) as WebhookDeliveryId;
    const named = (item.details as { readonly endpoint_id?: unknown } | null)?.endpoint_id;
    const endpoint = endpoints.find((one) => one.id === named && one.status === "enabled");
    if (endpoint === undefined || (await hasten(endpoint.id, id))) return [];
    const ended = await store.get(DELIVERIES_TABLE, { hash: endpoint.id, range: id });
    return ended === undefined ? [] : [{ ...fresh(endpoint.id, deliveryFromItem(ended).event, []), resendOf: id }];
  }
}

function wants(endpoint: WebhookEndpoint, event: PublicEvent, now: number): boolean {
  if (endpoint.status !== "enabled") return false;
  if (endpoint.eventTypes !== null && !endpoint.eventTypes.includes(event.type)) return false;
  return !isBefore(event, endpoint, now);
}

/**
 * Whether something happened before an endpoint was made. Of what comes after a clock was set back the time says so as well. The ids of one
 * process never go back, though, and while our own clock is before the endpoint's time, times tell nothing.
 */
function isBefore(event: PublicEvent, endpoint: WebhookEndpoint, now: number): boolean {
  const from = endpoint.createdAt - CLOCK_SLACK_MS;
  return Date.parse(event.createdAt) < from && from <= now && event.id.slice(ID_PREFIX) < endpoint.id.slice(ID_PREFIX);
}

/** The endpoints of the organisations that these events belong to, as they are now. */
async function endpointsOf(store: Store, items: readonly Item[]): Promise<ReadonlyMap<string, readonly WebhookEndpoint[]>> {
  const organisations = [...new Set(items.map((item) => String(item.organisation_id)))] as OrganisationId[];
  const found = new Map<string, WebhookEndpoint[]>();
  const portion = Math.floor(READ_MAX / MAX_ENDPOINTS);
  for (let start = 0; start < organisations.length; start += portion) {
    const refs = organisations.slice(start, start + portion).map((hash) => ({ table: ENDPOINTS_TABLE, key: { hash } }) as const);
    const named = (await store.getMany(refs)).flatMap((item) => (item === undefined ? [] : rosters.fromItem(item).endpoints));
    if (named.length === 0) continue;
    for (const item of await store.getMany(named.map((hash) => ({ table: ENDPOINTS_TABLE, key: { hash } })))) {
      if (item === undefined) continue;
      const endpoint = webhookEndpoints.fromItem(item);
      const list = found.get(endpoint.organisationId) ?? [];
      list.push(endpoint);
      found.set(endpoint.organisationId, list);
    }
  }
  return found;
}

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/** What comes before the time in an id. */
const ID_PREFIX = 4;

/** The milliseconds in an id: its first ten characters after the prefix. */
export function timeOf(id: string): number {
  let time = 0;
  for (const character of id.slice(ID_PREFIX, 14)) time = time * 32 + ALPHABET.indexOf(character);
  return time;
}
