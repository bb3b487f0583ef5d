import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { buildEvent } from "#audit/index.ts";
import { systemClock } from "#kernel/clock.ts";
import { createIds } from "#kernel/ids.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import { systemRandom } from "#kernel/random.ts";
import type { FeedCursor } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { Listener } from "./tail.ts";
import { createTail } from "./tail.ts";

const ORG = "org_01J00000000000000000000008" as OrganisationId;

void test("tells who listens already what a newcomer has read before them", async () => {
  const store = openMemoryStore(createMemoryDatabase());
  const ids = createIds(systemClock, systemRandom());
  const faults: unknown[] = [];
  const tail = createTail({
    store,
    clock: { now: () => systemClock.now(), sleep: (ms) => sleep(Math.min(ms, 20)) },
    onError: (error) => void faults.push(error),
  });
  const happen = async (): Promise<string> => {
    const id = ids.next("event");
    const actor = { organisationId: ORG, apiKeyId: null, ip: null, userAgent: null, requestId: null };
    const { item } = buildEvent({ id, type: "transfer.posted", objectId: "txn" }, actor, systemClock.now());
    await store.commit([{ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" }]);
    return id;
  };
  const listen = (cursor: FeedCursor | undefined): { readonly heard: string[]; readonly listener: Listener } => {
    const heard: string[] = [];
    const listener: Listener = { organisationId: ORG, offer: ({ event }) => void heard.push(event.id) };
    tail.join(listener, cursor);
    return { heard, listener };
  };
  const all: string[] = [];
  const listening = [{ ...listen((await store.feed(undefined, 500)).cursor), from: 0 }];
  await sleep(50);
  for (let n = 0; n < 20; n++) {
    // Committed by another node: nobody wakes the tail, while the newcomer finds it by itself.
    all.push(await happen());
    const { cursor } = await store.feed(undefined, 500);
    listening.push({ ...listen(cursor), from: all.length });
    if (n % 3 === 0) all.push(await happen());
    if (n % 4 === 0) await sleep(5);
  }
  await sleep(200);
  for (const { listener } of listening) tail.leave(listener);
  assert.deepEqual(listening[0]?.heard, all);
  // While others come, something may come twice.
  for (const { heard, from } of listening)
    assert.deepEqual(
      [...new Set(heard)].filter((id) => all.indexOf(id) >= from),
      all.slice(from),
    );
  assert.deepEqual(faults, []);
});
