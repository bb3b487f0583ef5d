import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { newId, ORG, seededRandom, T0 } from "#test/support/builders.ts";
import { createIds } from "#kernel/ids.ts";
import type { WebhookDeliveryId, WebhookEndpointId } from "#kernel/ids.ts";
import type { OutboundAnswer, OutboundRefusal } from "#outbound/index.ts";
import type { Store, Write } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { Vault } from "#vault/index.ts";
import { enqueueWrite, presentDelivery, QUEUE_TABLE } from "./delivery.ts";
import { webhookEndpoints } from "./endpoint.ts";
import type { LaneDeps } from "./lane.ts";
import { createLane } from "./lane.ts";

type Answer = OutboundAnswer | OutboundRefusal;
const answered = (status: number): Answer => ({ ok: true, status, headers: {}, body: Buffer.alloc(0) });

/** A lane whose endpoint answers with `status`, and one delivery in its queue. Time stands still unless it is moved. */
async function scene(
  status: number,
  answer = (_eventId: string): Answer | Promise<Answer> => answered(status),
  /** To be waited for before anything is read. */
  reading?: () => Promise<void>,
) {
  const clock = { time: T0, now: () => clock.time, sleep: () => Promise.resolve() };
  const inner = openMemoryStore(createMemoryDatabase());
  const get: Store["get"] = async (table, key) => {
    await reading?.();
    return inner.get(table, key);
  };
  const store: Store = reading === undefined ? inner : { ...inner, get };
  const id: WebhookEndpointId = newId("webhookEndpoint");
  const endpoint = async (state: "enabled" | "disabled", enabledAt: number, url = "https://example.com/"): Promise<void> => {
    const item = webhookEndpoints.toItem({
      id,
      organisationId: ORG,
      url,
      description: null,
      eventTypes: null,
      status: state,
      disabledReason: null,
      secret: {},
      previousSecret: null,
      previousSecretExpiresAt: null,
      enabledAt,
      createdAt: T0 - 1_000,
      updatedAt: enabledAt,
      version: 1,
    });
    await store.commit([{ op: "put", table: "smartfinance-webhook-endpoints", item, condition: "none" }]);
  };
  const facts = { organisationId: ORG, type: "deposit.posted", createdAt: "", objectId: newId("transaction") } as const;
  const times = { createdAt: T0, attempts: 0, nextAt: 0, last: null, resendOf: null };
  const ids = createIds(clock, seededRandom(2));
  const enqueue = async (...keys: string[]): Promise<string> => {
    const event = { ...facts, id: ids.next("event") };
    await store.commit([enqueueWrite({ id: ids.next("webhookDelivery"), endpointId: id, event, keys, ...times })]);
    return event.id;
  };
  await enqueue();
  let sent = 0;
  const disabled: string[] = [];
  const lane = createLane(
    {
      store,
      clock,
      random: seededRandom(1),
      vault: { dataKeyById: () => Promise.resolve(undefined), open: () => "whsec_c2VjcmV0" } as unknown as Vault,
      outbound: {
        request: async ({ headers }) => {
          sent += 1;
          return answer(headers?.["webhook-id"] ?? "");
        },
        close: () => undefined,
      },
      journal: {
        capacity: 1_000,
        async write(writes: readonly Write[]) {
          return (await store.commit(writes)).outcome === "committed";
        },
      },
      health: { load: () => Promise.resolve(), delivered: () => undefined, failed: () => false, forget: () => undefined },
      disable: async (_endpoint, reason) => void disabled.push(reason),
      onError: (error) => assert.fail(String(error)),
    } satisfies LaneDeps,
    id,
  );
  const settled = async (): Promise<number> => {
    for (let n = 0; n < 50; n++) await turn();
    return sent;
  };
  const queued = async () => (await store.query({ table: QUEUE_TABLE, hash: id, order: "ascending", limit: 10 })).items;
  return { clock, store, lane, endpoint, enqueue, settled, queued, disabled };
}

void describe("a lane whose endpoint was disabled and is enabled again within the second", () => {
  void it("sends what rests in the queue, and is not taken for idle", async () => {
    const { lane, endpoint, settled } = await scene(200);
    await endpoint("disabled", T0 - 1_000);
    lane.wake();
    assert.equal(await settled(), 0);
    assert.equal(lane.idle, true);
    await endpoint("enabled", T0);
    lane.changed();
    assert.equal(lane.idle, false);
    assert.equal(await settled(), 1);
  });

  void it("does so when it was reading the endpoint as it was before", async () => {
    const { lane, endpoint, settled } = await scene(200);
    await endpoint("disabled", T0 - 1_000);
    lane.wake();
    await endpoint("enabled", T0);
    lane.changed();
    await settled();
    assert.equal(lane.idle, false);
    lane.tick();
    assert.equal(await settled(), 1);
  });

  void it("tries at once what waited for a retry, though it never saw it disabled", async () => {
    const { clock, lane, endpoint, settled } = await scene(500);
    await endpoint("enabled", T0 - 1_000);
    lane.wake();
    assert.equal(await settled(), 1);
    clock.time += 200;
    lane.tick();
    assert.equal(await settled(), 1, "its retry is not due");
    await endpoint("enabled", clock.time);
    lane.changed();
    assert.equal(await settled(), 2);
  });
});

void describe("a lane whose endpoint is disabled and enabled again while it waits for slow answers", () => {
  void it("keeps the order of an account", async () => {
    const sent: string[] = [];
    const answers = new Map<string, (answer: Answer) => void>();
    let slow = true;
    let reading = Promise.resolve();
    const { clock, lane, endpoint, enqueue, settled } = await scene(
      200,
      (eventId) => {
        sent.push(eventId);
        return slow ? new Promise<Answer>((resolve) => answers.set(eventId, resolve)) : answered(200);
      },
      () => reading,
    );
    await endpoint("enabled", T0 - 1_000);
    // With the one that the scene begins with as many as are under way at once.
    const others = [];
    for (let n = 0; n < 7; n++) others.push(await enqueue(`account ${n}`));
    const account = [await enqueue("account"), await enqueue("account")];
    lane.wake();
    assert.equal(await settled(), 8);
    clock.time += 1_001;
    await endpoint("disabled", T0 - 1_000);
    slow = false;
    const gate = Promise.withResolvers<void>();
    reading = gate.promise;
    answers.get(others[0] ?? "")?.(answered(200));
    await settled();
    // Nothing more is sent for a moment, while the first of the account finds the endpoint disabled.
    answers.get(others[1] ?? "")?.({ ok: false, reason: "busy" });
    await settled();
    gate.resolve();
    await settled();
    clock.time += 1_001;
    await endpoint("enabled", clock.time);
    lane.changed();
    for (const resolve of answers.values()) resolve(answered(200));
    await settled();
    assert.deepEqual(
      sent.filter((eventId) => account.includes(eventId)),
      account,
    );
  });
});

void describe("a lane whose endpoint says that it is gone", () => {
  void it("is disabled, and the delivery is dead", async () => {
    const { lane, endpoint, settled, queued, disabled } = await scene(410);
    await endpoint("enabled", T0 - 1_000);
    lane.wake();
    assert.equal(await settled(), 1);
    assert.deepEqual([disabled, await queued()], [["gone"], []]);
  });

  void it("is tried where it is now when another place was named during the attempt", async () => {
    let statuses = [410, 200];
    const { clock, lane, endpoint, settled, queued, disabled } = await scene(200, async () => {
      if (statuses[0] === 410) await endpoint("enabled", T0 - 1_000, "https://example.com/new");
      const [status = 500, ...later] = statuses;
      statuses = later;
      return answered(status);
    });
    await endpoint("enabled", T0 - 1_000);
    lane.wake();
    assert.equal(await settled(), 1);
    assert.equal((await queued()).length, 1);
    clock.time += 6_000;
    lane.tick();
    assert.equal(await settled(), 2);
    assert.deepEqual([disabled, await queued()], [[], []]);
  });
});

void describe("a delivery that is to be tried now", () => {
  void it("says when that is, until it has been", async () => {
    const { clock, lane, endpoint, settled, queued } = await scene(500);
    await endpoint("enabled", T0 - 1_000);
    lane.wake();
    assert.equal(await settled(), 1);
    await endpoint("disabled", T0 - 1_000);
    lane.changed();
    await settled();
    clock.time += 2_000;
    const [waiting] = await queued();
    assert.ok(waiting);
    assert.equal(await lane.hasten(String(waiting.id) as WebhookDeliveryId), true);
    assert.deepEqual(
      (await queued()).map((item) => presentDelivery(item)["next_attempt_at"]),
      [new Date(clock.time).toISOString()],
    );
    await endpoint("enabled", T0 - 1_000);
    lane.changed();
    assert.equal(await settled(), 2);
  });
});

void describe("a delivery that an earlier version tried last, which kept no name of the enabling", () => {
  void it("waits for its time, or until its endpoint is enabled again", async () => {
    const { clock, store, lane, endpoint, settled, queued } = await scene(500);
    await endpoint("enabled", T0 - 60_000);
    const [item] = await queued();
    assert.ok(item);
    const last = { at: T0 - 1_000, status: 500, failure: null, latency_ms: 0 };
    // Its last attempt but one: sent now, it would be dead a day early.
    const waiting = { ...item, attempts: 9, next_at: T0 + 24 * 3_600_000, last };
    await store.commit([{ op: "put", table: QUEUE_TABLE, item: waiting, condition: "none" }]);
    lane.wake();
    assert.equal(await settled(), 0);
    assert.deepEqual(await queued(), [waiting]);
    clock.time += 200;
    await endpoint("enabled", clock.time);
    lane.changed();
    assert.equal(await settled(), 1);
  });
});

void describe("a lane whose clock was set back", () => {
  void it("knows nothing of its endpoint for longer", async () => {
    const { clock, lane, endpoint, enqueue, settled } = await scene(200);
    await endpoint("enabled", T0 - 1_000);
    lane.wake();
    assert.equal(await settled(), 1);
    await endpoint("disabled", T0 - 1_000);
    clock.time -= 3_600_000;
    await enqueue();
    lane.wake();
    assert.equal(await settled(), 1);
  });

  void it("does not wait for longer before it tries again", async () => {
    const { clock, lane, endpoint, settled } = await scene(500);
    await endpoint("enabled", T0 - 1_000);
    lane.wake();
    assert.equal(await settled(), 1);
    lane.tick();
    clock.time -= 3_600_000;
    lane.tick();
    await settled();
    clock.time += 6_000;
    lane.tick();
    assert.equal(await settled(), 2);
    clock.time += 60_000;
    lane.tick();
    assert.equal(await settled(), 2, "the times of its schedule hold again");
  });

  void it("keeps to the schedule, though its endpoint was enabled at a time to come", async () => {
    const sent: string[] = [];
    const { clock, lane, endpoint, enqueue, settled } = await scene(500, (eventId) => {
      sent.push(eventId);
      return answered(500);
    });
    await endpoint("enabled", T0 + 3_600_000);
    lane.wake();
    await settled();
    // Each of these comes due a few seconds after it failed, and the queue is looked through from its beginning then.
    for (let n = 0; n < 12; n++) {
      await enqueue();
      lane.wake();
      await settled();
      clock.time += 6_000;
      lane.tick();
      await settled();
    }
    assert.equal(sent.filter((eventId) => eventId === sent[0]).length, 2);
  });
});
