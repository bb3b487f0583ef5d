import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, newId, seededRandom, T0 } from "#test/support/builders.ts";
import { buildEvent } from "#audit/index.ts";
import type { Item, Store, Write } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { createRepetition } from "./repetition.ts";
import { createRouter } from "./router.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Events a minute apart, and a log that has them in that order. */
function scene(count: number) {
  const items = Array.from(
    { length: count },
    (_, n) => buildEvent({ id: newId("event"), type: "deposit.posted", objectId: `txn ${n}` }, actorOf(), T0 + n * 60_000).item,
  );
  const ids = items.map(({ event_id }) => String(event_id));
  const sealed = new Set(ids);
  const placeOf = (id: string): Promise<number | undefined> => Promise.resolve(sealed.has(id) ? ids.indexOf(id) : undefined);
  return { items, ids, sealed, placeOf };
}

const newestOf = (items: readonly Item[]): number => Math.max(...items.map(({ timestamp }) => Date.parse(String(timestamp))));

void describe("what the feed tells again after a break", () => {
  void it("is left out as far as it stands in the log before the last event routed, and nothing else is", async () => {
    const { items, ids, sealed, placeOf } = scene(10);
    const before = createRepetition(placeOf, undefined, T0);
    assert.ok(await before.ready(T0));
    before.routed(items.slice(0, 6), new Set());
    sealed.delete(ids[8] ?? "");
    const after = createRepetition(placeOf, before.kept(), T0 + DAY);
    assert.ok(await after.ready(T0 + DAY));
    const repeated = await after.repeatedOf(items, newestOf(items));
    assert.deepEqual([...repeated], ids.slice(0, 6));
    // Killed in the middle of the repetition: the next one knows as much.
    after.routed(items.slice(0, 3), repeated);
    const again = createRepetition(placeOf, after.kept(), T0 + DAY + 1);
    assert.ok(await again.ready(T0 + DAY + 1));
    assert.deepEqual([...(await again.repeatedOf(items, newestOf(items)))], ids.slice(0, 6));
    again.caughtUp(T0 + DAY + 2);
    assert.ok(await again.ready(T0 + DAY + 3));
    assert.equal((await again.repeatedOf(items, newestOf(items))).size, 0, "it is over when the feed has nothing more");
  });

  void it("is not looked for without a break, nor of events newer than all that were routed", async () => {
    const { items, placeOf } = scene(4);
    const first = createRepetition(placeOf, undefined, T0);
    await first.ready(T0);
    first.routed(items, new Set());
    const soon = createRepetition(placeOf, first.kept(), T0 + HOUR);
    await soon.ready(T0 + HOUR);
    assert.equal((await soon.repeatedOf(items, newestOf(items))).size, 0);
    const late = createRepetition(() => assert.fail("nothing to ask"), { ...first.kept(), last_event: null }, T0 + DAY);
    await late.ready(T0 + DAY);
    assert.equal((await late.repeatedOf(items, T0 - 1)).size, 0);
  });

  void it("waits for the log to have the last event routed, and not for ever", async () => {
    const { items, ids, sealed, placeOf } = scene(3);
    const before = createRepetition(placeOf, undefined, T0);
    await before.ready(T0);
    before.routed(items, new Set());
    sealed.clear();
    const start = T0 + DAY;
    const waiting = createRepetition(placeOf, before.kept(), start);
    assert.equal(await waiting.ready(start), false);
    assert.equal(await waiting.ready(start + 59_999), false);
    for (const id of ids) sealed.add(id);
    assert.equal(await waiting.ready(start + 59_999), true);
    sealed.clear();
    const given = createRepetition(placeOf, before.kept(), start);
    assert.equal(await given.ready(start + 60_000), true);
    assert.equal((await given.repeatedOf(items, newestOf(items))).size, 0, "then it may come twice");
  });

  void it("does not reach the queues of endpoints a second time", async () => {
    const { items, placeOf } = scene(20);
    const inner = openMemoryStore(createMemoryDatabase());
    let forgetful = false;
    const store: Store = { ...inner, feed: (cursor, limit) => inner.feed(forgetful ? undefined : cursor, limit) };
    const tell = async (some: readonly Item[]): Promise<void> => {
      await inner.commit(some.map((item) => ({ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" })));
    };
    const looked: string[] = [];
    const clock = { time: T0 + HOUR, now: () => clock.time, sleep: () => Promise.resolve() };
    const journal = {
      capacity: 1_000,
      async write(writes: readonly Write[]) {
        await inner.commit(writes);
        return true;
      },
    };
    const make = () =>
      createRouter({
        store,
        clock,
        random: seededRandom(1),
        journal,
        placeOf: (id) => {
          looked.push(id);
          return placeOf(id);
        },
        onQueued: () => undefined,
        onChanged: () => undefined,
        hasten: () => Promise.resolve(false),
      });
    await tell(items.slice(0, 15));
    assert.equal(await make().step(), "some");
    assert.equal(looked.length, 0);
    clock.time += DAY;
    await tell(items.slice(15));
    forgetful = true;
    const state = await inner.get("smartfinance-webhook-state", { hash: "router" });
    assert.equal(state?.["last_event"], items[14]?.["event_id"]);
    assert.equal(await make().step(), "some");
    assert.equal(looked.length, 1 + 15, "the last one routed, and those not newer than it");
    const now = await inner.get("smartfinance-webhook-state", { hash: "router" });
    assert.equal(now?.["last_event"], items[19]?.["event_id"]);
    assert.equal(now?.["routed_place"], 14, "until the feed has nothing more");
  });
});
