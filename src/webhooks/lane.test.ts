import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { newId, ORG, seededRandom, T0 } from "#test/support/builders.ts";
import type { WebhookEndpointId } from "#kernel/ids.ts";
import type { Write } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { Vault } from "#vault/index.ts";
import { enqueueWrite } from "./delivery.ts";
import { webhookEndpoints } from "./endpoint.ts";
import type { LaneDeps } from "./lane.ts";
import { createLane } from "./lane.ts";

/** A lane whose endpoint answers with `status`, and one delivery in its queue. Time stands still unless it is moved. */
async function scene(status: number) {
  const clock = { time: T0, now: () => clock.time, sleep: () => Promise.resolve() };
  const store = openMemoryStore(createMemoryDatabase());
  const id: WebhookEndpointId = newId("webhookEndpoint");
  const endpoint = async (state: "enabled" | "disabled", enabledAt: number): Promise<void> => {
    const item = webhookEndpoints.toItem({
      id,
      organisationId: ORG,
      url: "https://example.com/",
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
  const event = { id: newId("event"), organisationId: ORG, type: "deposit.posted", createdAt: "", objectId: newId("transaction") } as const;
  const times = { createdAt: T0, attempts: 0, nextAt: 0, last: null, resendOf: null };
  const enqueue = () => store.commit([enqueueWrite({ id: newId("webhookDelivery"), endpointId: id, event, keys: [], ...times })]);
  await enqueue();
  let sent = 0;
  const lane = createLane(
    {
      store,
      clock,
      random: seededRandom(1),
      vault: { dataKeyById: () => Promise.resolve(undefined), open: () => "whsec_c2VjcmV0" } as unknown as Vault,
      outbound: {
        request: () => {
          sent += 1;
          return Promise.resolve({ ok: true, status, headers: {}, body: Buffer.alloc(0) });
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
      disable: () => Promise.resolve(),
      onError: (error) => assert.fail(String(error)),
    } satisfies LaneDeps,
    id,
  );
  const settled = async (): Promise<number> => {
    for (let n = 0; n < 50; n++) await turn();
    return sent;
  };
  return { clock, lane, endpoint, enqueue, settled };
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
});
