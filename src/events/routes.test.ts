import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { createHttpServer } from "#http/index.ts";
import { systemClock } from "#kernel/clock.ts";
import { createIds } from "#kernel/ids.ts";
import { systemRandom } from "#kernel/random.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { eventRoutes } from "./routes.ts";

void test("a stream whose beginning is found out too late leaves nothing reserved", async (t) => {
  const ids = createIds(systemClock, systemRandom());
  const apiKeyId = ids.next("apiKey");
  const principal = { organisationId: ids.next("organisation"), apiKeyId, personId: apiKeyId, scopes: new Set(["events:read"] as const) };
  const app = createHttpServer({
    clock: systemClock,
    ids,
    logger: pino({ level: "silent" }),
    authenticate: () => principal,
    takeQuota: () => ({ allowed: true, policy: "", limit: "", retryAfterSeconds: 0 }),
    refusesIp: () => undefined,
    trustedProxyHops: 0,
    ready: () => Promise.resolve(),
    version: "0.0.1",
    limits: { headersTimeoutMs: 50, requestTimeoutMs: 100, deadlineMs: 150, connectionsCheckMs: 20 },
  });
  t.after(() => app.close());
  const done: string[] = [];
  const streams = {
    async reserve() {
      await sleep(400);
      return { ok: true as const, start: () => void done.push("started"), giveUp: () => void done.push("given up") };
    },
    wake: () => undefined,
    size: 0,
    close: () => undefined,
  };
  eventRoutes(app, {
    store: openMemoryStore(createMemoryDatabase()),
    clock: systemClock,
    streams,
    mayListen: () => () => Promise.resolve(true),
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  const address = app.server.address();
  assert.ok(address !== null && typeof address === "object");
  const answer = await fetch(`http://127.0.0.1:${address.port}/v1/events/stream`, { headers: { "x-api-key": "any" } });
  assert.equal(answer.status, 503);
  await answer.arrayBuffer();
  for (let poll = 0; poll < 200 && done.length === 0; poll++) await sleep(10);
  assert.deepEqual(done, ["given up"]);
});
