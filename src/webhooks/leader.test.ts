import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { T0 } from "#test/support/builders.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import type { Fault } from "#storage/memory/memory-store.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { createLeader } from "./leader.ts";

/** Two nodes over one store, each with its own clock. */
function scene() {
  const database = createMemoryDatabase();
  let fault: Fault = { kind: "none" };
  const node = (name: string) => {
    const clock = { time: T0, now: () => clock.time, sleep: () => Promise.resolve() };
    const store = openMemoryStore(database, { faults: (operation) => (operation === "commit" ? fault : { kind: "none" }) });
    return { clock, leader: createLeader({ store, clock, name }) };
  };
  const terms = async () => (await openMemoryStore(database).get("smartfinance-webhook-state", { hash: "term" }))?.["version"];
  return { first: node("a"), second: node("b"), terms, fail: (kind: Fault["kind"]) => void (fault = { kind } as Fault) };
}

void describe("createLeader", () => {
  void it("lets another node take over ten seconds after one that has ended", async () => {
    const { first, second } = scene();
    assert.equal(await first.leader.keep(), true);
    second.clock.time += 9_999;
    assert.equal(await second.leader.keep(), false);
    second.clock.time += 1;
    assert.equal(await second.leader.keep(), true);
  });

  void it("lets another node take over from one that has ended and whose clock was wrong", async () => {
    const { first, second } = scene();
    first.clock.time += 3_600_000;
    assert.equal(await first.leader.keep(), true);
    assert.equal(await second.leader.keep(), false, "it may be alive");
    second.clock.time += 9_999;
    assert.equal(await second.leader.keep(), false);
    second.clock.time += 1;
    assert.equal(await second.leader.keep(), true);
  });

  void it("lets another node take over from one that has ended, also when the clock of the other was set back meanwhile", async () => {
    const { first, second } = scene();
    first.clock.time += 5_000;
    assert.equal(await first.leader.keep(), true);
    assert.equal(await second.leader.keep(), false);
    second.clock.time -= 3_600_000;
    assert.equal(await second.leader.keep(), false);
    second.clock.time += 10_000;
    assert.equal(await second.leader.keep(), true);
  });

  void it("changes once between nodes whose clocks differ, whichever was first", async () => {
    for (const ahead of [-3_600_000, -120_000, 120_000, 3_600_000]) {
      const { first, second, terms } = scene();
      second.clock.time += ahead;
      for (let seconds = 0; seconds < 120; seconds++) {
        for (const { clock, leader } of [first, second]) {
          await leader.keep();
          clock.time += 1_000;
        }
      }
      // The first to look takes it. A clock that is ahead takes the lease for over, and one that is behind waits for it.
      assert.deepEqual([await first.leader.keep(), await second.leader.keep()], [ahead < 0, ahead > 0]);
      assert.equal(await terms(), ahead < 0 ? 1 : 2);
    }
  });

  void it("leaves one alone whose clock is ahead a little", async () => {
    const { first, second } = scene();
    first.clock.time += 30_000;
    assert.equal(await first.leader.keep(), true);
    assert.equal(await second.leader.keep(), false);
  });

  void it("does not go on without the store for longer because its clock was set back", async () => {
    const { first, fail } = scene();
    assert.equal(await first.leader.keep(), true);
    first.clock.time -= 3_600_000;
    fail("unavailable");
    assert.equal(await first.leader.keep(), false);
  });
});
