import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, newId, T0 } from "#test/support/builders.ts";
import { buildEvent } from "#audit/index.ts";
import { systemRandom } from "#kernel/random.ts";
import type { Item, Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { createAgeAlarm } from "./age-alarm.ts";
import { sha256 } from "./hashing.ts";
import { createLogReader } from "./log-reader.ts";
import { signerOf } from "./note-keys.ts";
import { LOG_TABLE, stateKey } from "./rows.ts";
import { createSealer, LogTamperedError } from "./sealer.ts";

const LIMIT = 60_000;

/** A store whose feed passes over some events, as that of DynamoDB does where somebody has deleted them from the table. */
async function scene(count: number) {
  const clock = { time: T0, now: () => clock.time, sleep: () => Promise.resolve() };
  const inner = openMemoryStore(createMemoryDatabase());
  const gone = new Set<string>();
  const store: Store = {
    ...inner,
    async feed(cursor, limit) {
      const page = await inner.feed(cursor, limit);
      return { ...page, items: page.items.filter(({ event_id }) => !gone.has(String(event_id))) };
    },
  };
  const tell = async (many: number, at = clock.time): Promise<readonly Item[]> => {
    const items = Array.from(
      { length: many },
      (_, n) => buildEvent({ id: newId("event"), type: "deposit.posted", objectId: `txn ${n}` }, actorOf(), at).item,
    );
    for (let from = 0; from < many; from += 50)
      await inner.commit(
        items.slice(from, from + 50).map((item) => ({ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" })),
      );
    return items;
  };
  const signer = signerOf("bank.example/audit", "signature", sha256("key"));
  const sealer = createSealer({ store, clock, random: systemRandom(), signer, eventsPerStep: 256 });
  const said: string[] = [];
  const alarm = createAgeAlarm({
    store,
    reader: createLogReader(store),
    clock,
    limitMs: LIMIT,
    onLate: (age, first) => said.push(`${first ? "late" : "still late"} ${age}`),
    onOver: () => said.push("over"),
  });
  const items = await tell(count);
  return { clock, inner, store, gone, tell, sealer, alarm, said, items };
}

void describe("events that are gone from the table before they were sealed", () => {
  void it("do not end the sealing of those behind them", async () => {
    const { gone, sealer, items } = await scene(600);
    for (const { event_id } of items.slice(0, 590)) gone.add(String(event_id));
    let sealed = 0;
    for (let step = 0; step < 20; step++) sealed += (await sealer.step()).events;
    assert.equal(sealed, 10);
  });

  void it("do not keep the age alarm from the next one", async () => {
    const { clock, gone, alarm, said, items } = await scene(300);
    for (const { event_id } of items.slice(0, 299)) gone.add(String(event_id));
    clock.time += LIMIT + 1;
    await alarm.look();
    assert.deepEqual(said, [`late ${LIMIT + 1}`]);
  });
});

void describe("the age alarm is not misled", () => {
  void it("by what the feed tells again before what is not sealed", async () => {
    const { clock, inner, store, sealer, tell } = await scene(250);
    await sealer.step();
    await tell(1);
    const said: number[] = [];
    const state = await createLogReader(store).state();
    assert.ok(state);
    const whole: Store = {
      ...store,
      feed: (cursor, limit) => inner.feed(cursor === state.cursor ? undefined : cursor, limit),
    };
    const alarm = createAgeAlarm({
      store: whole,
      reader: createLogReader(store),
      clock,
      limitMs: LIMIT,
      onLate: (age) => said.push(age),
      onOver: () => undefined,
    });
    clock.time += LIMIT + 1;
    for (let look = 0; look < 5; look++) await alarm.look();
    assert.deepEqual(said, [LIMIT + 1]);
  });

  void it("by an event whose time is ahead: it has been seen waiting", async () => {
    const { clock, tell, sealer, alarm, said } = await scene(1);
    await sealer.step();
    await tell(1, T0 + 24 * 3_600_000);
    await alarm.look();
    clock.time += LIMIT + 1;
    await alarm.look();
    assert.deepEqual(said, [`late ${LIMIT + 1}`]);
    await sealer.step();
    await alarm.look();
    assert.equal(said.at(-1), "over");
  });

  void it("by a state that cannot be read, which the sealer takes for what it is", async () => {
    const { clock, inner, store, sealer, tell, alarm, said } = await scene(1);
    await sealer.step();
    const state = await inner.get(LOG_TABLE, stateKey);
    assert.ok(state);
    await inner.commit([{ op: "put", table: LOG_TABLE, item: { ...state, size: "1" }, condition: "none" }]);
    await tell(1);
    const signer = signerOf("bank.example/audit", "signature", sha256("key"));
    await assert.rejects(createSealer({ store, clock, random: systemRandom(), signer }).step(), LogTamperedError);
    await alarm.look();
    clock.time += LIMIT + 1;
    await alarm.look();
    assert.deepEqual(said, [`late ${LIMIT + 1}`]);
  });
});
