import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, newId, T0 } from "#test/support/builders.ts";
import { buildEvent } from "#audit/index.ts";
import { createIds } from "#kernel/ids.ts";
import { seededRandom } from "#test/support/builders.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { createAuditTree } from "./audit-tree.ts";
import { createClockGuard } from "./clock-guard.ts";
import { stateFromItem, stateKey } from "./rows.ts";
import { fixedKey } from "./testing/fixed-key.ts";

const DAY = 24 * 3_600_000;
const QUARTER = 15 * 60_000;

function clocks() {
  const time = { wall: T0, ran: 5_000 };
  const pass = (ms: number): void => {
    time.wall += ms;
    time.ran += ms;
  };
  const clock = { now: () => time.wall, sleep: () => Promise.resolve() };
  return { time, pass, clock, monotonic: () => time.ran };
}

void describe("AUD-12 the clock guard", () => {
  void it("doubts a clock that was set far ahead until it is set back", () => {
    const { time, pass, ...deps } = clocks();
    const guard = createClockGuard(deps);
    pass(DAY);
    assert.equal(guard.ahead(), undefined, "time that passes");
    time.wall += 60_000;
    assert.equal(guard.ahead(), undefined, "a minute is allowed");
    time.wall += DAY;
    pass(1_000);
    assert.equal(guard.ahead(), DAY);
    pass(QUARTER - 1);
    assert.equal(guard.ahead(), DAY);
    time.wall -= DAY;
    assert.equal(guard.ahead(), undefined);
    time.wall += 2 * DAY;
    assert.equal(guard.ahead(), 2 * DAY, "the doubt of before is over and is no part of the next one");
    pass(QUARTER - 1);
    assert.equal(guard.ahead(), 2 * DAY);
    time.wall += DAY;
    pass(1);
    assert.equal(guard.ahead(), 3 * DAY, "set again, doubted anew");
    pass(QUARTER);
    assert.equal(guard.ahead(), undefined, "not for ever: a machine may have been suspended");
  });

  void it("believes it when somebody else's clock says the same", () => {
    const { time, ...deps } = clocks();
    const guard = createClockGuard(deps);
    time.wall += DAY;
    assert.equal(guard.ahead(), DAY);
    guard.confirmed();
    assert.equal(guard.ahead(), undefined);
    time.wall -= 2 * DAY;
    assert.equal(guard.ahead(), undefined, "backwards is told by the last checkpoint");
  });

  void it("takes it for proven once it was believed for a quarter of an hour, or somebody else's clock has said the same", () => {
    for (const byOther of [false, true]) {
      const { time, pass, ...deps } = clocks();
      const guard = createClockGuard(deps);
      pass(QUARTER - 1);
      assert.equal(guard.isProven(), false, "it may have been wrong from the start on");
      if (byOther) guard.confirmed();
      else pass(1);
      assert.equal(guard.isProven(), true);
      time.wall += DAY;
      assert.equal(guard.isProven(), false);
      pass(QUARTER);
      assert.equal(guard.isProven(), true);
    }
  });

  void it("keeps the log from a time that it could not leave again", async () => {
    const { time, clock, monotonic } = clocks();
    const store = openMemoryStore(createMemoryDatabase());
    const errors: string[] = [];
    const random = seededRandom(3);
    const tree = createAuditTree({
      store,
      clock,
      monotonic,
      random,
      ids: createIds(clock, random),
      ...fixedKey(9),
      environment: "test",
      witnesses: [],
      onError: (error) => errors.push(String(error)),
    });
    const tell = async (): Promise<void> => {
      const { item } = buildEvent({ id: newId("event"), type: "deposit.posted", objectId: "txn" }, actorOf(), clock.now());
      await store.commit([{ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" }]);
      await tree.worker.work();
    };
    const state = async () => {
      const item = await store.get("smartfinance-log", stateKey);
      return item === undefined ? undefined : stateFromItem(item);
    };
    await tell();
    time.wall += 10 * DAY;
    await tell();
    assert.deepEqual([(await state())?.size, (await state())?.sealedAt, tree.health], [1, T0, "clock_skew"]);
    assert.match(errors.at(-1) ?? "", /ClockSkewError: the clock was set 864000000 ms ahead/);
    time.wall -= 10 * DAY;
    await tell();
    assert.deepEqual([(await state())?.size, (await state())?.sealedAt, tree.health], [3, T0, "ok"]);
  });
});
