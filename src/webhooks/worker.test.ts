import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seededRandom, T0, testIds } from "#test/support/builders.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { WebhookWorkerDeps } from "./worker.ts";
import { createWebhookWorker } from "./worker.ts";

/** What routing an empty feed does not touch. */
const untouched = {} as Pick<WebhookWorkerDeps, "queue" | "vault" | "outbound">;

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
});
