import type { CommitQueue } from "#commit/index.ts";
import { workOn } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import { isGood } from "#kernel/clock.ts";
import type { Ids, WebhookEndpointId } from "#kernel/ids.ts";
import type { Random } from "#kernel/random.ts";
import type { Outbound } from "#outbound/index.ts";
import type { Store } from "#storage/index.ts";
import type { Vault } from "#vault/index.ts";
import type { DisabledReason, WebhookEndpoint } from "./endpoint.ts";
import { RESTING, webhookEndpoints, WORK } from "./endpoint.ts";
import { createHealth } from "./health.ts";
import type { Health } from "./health.ts";
import { createJournal } from "./journal.ts";
import type { Journal } from "./journal.ts";
import type { Lane, LaneDeps } from "./lane.ts";
import { createLane } from "./lane.ts";
import { createLeader } from "./leader.ts";
import { bySystem, purge } from "./purge.ts";
import type { PlaceOf } from "./repetition.ts";
import { createRouter } from "./router.ts";
import type { Router } from "./router.ts";
import { ENDPOINTS_TABLE } from "./secret.ts";

export interface WebhookWorkerDeps {
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
  readonly outbound: Outbound;
  /** Where an event is in the audit log: tells what the feed repeats after a long break. */
  readonly placeOf?: PlaceOf;
  /** Told what went wrong; it is tried again. */
  readonly onError: (error: unknown) => void;
}

export interface WebhookWorker {
  /** Does what can be done now. To be called several times a second; returns at once when it is at work. Never rejects. */
  work(): Promise<void>;
  /** This process has committed something. Cheap. */
  wake(): void;
  /** Begins nothing more, waits for what is under way, and lets another node take over. */
  stop(): Promise<void>;
}

/** How often a node that does not lead looks whether it could, ms. */
const LOOK_MS = 1_000;
/** How often the feed is looked at for what other nodes committed, ms. */
const POLL_MS = 500;
/** After a commit of this process: so long, ms, so that a busy node routes hundreds of events at once. */
const GATHER_MS = 50;
/** How often all endpoints are gone through: for backlog of before, and for what is past its time. */
const SURVEY_MS = 10_000;
const PURGE_MS = 3_600_000;
const STEPS_PER_WORK = 1_000;
/** Far below the time to a lease's renewal: while events come without a pause, routing must not keep the leader from renewing it. */
const ROUTE_MS = 500;
const ENDPOINTS_PER_PAGE = 200;
const MAX_PAGES = 1_000;
/** How long attempts under way are waited for, ms. Those that take longer are made again by whoever takes over. */
const STOP_MS = 3_000;

/** Bounds of the outbound client for webhooks: many endpoints at once, of which some hang until their time is up. */
export const webhookOutboundLimits = { totalMs: 10_000, inFlight: 4_096, inFlightPerHost: 256, responseBytes: 64 * 1024 } as const;

interface Term {
  readonly journal: Journal;
  readonly health: Health;
  readonly router: Router;
  readonly lanes: Map<WebhookEndpointId, Lane>;
  /** The lane of an endpoint, made where there is none. */
  readonly laneOf: (id: WebhookEndpointId) => Promise<Lane>;
  /** Endpoints that have more of what is past its time than one round takes away. */
  readonly behind: Set<WebhookEndpointId>;
}

/**
 * The worker part of webhooks: one node of all leads, routes events into the queues of endpoints and sends what is in them.
 * The others wait to take over. Everything it knows it can read again, so a kill at any point is only a pause.
 */
export function createWebhookWorker(deps: WebhookWorkerDeps): WebhookWorker {
  const { store, queue, clock, ids, onError } = deps;
  const leader = createLeader({ store, clock, name: ids.next("request") });
  let term: Term | undefined;
  let running: Promise<void> | undefined;
  let routing = false;
  let woken = false;
  let gathering = false;
  let lookAt = 0;
  let pollAt = 0;
  let surveyAt = 0;
  let purgeAt = 0;
  let stopped = false;

  const begin = (): Term => {
    const journal = createJournal({ store, clock, leader });
    const health = createHealth(store, journal, onError);
    const lanes = new Map<WebhookEndpointId, Lane>();
    const laneDeps: LaneDeps = { ...deps, journal, health, disable };
    const laneOf = async (id: WebhookEndpointId): Promise<Lane> => {
      const found = lanes.get(id);
      if (found !== undefined) return found;
      await health.load(id);
      const made = lanes.get(id) ?? createLane(laneDeps, id);
      lanes.set(id, made);
      return made;
    };
    const router = createRouter({
      ...deps,
      journal,
      onQueued: (id) => void laneOf(id).then((lane) => lane.wake(), onError),
      onChanged: (id) => void laneOf(id).then((lane) => lane.changed(), onError),
      hasten: async (endpointId, id) => (await laneOf(endpointId)).hasten(id),
    });
    return { journal, health, router, lanes, laneOf, behind: new Set() };
  };

  const end = (): void => {
    for (const lane of term?.lanes.values() ?? []) lane.stop();
    term = undefined;
  };

  const disable = async (endpoint: WebhookEndpoint, reason: DisabledReason): Promise<void> => {
    const { id, organisationId } = endpoint;
    const eventId = ids.next("event");
    const key = { hash: id };
    const executed = await queue.execute({
      actor: bySystem(organisationId),
      needs: [{ collection: webhookEndpoints, key, mode: "write" }],
      decide(view, at) {
        const work = workOn(view);
        const record = work.get(webhookEndpoints, key);
        const reply = { status: 204, body: "" };
        // Somebody was faster, or it was enabled anew or moved since.
        const isSame = record?.status === "enabled" && record.enabledAt === endpoint.enabledAt && record.url === endpoint.url;
        if (!isSame) return { reply, changes: [], events: [] };
        work.put(webhookEndpoints, { ...record, status: "disabled", disabledReason: reason, updatedAt: at, version: record.version + 1 });
        work.tell({ id: eventId, type: "webhook_endpoint.disabled", objectId: id, details: { reason } });
        return work.outcome(reply);
      },
    });
    if (!executed.ok) onError(new Error(`webhook endpoint ${id} was not disabled: ${executed.code}`));
  };

  /** Goes through all endpoints there is something to do for. */
  const survey = async (own: Term, now: number): Promise<void> => {
    const purging = !isGood(purgeAt, PURGE_MS, now);
    if (purging) purgeAt = now + PURGE_MS;
    await surveyThose(WORK, own, now, purging);
    if (purging || own.behind.size > 0) await surveyThose(RESTING, own, now, purging);
  };

  const surveyThose = async (those: typeof WORK | typeof RESTING, own: Term, now: number, purging: boolean): Promise<void> => {
    let cursor: string | undefined;
    for (let pages = 0; pages < MAX_PAGES && term === own && !stopped; pages++) {
      const page = await store.query({
        table: ENDPOINTS_TABLE,
        index: "WorkingWebhookEndpointsIndex",
        hash: those,
        order: "ascending",
        limit: ENDPOINTS_PER_PAGE,
        ...(cursor === undefined ? {} : { cursor }),
      });
      for (const item of page.items) {
        // There may be thousands, and each may take a second: nobody else is to take over meanwhile.
        if (stopped || leader.fence() === undefined || !(await leader.keep())) return;
        const endpoint = webhookEndpoints.fromItem(item);
        const isDeleted = endpoint.status === "deleted";
        const lane = own.lanes.get(endpoint.id);
        // It may not know yet, and begin something behind this.
        if (isDeleted) lane?.stop();
        // What a lane or the router has under way is written when it ends: behind that nothing would take it away any more.
        const isPurged = isDeleted ? !routing && lane?.busy !== true : purging || own.behind.has(endpoint.id);
        if (isPurged) {
          const isAll = await purge({ store, journal: own.journal }, endpoint, now);
          // A deleted one is looked at in every round.
          if (isAll || isDeleted) own.behind.delete(endpoint.id);
          else own.behind.add(endpoint.id);
        }
        if (endpoint.status !== "enabled" || own.lanes.has(endpoint.id)) continue;
        (await own.laneOf(endpoint.id)).wake();
      }
      cursor = page.cursor;
      if (cursor === undefined) return;
    }
  };

  const route = async (own: Term): Promise<void> => {
    if (routing) return;
    routing = true;
    try {
      const until = clock.now() + ROUTE_MS;
      for (let steps = 0; steps < STEPS_PER_WORK && clock.now() < until && term === own && !stopped; steps++) {
        woken = false;
        pollAt = clock.now() + POLL_MS;
        const step = await own.router.step();
        if (step === "none" && !woken) return;
        // While payments come without a pause, each is not looked for by itself: some are gathered first.
        if (step !== "more") await clock.sleep(GATHER_MS);
      }
    } finally {
      routing = false;
    }
  };

  const work = async (): Promise<void> => {
    const now = clock.now();
    try {
      if (term === undefined && isGood(lookAt, LOOK_MS, now)) return;
      lookAt = now + LOOK_MS;
      // What was lost is gone, also when this node wins it back: the next term begins with nothing in memory.
      if (leader.fence() === undefined) end();
      if (!(await leader.keep())) {
        end();
        return;
      }
      if (term === undefined) {
        term = begin();
        surveyAt = 0;
      }
      const own = term;
      if (woken || !isGood(pollAt, POLL_MS, now)) await route(own);
      if (!isGood(surveyAt, SURVEY_MS, now)) {
        surveyAt = now + SURVEY_MS;
        await survey(own, now);
      }
      for (const [id, lane] of own.lanes) {
        if (!lane.idle) lane.tick();
        else {
          lane.stop();
          own.lanes.delete(id);
          own.health.forget(id);
        }
      }
    } catch (error) {
      onError(error);
    }
    if (leader.fence() === undefined) end();
  };

  const begun = (): Promise<void> => {
    if (stopped) return running ?? Promise.resolve();
    running ??= work().finally(() => {
      running = undefined;
    });
    return running;
  };

  return {
    work: begun,
    wake() {
      woken = true;
      const own = term;
      if (gathering || routing || own === undefined || stopped) return;
      gathering = true;
      void clock.sleep(GATHER_MS).then(() => {
        gathering = false;
        if (term === own) route(own).catch(onError);
      });
    },
    async stop() {
      stopped = true;
      await running;
      const lanes = [...(term?.lanes.values() ?? [])];
      for (const lane of lanes) lane.stop();
      const until = clock.now() + STOP_MS;
      while (lanes.some((lane) => lane.busy) && clock.now() < until) await clock.sleep(10);
      end();
      await leader.resign();
    },
  };
}
