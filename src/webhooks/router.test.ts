import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, newId, seededRandom, T0 } from "#test/support/builders.ts";
import { buildEvent } from "#audit/index.ts";
import type { EventType } from "#audit/index.ts";
import { createIds } from "#kernel/ids.ts";
import type { WebhookDeliveryId, WebhookEndpointId } from "#kernel/ids.ts";
import type { Item, Store, Write } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { rosters, webhookEndpoints } from "./endpoint.ts";
import { createRouter } from "./router.ts";

const DAY = 24 * 3_600_000;

/** An endpoint that takes everything, and a router over a feed that passes over what is `gone`. */
async function scene(ordered: boolean, age = 10 * DAY) {
  const clock = { time: T0, now: () => clock.time, sleep: () => Promise.resolve() };
  const inner = openMemoryStore(createMemoryDatabase(), { limits: { ordered } });
  const gone = new Set<string>();
  const store: Store = {
    ...inner,
    async feed(cursor, limit) {
      const page = await inner.feed(cursor, limit);
      return { ...page, items: page.items.filter(({ event_id }) => !gone.has(String(event_id))) };
    },
  };
  const actor = actorOf();
  const ids = createIds(clock, seededRandom(2));
  const id: WebhookEndpointId = ids.next("webhookEndpoint");
  const made = T0 - age;
  const endpoint = webhookEndpoints.toItem({
    id,
    organisationId: actor.organisationId,
    url: "https://example.com/",
    description: null,
    eventTypes: null,
    status: "enabled",
    disabledReason: null,
    secret: {},
    previousSecret: null,
    previousSecretExpiresAt: null,
    enabledAt: made,
    createdAt: made,
    updatedAt: made,
    version: 1,
  });
  const roster = rosters.toItem({ organisationId: actor.organisationId, endpoints: [id], version: 1 });
  await inner.commit([endpoint, roster].map((item) => ({ op: "put", table: "smartfinance-webhook-endpoints", item, condition: "none" })));
  const journal = {
    capacity: 1_000,
    async write(writes: readonly Write[]) {
      await inner.commit(writes);
      return true;
    },
  };
  const waiting = new Set<string>();
  const deps = {
    store,
    clock,
    random: seededRandom(1),
    journal,
    onQueued: () => undefined,
    onChanged: () => undefined,
    hasten: (_endpointId: string, delivery: string) => Promise.resolve(waiting.has(delivery)),
  };
  let router = createRouter(deps);
  /** The ids of the process that tells; another one begins anew with its clock. */
  let own = ids;
  return {
    clock,
    gone,
    waiting,
    /** Another term, which knows what is stored. */
    restart: (): void => {
      router = createRouter(deps);
      own = createIds(clock, seededRandom(3));
    },
    /** Asks for a delivery to be sent again, and ends one. */
    resend: async (delivery: WebhookDeliveryId): Promise<void> => {
      const event = { id: newId("event"), type: "webhook_delivery.resent" as const, objectId: delivery, details: { endpoint_id: id } };
      const { item } = buildEvent(event, actor, clock.time);
      await inner.commit([{ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" }]);
    },
    end: async (delivery: WebhookDeliveryId): Promise<void> => {
      const page = await inner.query({ table: "smartfinance-webhook-queue", hash: id, order: "ascending", limit: 1 });
      const item = { ...page.items[0], id: delivery, status: "delivered" } as Item;
      await inner.commit([{ op: "put", table: "smartfinance-webhook-deliveries", item, condition: "none" }]);
    },
    tell: async (type: EventType = "deposit.posted"): Promise<string> => {
      const event = { id: own.next("event"), type, objectId: newId("transaction") };
      const { item } = buildEvent(event, actor, clock.time);
      await inner.commit([{ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" }]);
      return event.id;
    },
    route: async (): Promise<void> => {
      for (let step = 0; step < 10; step++) if ((await router.step()) === "none") return;
      assert.fail("the feed has no end");
    },
    cursor: async () => (await inner.get("smartfinance-webhook-state", { hash: "router" }))?.["cursor"],
    queued: async (): Promise<readonly string[]> => {
      const page = await inner.query({ table: "smartfinance-webhook-queue", hash: id, order: "ascending", limit: 1_000 });
      return page.items.map(({ event_id }) => String(event_id));
    },
  };
}

void describe("the router leaves nothing out", () => {
  // Where a feed may repeat itself, requests are signed with the time, so no clock there is a day behind.
  for (const { what, jump, ordered } of [
    { what: "ahead, over a feed that may repeat itself", jump: 3 * DAY, ordered: false },
    { what: "ahead, over one that does not", jump: 3 * DAY, ordered: true },
    { what: "behind, over one that does not", jump: -3 * DAY, ordered: true },
  ])
    void it(`because the clock was ${what}`, async () => {
      const { clock, tell, route, queued } = await scene(ordered);
      const told: string[] = [];
      for (const at of [T0, T0 + jump, T0 + 1_000]) {
        clock.time = at;
        told.push(await tell());
        await route();
      }
      assert.deepEqual(await queued(), told);
    });

  void it("because the clock was set back after the endpoint was made, whenever it is routed", async () => {
    const { clock, tell, route, queued } = await scene(true, 0);
    clock.time -= 60_000;
    const told = [await tell()];
    await route();
    told.push(await tell());
    clock.time += 120_000;
    await route();
    assert.deepEqual(await queued(), told);
  });

  void it("because the clock was set back after the endpoint was made, and the process ended", async () => {
    const { clock, tell, route, queued, restart } = await scene(true, 0);
    clock.time -= 60_000;
    restart();
    const told = [await tell()];
    await route();
    assert.deepEqual(await queued(), told);
  });

  void it("but what was before the endpoint", async () => {
    const { clock, tell, route, queued, restart } = await scene(true, 0);
    clock.time -= 60_000;
    restart();
    await tell();
    clock.time += 60_000;
    await route();
    assert.deepEqual(await queued(), []);
  });

  void it("and writes down where it is, though the clock was set back", async () => {
    const { clock, tell, route, cursor } = await scene(true);
    await tell();
    await route();
    clock.time -= 3_600_000;
    await tell("organisation.updated");
    const before = await cursor();
    await route();
    assert.notEqual(await cursor(), before);
  });

  void it("and sends nothing again because a term ended after a delivery was hastened", async () => {
    const { clock, tell, route, queued, waiting, restart, resend, end } = await scene(true);
    await tell();
    await route();
    const before = await queued();
    clock.time += 500;
    const delivery = newId("webhookDelivery");
    waiting.add(delivery);
    await resend(delivery);
    await route();
    // What was hastened ends, then the node does.
    await end(delivery);
    waiting.clear();
    restart();
    await route();
    assert.deepEqual(await queued(), before);
    await resend(delivery);
    await route();
    assert.equal((await queued()).length, before.length + 1, "asked for anew, it is sent again");
  });

  void it("because events before it are gone from the table", async () => {
    const { gone, tell, route, queued } = await scene(false);
    await tell();
    await route();
    for (let n = 0; n < 600; n++) gone.add(await tell());
    const last = await tell();
    await route();
    assert.equal((await queued()).at(-1), last);
  });
});
