import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "#kernel/clock.ts";
import type { Store, Write } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import type { Fault } from "#storage/memory/memory-store.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { createJournal } from "./journal.ts";
import { createLeader, STATE_TABLE } from "./leader.ts";

const put = (id: string, value: number): Write => ({ op: "put", table: STATE_TABLE, item: { id, value }, condition: "none" });

void describe("createJournal", () => {
  void it("writes what is asked in order, a record once a commit, through faults of every kind", async () => {
    const faults: Fault[] = (["throttled", "timeout_written", "timeout_unwritten", "unavailable"] as const).map((kind) => ({ kind }));
    let on = false;
    const store = openMemoryStore(createMemoryDatabase(), {
      faults: (operation) => (on && operation === "commit" ? (faults.shift() ?? { kind: "none" }) : { kind: "none" }),
    });
    const clock = { now: () => systemClock.now(), sleep: () => systemClock.sleep(0) };
    const leader = createLeader({ store, clock, name: "a" });
    assert.ok(await leader.keep());
    const journal = createJournal({ store, clock, leader });
    on = true;
    const done = await Promise.all(
      [1, 2, 3, 4, 5].flatMap((value) => [journal.write([put("x", value)]), journal.write([put(`y${value}`, value)])]),
    );
    assert.deepEqual([...new Set(done)], [true]);
    assert.equal((await store.get(STATE_TABLE, { hash: "x" }))?.value, 5);
    assert.equal((await store.get(STATE_TABLE, { hash: "y3" }))?.value, 3);
  });

  void it("writes nothing for one that was overtaken, and says so", async () => {
    const database = createMemoryDatabase();
    const [first, second] = [openMemoryStore(database), openMemoryStore(database)];
    let offset = 0;
    const clock = { now: () => systemClock.now() + offset, sleep: () => systemClock.sleep(0) };
    const stale = createLeader({ store: first, clock, name: "a" });
    const next = createLeader({ store: second, clock, name: "b" });
    assert.ok(await stale.keep());
    assert.ok(!(await next.keep()), "two lead");
    offset = 11_000;
    assert.ok(await next.keep(), "nobody takes over");
    assert.equal(await createJournal({ store: first, clock, leader: stale }).write([put("x", 1)]), false);
    assert.equal(await first.get(STATE_TABLE, { hash: "x" }), undefined);
    assert.equal(stale.fence(), undefined);
    assert.ok(!(await stale.keep()));
    await next.resign();
    assert.ok(await stale.keep(), "a resigned leader's place is free at once");
  });

  void it("writes nothing in a later term of its node, which has read anew what is in the store", async () => {
    const inner = openMemoryStore(createMemoryDatabase());
    const clock = { now: () => systemClock.now(), sleep: () => systemClock.sleep(0) };
    const begun = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    let commits = 0;
    const store: Store = {
      ...inner,
      async commit(writes) {
        commits += 1;
        if (commits > 1) return inner.commit(writes);
        begun.resolve();
        await held.promise;
        return { outcome: "unknown", cause: undefined };
      },
    };
    const leader = createLeader({ store: inner, clock, name: "a" });
    assert.ok(await leader.keep());
    const written = createJournal({ store, clock, leader }).write([put("x", 1)]);
    await begun.promise;
    // It could not renew its lease in time, and takes over from itself.
    leader.lost();
    assert.ok(await leader.keep());
    held.resolve();
    assert.equal(await written, false);
    assert.equal(await inner.get(STATE_TABLE, { hash: "x" }), undefined);
    assert.notEqual(leader.fence(), undefined, "the later term is not at fault");
  });

  void it("rejects what breaks the store's contract, and goes on", async () => {
    const store = openMemoryStore(createMemoryDatabase());
    const leader = createLeader({ store, clock: systemClock, name: "a" });
    assert.ok(await leader.keep());
    const journal = createJournal({ store, clock: systemClock, leader });
    await assert.rejects(journal.write([{ op: "put", table: STATE_TABLE, item: {}, condition: "none" }]), /InvariantError|id is not/);
    assert.ok(await journal.write([put("x", 1)]));
  });
});
