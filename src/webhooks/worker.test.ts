import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { actorOf, newId, ORG, seededRandom, T0, testClock, testIds } from "#test/support/builders.ts";
import { buildEvent } from "#audit/index.ts";
import type { CommitQueue } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { OutboundAnswer, OutboundRefusal } from "#outbound/index.ts";
import type { Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { Vault } from "#vault/index.ts";
import { endWrites, enqueueWrite } from "./delivery.ts";
import { RESTING, rosters, webhookEndpoints } from "./endpoint.ts";
import { createLeader } from "./leader.ts";
import type { WebhookWorkerDeps } from "./worker.ts";
import { createWebhookWorker } from "./worker.ts";

const DAY = 24 * 3_600_000;

/** What routing an empty feed does not touch. */
const untouched = {} as Pick<WebhookWorkerDeps, "queue" | "vault" | "outbound">;

const vault = { dataKeyById: () => Promise.resolve(undefined), open: () => "whsec_c2VjcmV0" } as unknown as Vault;

/** An endpoint whose deliveries are to be taken away. */
const endpointItem = {
  url: "https://example.com/",
  description: null,
  event_types: null,
  status: "deleted",
  work: "work",
  disabled_reason: null,
  secret: {},
  previous_secret: null,
  previous_secret_expires_at: null,
  enabled_at: T0,
  created_at: T0,
  updated_at: T0,
  version: 2,
};

const delivered: OutboundAnswer = { ok: true, status: 200, headers: {}, body: Buffer.alloc(0) };

/** An endpoint with a delivery in its queue, and what is left of both. */
async function sending(request: () => Promise<OutboundAnswer | OutboundRefusal>) {
  const clock = testClock();
  const store = openMemoryStore(createMemoryDatabase(), { clock });
  const ids = testIds(6);
  const id = ids.next("webhookEndpoint");
  const organisationId = ids.next("organisation");
  const put = (status: string): Promise<unknown> => {
    const item = { ...endpointItem, id, organisation_id: organisationId, status };
    return store.commit([{ op: "put", table: "smartfinance-webhook-endpoints", item, condition: "none" }]);
  };
  await put("enabled");
  const event = {
    id: ids.next("event"),
    organisationId,
    type: "deposit.posted",
    createdAt: "",
    objectId: ids.next("transaction"),
  } as const;
  const times = { createdAt: T0, attempts: 0, nextAt: 0, last: null, resendOf: null };
  await store.commit([enqueueWrite({ id: ids.next("webhookDelivery"), endpointId: id, event, keys: [], ...times })]);
  const worker = createWebhookWorker({
    store,
    clock,
    ids,
    random: seededRandom(6),
    queue: {} as CommitQueue,
    vault,
    outbound: { request, close: () => undefined },
    onError: (error) => assert.fail(String(error)),
  });
  const left = async (): Promise<number> => {
    const tables = ["smartfinance-webhook-queue", "smartfinance-webhook-deliveries"] as const;
    const found = await Promise.all(tables.map((table) => store.query({ table, hash: id, order: "ascending", limit: 10 })));
    const endpoint = await store.get("smartfinance-webhook-endpoints", { hash: id });
    return found.reduce((sum, { items }) => sum + items.length, endpoint === undefined ? 0 : 1);
  };
  /** Works, so much later, until nothing is under way that need not be waited for. */
  const workAfter = async (ms: number): Promise<void> => {
    clock.time += ms;
    await worker.work();
    for (let turns = 0; turns < 50; turns++) await turn();
  };
  return { worker, put, left, workAfter };
}

void describe("the webhook worker", () => {
  void it("keeps its lease while events come without a pause", async () => {
    let now = T0;
    const clock: Clock = {
      now: () => now,
      // Time passes only here.
      sleep: async (ms) => {
        now += ms;
      },
    };
    const inner = openMemoryStore(createMemoryDatabase(), { clock });
    const store: Store = {
      ...inner,
      feed(cursor, limit) {
        // Something is committed whenever the worker looks.
        worker.wake();
        return inner.feed(cursor, limit);
      },
    };
    const fail = (error: unknown): never => assert.fail(String(error));
    const worker = createWebhookWorker({ ...untouched, store, clock, ids: testIds(3), random: seededRandom(3), onError: fail });
    for (let round = 0; round < 60; round++) {
      const before = now;
      worker.wake();
      await worker.work();
      assert.ok(now - before <= 1_000, `routing went on for ${now - before} ms, and the lease was not renewed`);
      const lease = await store.get("smartfinance-webhook-state", { hash: "lease" });
      assert.ok(Number(lease?.["until"]) > now, "the lease ran out");
      now += 100;
    }
    const term = await store.get("smartfinance-webhook-state", { hash: "term" });
    assert.equal(term?.["version"], 1, "the leader lost its term and took it again");
  });

  void it("keeps its lease while it takes away what many endpoints have left", async () => {
    let now = T0;
    const clock: Clock = { now: () => now, sleep: async (ms) => void (now += ms) };
    const inner = openMemoryStore(createMemoryDatabase(), { clock });
    const ids = testIds(4);
    for (let n = 0; n < 30; n++) {
      const item = { ...endpointItem, id: ids.next("webhookEndpoint"), organisation_id: ids.next("organisation") };
      await inner.commit([{ op: "put", table: "smartfinance-webhook-endpoints", item, condition: "absent" }]);
    }
    let ranOut = 0;
    const store: Store = {
      ...inner,
      async query(query) {
        now += 500;
        const lease = await inner.get("smartfinance-webhook-state", { hash: "lease" });
        if (Number(lease?.["until"]) <= now) ranOut += 1;
        return inner.query(query);
      },
    };
    const fail = (error: unknown): never => assert.fail(String(error));
    const worker = createWebhookWorker({ ...untouched, store, clock, ids, random: seededRandom(4), onError: fail });
    await worker.work();
    assert.ok(now - T0 > 20_000);
    assert.equal(ranOut, 0, "another node could have taken over");
    await worker.stop();
  });

  void it("does not take away what many endpoints have left before it stops", async () => {
    const clock: Clock = { now: () => T0, sleep: () => Promise.resolve() };
    const inner = openMemoryStore(createMemoryDatabase(), { clock });
    const ids = testIds(7);
    for (let n = 0; n < 30; n++) {
      const item = { ...endpointItem, id: ids.next("webhookEndpoint"), organisation_id: ids.next("organisation") };
      await inner.commit([{ op: "put", table: "smartfinance-webhook-endpoints", item, condition: "absent" }]);
    }
    let stopped: Promise<void> | undefined;
    let looks = 0;
    const store: Store = {
      ...inner,
      query(query) {
        if (query.table !== "smartfinance-webhook-endpoints") looks += 1;
        if (looks === 1) stopped ??= worker.stop();
        return inner.query(query);
      },
    };
    const fail = (error: unknown): never => assert.fail(String(error));
    const worker = createWebhookWorker({ ...untouched, store, clock, ids, random: seededRandom(7), onError: fail });
    await worker.work();
    await stopped;
    assert.ok(stopped !== undefined && looks <= 2, `${looks} looks`);
  });

  void it("goes on when the clock was set back: it looks at the feed, at all endpoints, and renews its lease", async () => {
    let now = T0;
    const clock: Clock = { now: () => now, sleep: async (ms) => void (now += ms) };
    const inner = openMemoryStore(createMemoryDatabase(), { clock });
    const looks = { feed: 0, query: 0 };
    const store: Store = {
      ...inner,
      feed(cursor, limit) {
        looks.feed += 1;
        return inner.feed(cursor, limit);
      },
      query(query) {
        looks.query += 1;
        return inner.query(query);
      },
    };
    const fail = (error: unknown): never => assert.fail(String(error));
    const worker = createWebhookWorker({ ...untouched, store, clock, ids: testIds(5), random: seededRandom(5), onError: fail });
    await worker.work();
    // Of endpoints: those there is something to do for, and those that rest.
    assert.deepEqual(looks, { feed: 1, query: 2 });
    now -= 3_600_000;
    await worker.work();
    assert.deepEqual(looks, { feed: 2, query: 4 });
    const lease = await inner.get("smartfinance-webhook-state", { hash: "lease" });
    assert.equal(lease?.["until"], now + 10_000);
    await worker.stop();
  });

  void it("leaves nothing of an endpoint that was deleted during an attempt", async () => {
    const answer = Promise.withResolvers<OutboundAnswer | OutboundRefusal>();
    let asked = 0;
    const { worker, put, left, workAfter } = await sending(() => {
      asked += 1;
      return answer.promise;
    });
    await workAfter(0);
    assert.equal(asked, 1);
    await put("deleted");
    await workAfter(9_900);
    await workAfter(200);
    answer.resolve(delivered);
    for (let round = 0; round < 4; round++) await workAfter(5_000);
    assert.equal(await left(), 0);
    await worker.stop();
  });

  void it("leaves nothing of an endpoint that was deleted while a delivery waited for a free connection", async () => {
    let asked = 0;
    const { worker, put, left, workAfter } = await sending(async () => {
      asked += 1;
      return asked < 3 ? { ok: false, reason: "busy" } : delivered;
    });
    await workAfter(0);
    await workAfter(9_900);
    assert.equal(asked, 2);
    await put("deleted");
    // All endpoints are gone through, and the lane knows of nothing yet.
    await workAfter(101);
    for (let round = 0; round < 4; round++) await workAfter(5_000);
    assert.equal(await left(), 0);
    await worker.stop();
  });

  void it("leaves nothing of an endpoint that was deleted while an event was routed to it", async () => {
    let now = T0;
    const clock: Clock = { now: () => now, sleep: () => Promise.resolve() };
    const inner = openMemoryStore(createMemoryDatabase(), { clock });
    const ids = testIds(8);
    const actor = actorOf();
    const id = ids.next("webhookEndpoint");
    const put = (status: string): Promise<unknown> => {
      const item = { ...endpointItem, id, organisation_id: actor.organisationId, status };
      return inner.commit([{ op: "put", table: "smartfinance-webhook-endpoints", item, condition: "none" }]);
    };
    await put("enabled");
    const roster = rosters.toItem({ organisationId: actor.organisationId, endpoints: [id], version: 1 });
    await inner.commit([{ op: "put", table: "smartfinance-webhook-endpoints", item: roster, condition: "none" }]);
    const routed = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const store: Store = {
      ...inner,
      async commit(writes) {
        if (writes.some(({ op, table }) => op === "put" && table === "smartfinance-webhook-queue")) {
          routed.resolve();
          await held.promise;
        }
        return inner.commit(writes);
      },
    };
    const worker = createWebhookWorker({
      ...untouched,
      vault,
      store,
      clock,
      ids,
      random: seededRandom(8),
      onError: (error) => assert.fail(String(error)),
    });
    await worker.work();
    const { item } = buildEvent({ id: ids.next("event"), type: "deposit.posted", objectId: ids.next("transaction") }, actor, now);
    await inner.commit([{ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" }]);
    worker.wake();
    await routed.promise;
    await put("deleted");
    now += 10_001;
    const working = worker.work();
    for (let turns = 0; turns < 50; turns++) await turn();
    held.resolve();
    await working;
    for (let round = 0; round < 4; round++) {
      for (let turns = 0; turns < 50; turns++) await turn();
      now += 5_001;
      await worker.work();
    }
    const queued = await inner.query({ table: "smartfinance-webhook-queue", hash: id, order: "ascending", limit: 10 });
    assert.deepEqual([queued.items, await inner.get("smartfinance-webhook-endpoints", { hash: id })], [[], undefined]);
    await worker.stop();
  });

  void it("does not look for what an earlier term had left: another node has taken that away meanwhile", async () => {
    let now = T0;
    const clock: Clock = { now: () => now, sleep: () => Promise.resolve() };
    const inner = openMemoryStore(createMemoryDatabase(), { clock });
    const ids = testIds(12);
    const id = ids.next("webhookEndpoint");
    const item = { ...endpointItem, id, organisation_id: ORG, status: "disabled", work: RESTING };
    await inner.commit([{ op: "put", table: "smartfinance-webhook-endpoints", item, condition: "absent" }]);
    let looks = 0;
    const store: Store = {
      ...inner,
      async query(query) {
        if (query.hash === RESTING) looks += 1;
        if (query.table !== "smartfinance-webhook-deliveries") return inner.query(query);
        // More than one round takes away.
        return { items: Array.from({ length: query.limit }, (_, n) => ({ id: `dlv_${n}` })), cursor: undefined };
      },
    };
    const fail = (error: unknown): never => assert.fail(String(error));
    const worker = createWebhookWorker({ ...untouched, store, clock, ids, random: seededRandom(12), onError: fail });
    await worker.work();
    assert.equal(looks, 1);
    now += 10_001;
    const other = createLeader({ store: inner, clock, name: "other" });
    assert.ok(await other.keep());
    await worker.work();
    await inner.commit([{ op: "delete", table: "smartfinance-webhook-endpoints", key: { hash: id }, condition: "none" }]);
    await other.resign();
    for (let round = 0; round < 3; round++) {
      now += 10_001;
      await worker.work();
    }
    assert.equal(looks, 1);
    await worker.stop();
  });

  for (const status of ["enabled", "disabled"] as const)
    void it(`takes away all that is past its time of an ${status} endpoint, however much there is, and nothing else`, async () => {
      let now = T0;
      const clock: Clock = { now: () => now, sleep: () => Promise.resolve() };
      const store = openMemoryStore(createMemoryDatabase(), { clock });
      const id = testIds(9).next("webhookEndpoint");
      const organisationId = ORG;
      const { work: _work, ...fields } = endpointItem;
      const endpoint = webhookEndpoints.toItem(webhookEndpoints.fromItem({ ...fields, id, organisation_id: organisationId, status }));
      await store.commit([{ op: "put", table: "smartfinance-webhook-endpoints", item: endpoint, condition: "none" }]);
      const end = async (at: number, count: number): Promise<void> => {
        const made = testIds(at, { now: () => at, sleep: () => Promise.resolve() });
        const event = {
          id: made.next("event"),
          organisationId,
          type: "deposit.posted",
          createdAt: "",
          objectId: newId("transaction"),
        } as const;
        const times = { createdAt: at, attempts: 1, nextAt: 0, last: null, resendOf: null };
        for (let n = 0; n < count; n += 50) {
          const some = Array.from({ length: 50 }, () => ({ id: made.next("webhookDelivery"), endpointId: id, event, keys: [], ...times }));
          await store.commit(some.flatMap((delivery) => endWrites(delivery, "delivered")));
        }
      };
      await end(T0 - 31 * DAY, 10_000);
      await end(T0 - 29 * DAY, 100);
      const worker = createWebhookWorker({
        ...untouched,
        vault,
        store,
        clock,
        ids: testIds(10),
        random: seededRandom(9),
        onError: (error) => assert.fail(String(error)),
      });
      for (let round = 0; round < 6; round++) {
        await worker.work();
        now += 5_001;
      }
      const left = await store.query({ table: "smartfinance-webhook-deliveries", hash: id, order: "ascending", limit: 1_000 });
      assert.equal(left.items.length, 100);
      await worker.stop();
    });
});
