import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InvariantError } from "#kernel/assert.ts";
import { type Item, StoreUnavailableError, type Write } from "../port.ts";
import { type InspectableStore, stateHash } from "../state-hash.ts";
import { createMemoryDatabase, type MemoryDatabase } from "./database.ts";
import { type Fault, openMemoryStore, type Operation } from "./memory-store.ts";

const META = "smartfinance-meta";
const putVersioned = (id: string, version: number): Write =>
  version === 1
    ? { op: "put", table: META, item: { id, version }, condition: "absent" }
    : { op: "put", table: META, item: { id, version }, condition: { version: version - 1 } };

/** A store whose next operations meet the given faults, one after the other, and then none. */
function storeWith(database: MemoryDatabase, faults: Fault[]): InspectableStore {
  return openMemoryStore(database, { faults: () => faults.shift() ?? { kind: "none" } });
}

/** A clock that stands still until a test lets it go on. */
function handClock(): { sleep(ms: number): Promise<void>; advance(ms: number): Promise<void> } {
  let now = 0;
  let sleepers: { at: number; wake: () => void }[] = [];
  return {
    sleep: (ms) => new Promise((wake) => sleepers.push({ at: now + ms, wake })),
    async advance(ms) {
      now += ms;
      const due = sleepers.filter(({ at }) => at <= now);
      sleepers = sleepers.filter(({ at }) => at > now);
      for (const { wake } of due) wake();
      await new Promise(setImmediate);
    },
  };
}

void describe("memory store: faults", () => {
  void it("lets a commit that was kept back come through when later operations of any node begin", async () => {
    const database = createMemoryDatabase();
    const node = storeWith(database, [{ kind: "timeout_written_later", laterBy: 2 }]);
    const other = openMemoryStore(database);
    assert.equal((await node.commit([putVersioned("a", 1)])).outcome, "unknown");
    assert.equal(await other.get(META, { hash: "a" }), undefined);
    assert.deepEqual(await other.get(META, { hash: "a" }), { id: "a", version: 1 });
  });

  void it("drops a commit that was kept back when its conditions no longer hold", async () => {
    const database = createMemoryDatabase();
    const node = storeWith(database, [{ kind: "none" }, { kind: "timeout_written_later", laterBy: 2 }]);
    assert.equal((await node.commit([putVersioned("a", 1)])).outcome, "committed");
    const late: Write[] = [putVersioned("a", 2), putVersioned("b", 1)];
    assert.equal((await node.commit(late)).outcome, "unknown");
    // Sent again before the first sending comes through: it happens once.
    assert.equal((await node.commit(late)).outcome, "committed");
    assert.deepEqual(await node.get(META, { hash: "a" }), { id: "a", version: 2 });
    assert.deepEqual(await node.commit(late), { outcome: "conflict", writes: [0, 1] });
  });

  void it("lets everything that was kept back come through by settle", async () => {
    const database = createMemoryDatabase();
    const node = storeWith(database, [
      { kind: "timeout_written_later", laterBy: 100 },
      { kind: "timeout_written_later", laterBy: 100 },
    ]);
    await node.commit([putVersioned("a", 1)]);
    await node.commit([putVersioned("a", 1), putVersioned("b", 1)]);
    assert.equal(await node.get(META, { hash: "a" }), undefined);
    database.settle();
    assert.deepEqual(await node.get(META, { hash: "a" }), { id: "a", version: 1 });
    assert.equal(await node.get(META, { hash: "b" }), undefined);
  });

  void it("delays before and after it applies, by the clock it was given", async () => {
    const database = createMemoryDatabase();
    const clock = handClock();
    const fault: Fault = { kind: "none", beforeMs: 10, afterMs: 20 };
    const slow = openMemoryStore(database, { clock, faults: (operation) => (operation === "commit" ? fault : { kind: "none" }) });
    const quick = openMemoryStore(database);
    let outcome = "";
    const running = slow.commit([putVersioned("a", 1)]).then((result) => {
      outcome = result.outcome;
    });
    await clock.advance(9);
    assert.equal(await quick.get(META, { hash: "a" }), undefined);
    await clock.advance(1);
    assert.deepEqual(await quick.get(META, { hash: "a" }), { id: "a", version: 1 });
    assert.equal(outcome, "");
    await clock.advance(20);
    await running;
    assert.equal(outcome, "committed");
  });

  void it("answers a delayed read with what was there when it was taken", async () => {
    const database = createMemoryDatabase();
    const clock = handClock();
    const slow = openMemoryStore(database, { clock, faults: () => ({ kind: "none", afterMs: 5 }) });
    const reading = slow.get(META, { hash: "a" });
    await openMemoryStore(database).commit([putVersioned("a", 1)]);
    await clock.advance(5);
    assert.equal(await reading, undefined);
  });

  void it("reads many items at different times, as no snapshot", async () => {
    const database = createMemoryDatabase();
    const clock = handClock();
    const slow = openMemoryStore(database, { clock, faults: () => ({ kind: "none", amidMs: 5 }) });
    const refs = ["a", "b", "c"].map((hash) => ({ table: META, key: { hash } }) as const);
    const reading = slow.getMany(refs);
    await clock.advance(0);
    await openMemoryStore(database).commit(["a", "b", "c"].map((id) => putVersioned(id, 1)));
    await clock.advance(5);
    assert.deepEqual(await reading, [undefined, { id: "b", version: 1 }, undefined]);
  });

  void it("waits for delayed commits when closed", async () => {
    const database = createMemoryDatabase();
    const clock = handClock();
    const node = openMemoryStore(database, { clock, faults: () => ({ kind: "none", beforeMs: 5 }) });
    const running = node.commit([putVersioned("a", 1)]);
    let closed = false;
    const closing = node.close().then(() => {
      closed = true;
    });
    assert.equal((await node.commit([putVersioned("b", 1)])).outcome, "unavailable");
    await clock.advance(4);
    assert.equal(closed, false);
    await clock.advance(1);
    assert.equal((await running).outcome, "committed");
    await closing;
    assert.deepEqual(await openMemoryStore(database).get(META, { hash: "a" }), { id: "a", version: 1 });
  });

  void it("asks for a clock when a fault delays", async () => {
    const node = storeWith(createMemoryDatabase(), [{ kind: "none", beforeMs: 1 }]);
    await assert.rejects(node.commit([putVersioned("a", 1)]), InvariantError);
  });

  void it("throws StoreUnavailableError from reads only where they are refused", async () => {
    const asked: Operation[] = [];
    const node = openMemoryStore(createMemoryDatabase(), {
      faults: (operation) => {
        asked.push(operation);
        return { kind: operation === "query" ? "unavailable" : "timeout_unwritten" };
      },
    });
    await node.ping();
    assert.deepEqual(await node.getMany([{ table: META, key: { hash: "a" } }]), [undefined]);
    await assert.rejects(node.query({ table: META, hash: "a", order: "ascending", limit: 1 }), StoreUnavailableError);
    assert.deepEqual(asked, ["ping", "getMany", "query"]);
  });

  void it("hands out frozen copies", async () => {
    const node = openMemoryStore(createMemoryDatabase());
    const item: Item & { list: number[] } = { id: "a", list: [1] };
    await node.commit([{ op: "put", table: META, item, condition: "absent" }]);
    item.list.push(2);
    const got = await node.get(META, { hash: "a" });
    assert.deepEqual(got, { id: "a", list: [1] });
    assert.ok(Object.isFrozen(got) && Object.isFrozen(got?.["list"]));
  });

  void it("refuses what is no JSON before anything happens", async () => {
    const node = openMemoryStore(createMemoryDatabase());
    const bad: Item = { id: "b", amount: Number.NaN };
    await assert.rejects(node.commit([putVersioned("a", 1), { op: "put", table: META, item: bad, condition: "none" }]), InvariantError);
    assert.equal(await node.get(META, { hash: "a" }), undefined);
  });

  void it("applies a commit at most once under any faults when it is sent again until it is decided", async () => {
    const kinds = ["none", "throttled", "unavailable", "timeout_written", "timeout_unwritten", "timeout_written_later"] as const;
    const fault: fc.Arbitrary<Fault> = fc.record({ kind: fc.constantFrom(...kinds), laterBy: fc.integer({ min: 1, max: 6 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(fault, { maxLength: 60 }), fc.integer({ min: 1, max: 8 }), async (faults, commands) => {
        const run = async (): Promise<string> => {
          const database = createMemoryDatabase();
          const queue = [...faults];
          const node = openMemoryStore(database, {
            faults: (operation) => (operation === "commit" ? (queue.shift() ?? { kind: "none" }) : { kind: "none" }),
          });
          for (let n = 1; n <= commands; n++) {
            for (let attempt = 0; (await node.get(META, { hash: `done-${n}` })) === undefined; attempt++) {
              assert.ok(attempt < 200, "no end");
              const balance = (await node.get(META, { hash: "balance" }))?.["version"];
              await node.commit([putVersioned("balance", typeof balance === "number" ? balance + 1 : 1), putVersioned(`done-${n}`, 1)]);
            }
          }
          database.settle();
          assert.deepEqual(await node.get(META, { hash: "balance" }), { id: "balance", version: commands });
          return stateHash(node.dump());
        };
        assert.equal(await run(), await run(), "the same faults gave another history");
      }),
    );
  });
});
