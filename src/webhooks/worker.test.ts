import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { seededRandom, T0, testIds } from "#test/support/builders.ts";
import type { CommitQueue } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { OutboundAnswer, OutboundRefusal } from "#outbound/index.ts";
import type { Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { Vault } from "#vault/index.ts";
import { enqueueWrite } from "./delivery.ts";
import type { WebhookWorkerDeps } from "./worker.ts";
import { createWebhookWorker } from "./worker.ts";

/** What routing an empty feed does not touch. */
const untouched = {} as Pick<WebhookWorkerDeps, "queue" | "vault" | "outbound">;

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
    assert.deepEqual(looks, { feed: 1, query: 1 });
    now -= 3_600_000;
    await worker.work();
    assert.deepEqual(looks, { feed: 2, query: 2 });
    const lease = await inner.get("smartfinance-webhook-state", { hash: "lease" });
    assert.equal(lease?.["until"], now + 10_000);
    await worker.stop();
  });

  void it("leaves nothing of an endpoint that was deleted during an attempt", async () => {
    let now = T0;
    const clock: Clock = { now: () => now, sleep: () => Promise.resolve() };
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
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<OutboundAnswer | OutboundRefusal>();
    const worker = createWebhookWorker({
      store,
      clock,
      ids,
      random: seededRandom(6),
      queue: {} as CommitQueue,
      vault: { dataKeyById: () => Promise.resolve(undefined), open: () => "whsec_c2VjcmV0" } as unknown as Vault,
      outbound: {
        request() {
          asked.resolve();
          return answer.promise;
        },
        close: () => undefined,
      },
      onError: (error) => assert.fail(String(error)),
    });
    const left = async (): Promise<number> => {
      const tables = ["smartfinance-webhook-queue", "smartfinance-webhook-deliveries"] as const;
      const found = await Promise.all(tables.map((table) => store.query({ table, hash: id, order: "ascending", limit: 10 })));
      const endpoint = await store.get("smartfinance-webhook-endpoints", { hash: id });
      return found.reduce((sum, { items }) => sum + items.length, endpoint === undefined ? 0 : 1);
    };
    await worker.work();
    await asked.promise;
    await put("deleted");
    now += 9_900;
    await worker.work();
    now += 200;
    await worker.work();
    answer.resolve({ ok: true, status: 200, headers: {}, body: Buffer.alloc(0) });
    for (let turns = 0; turns < 50; turns++) await turn();
    for (let round = 0; round < 4; round++) {
      now += 5_000;
      await worker.work();
    }
    assert.equal(await left(), 0);
    await worker.stop();
  });
});
