import assert from "node:assert/strict";
import { test } from "node:test";
import { actorOf, newId, seededRandom, testClock } from "#test/support/builders.ts";
import { createSimulatedKms } from "#test/simulation/kms.ts";
import { buildEvent } from "#audit/index.ts";
import { createCommitQueue } from "#commit/index.ts";
import { createIds } from "#kernel/ids.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { createVault } from "#vault/index.ts";
import { createJournal } from "./journal.ts";
import { createLeader } from "./leader.ts";
import { createEndpoint } from "./manage-endpoints.ts";
import { createRouter } from "./router.ts";

test("an endpoint is not sent what happened while the key for its secret was waited for", async () => {
  const clock = testClock();
  const random = seededRandom(11);
  const store = openMemoryStore(createMemoryDatabase(), { clock });
  const ids = createIds(clock, random);
  const actor = actorOf();
  const vault = createVault({ store, kms: createSimulatedKms(random), clock, ids, random });
  const slow = {
    ...vault,
    async dataKey(organisationId: Parameters<typeof vault.dataKey>[0]) {
      clock.time += 2_000;
      const { item } = buildEvent({ id: ids.next("event"), type: "deposit.posted", objectId: newId("transaction") }, actor, clock.time);
      await store.commit([{ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" }]);
      clock.time += 2_000;
      return vault.dataKey(organisationId);
    },
  };
  const deps = { store, queue: createCommitQueue({ store, clock, random }), vault: slow, clock, ids, random, development: false };
  const executed = await createEndpoint(deps, { actor, idempotency: undefined }, { url: "https://example.com/" });
  assert.ok(executed.ok && executed.reply.status === 201, JSON.stringify(executed));
  const { id } = JSON.parse(executed.reply.body) as { readonly id: string };
  const leader = createLeader({ store, clock, name: "a" });
  assert.ok(await leader.keep());
  const nothing = (): undefined => undefined;
  const hooks = { onQueued: nothing, onChanged: nothing, hasten: () => Promise.resolve(false) };
  const router = createRouter({ store, clock, random, journal: createJournal({ store, clock, leader }), ...hooks });
  while ((await router.step()) !== "none");
  const queued = await store.query({ table: "smartfinance-webhook-queue", hash: id, order: "ascending", limit: 10 });
  assert.deepEqual(
    queued.items.map(({ event_type }) => event_type),
    ["webhook_endpoint.created"],
  );
});
