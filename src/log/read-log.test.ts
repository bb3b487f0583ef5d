import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, T0, testIds } from "#test/support/builders.ts";
import { createCommitQueue } from "#commit/index.ts";
import { systemRandom } from "#kernel/random.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { createReadLog } from "./read-log.ts";

function scene() {
  const clock = { time: T0, now: () => clock.time, sleep: () => Promise.resolve() };
  const store = openMemoryStore(createMemoryDatabase(), { clock });
  const queue = createCommitQueue({ store, clock, random: systemRandom() });
  const reads = createReadLog({ queue, ids: testIds(7), clock, onLost: (why) => assert.fail(String(why)) });
  return { clock, reads, told: async () => (await store.feed(undefined, 10)).items.length };
}

void describe("AUD-08 readings of the audit log", () => {
  void it("are told once a minute, also where the clock is set back meanwhile", async () => {
    for (const change of [60_000, -60_000, -86_400_000]) {
      const { clock, reads, told } = scene();
      reads.note(actorOf(), "listAuditEvents");
      clock.time += 5_000;
      await reads.flush();
      assert.equal(await told(), 0);
      clock.time += change;
      for (let n = 0; n < 13; n++, clock.time += 5_000) await reads.flush();
      assert.equal(await told(), 1, `after ${change}`);
    }
  });
});
