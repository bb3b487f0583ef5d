import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, newId, T0 } from "#test/support/builders.ts";
import { buildEvent } from "#audit/index.ts";
import type { Item, Store } from "#storage/index.ts";
import type { ArchiveSink, LineSink } from "./port.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { SinkError } from "./port.ts";
import { readProgress } from "./progress.ts";
import { sinkStatus } from "./status.ts";
import { sceneAt } from "./testing/scene.ts";

/** A sink, and the ids of what it was sent. */
function collecting() {
  const taken: string[] = [];
  const sink: LineSink = {
    name: "lines",
    takes: "lines",
    send: (lines) => Promise.resolve(void taken.push(...lines.map(({ eventId }) => eventId))),
    close: () => undefined,
  };
  return { sink, taken };
}

/** A store from whose feed events are gone: so does that of DynamoDB, where somebody has deleted them. */
const without = (store: Store, gone: ReadonlySet<string>): Store => ({
  ...store,
  async feed(cursor, limit) {
    const page = await store.feed(cursor, limit);
    return { ...page, items: page.items.filter(({ event_id }) => !gone.has(String(event_id))) };
  },
});

void describe("a sink of lines", () => {
  void it("passes over events that are gone from the table, and takes those behind them", async () => {
    const scene = await sceneAt(T0);
    const { sink, taken } = collecting();
    const gone = new Set<string>();
    const store = without(scene.store, gone);
    await scene.tell(1);
    const worker = scene.worker([sink], "node-1", store);
    await scene.until(worker, async () => (await readProgress(store, { name: "lines" })).position === 1);
    for (const { event_id } of await scene.tell(1_050)) gone.add(String(event_id));
    const [last] = await scene.tell(1);
    scene.clock.time += 9_000;
    const [shown] = await sinkStatus({ store, log: scene.log, clock: scene.clock, sinks: [sink] });
    assert.equal(shown?.["lag_seconds"], 9);
    await scene.until(worker, () => taken.length === 2);
    assert.equal(taken.at(-1), last?.["event_id"]);
    await worker.stop();
  });

  void it("does so from the very beginning as well", async () => {
    const scene = await sceneAt(T0);
    const { sink, taken } = collecting();
    const gone = new Set((await scene.tell(1_050)).map(({ event_id }) => String(event_id)));
    const store = without(scene.store, gone);
    const [last] = await scene.tell(1);
    const worker = scene.worker([sink], "node-1", store);
    await scene.until(worker, () => taken.length === 1);
    assert.deepEqual(taken, [last?.["event_id"]]);
    await worker.stop();
  });
});

void describe("an event that tells no time, which only somebody else has written", () => {
  const timeless = async (timestamp: string) => {
    const scene = await sceneAt(T0);
    await scene.tell(1);
    const own = { id: newId("event"), type: "deposit.posted", objectId: "txn" } as const;
    const item = { ...buildEvent(own, actorOf(), T0).item, timestamp };
    await scene.store.commit([{ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" }]);
    await scene.tell(1);
    return scene;
  };

  for (const timestamp of ["yesterday", "", "+275760-09-13T00:00:00.001Z"])
    void it(`holds up neither kind of sink: ${JSON.stringify(timestamp)}`, async () => {
      const scene = await timeless(timestamp);
      const times: number[] = [];
      const lines: LineSink = { ...collecting().sink, send: (some) => Promise.resolve(void times.push(...some.map(({ at }) => at))) };
      const keys: string[] = [];
      const archive: ArchiveSink = {
        name: "archive",
        takes: "objects",
        every: { leaves: 4_096, ms: 60_000 },
        put: ({ key }) => Promise.resolve(void keys.push(key)),
        close: () => undefined,
      };
      await scene.seal();
      const worker = scene.worker([lines, archive]);
      scene.clock.time += 61_000;
      await scene.until(worker, () => times.length === 3 && keys.length === 2);
      assert.deepEqual(times, [T0, 0, T0]);
      await scene.until(worker, async () => (await readProgress(scene.store, { name: "archive" })).plan === null);
      await worker.stop();
      assert.deepEqual(scene.errors, []);
      for (const name of ["lines", "archive"]) assert.equal((await readProgress(scene.store, { name })).newest, T0);
      await sinkStatus({ store: scene.store, log: scene.log, clock: scene.clock, sinks: [lines, archive] });
    });
});

void describe("a row of the feed that is no event, or has no RFC 8785 text", () => {
  for (const [row, text] of [
    ["null", '{"row":null}'],
    ["7", '{"row":7}'],
    ['{"event_id":{"toString":1,"valueOf":1},"half":"\\ud800"}', '{"event_id":{"toString":1,"valueOf":1},"half":"\\ud800"}'],
  ] as const)
    void it(`holds up no sink of lines: ${row.slice(0, 60)}`, async () => {
      const scene = await sceneAt(T0);
      await scene.tell(1);
      const feed: Store["feed"] = async (cursor, limit) => {
        const page = await scene.store.feed(cursor, limit);
        return cursor === undefined ? { ...page, items: [JSON.parse(row) as Item, ...page.items] } : page;
      };
      const store = { ...scene.store, feed };
      const lines: string[] = [];
      const sink: LineSink = { ...collecting().sink, send: (some) => Promise.resolve(void lines.push(...some.map((one) => one.text))) };
      const worker = scene.worker([sink], "node-1", store);
      await sinkStatus({ store, log: scene.log, clock: scene.clock, sinks: [sink] });
      await scene.until(worker, () => lines.length === 2 || scene.errors.length > 0);
      await worker.stop();
      assert.deepEqual(scene.errors, []);
      assert.equal(lines[0], text);
    });
});

void describe("a sink that failed", () => {
  void it("is tried again soon, though the clock was set back meanwhile", async () => {
    const scene = await sceneAt(T0);
    let away = true;
    let took = 0;
    const sink: LineSink = {
      name: "lines",
      takes: "lines",
      send: (lines) => (away ? Promise.reject(new SinkError("away", { passing: false })) : Promise.resolve(void (took += lines.length))),
      close: () => undefined,
    };
    await scene.tell(1);
    const worker = scene.worker([sink]);
    await scene.until(worker, () => scene.errors.length === 1);
    away = false;
    scene.clock.time -= 24 * 3_600_000;
    await scene.until(worker, () => took === 1);
    await worker.stop();
  });
});

void describe("a sink that has all there is", () => {
  void it("is not failing because our own store did not answer for a moment", async () => {
    const scene = await sceneAt(T0);
    const { sink, taken } = collecting();
    let away = false;
    const feed: Store["feed"] = (cursor, limit) =>
      away ? Promise.reject(new StoreUnavailableError("away")) : scene.store.feed(cursor, limit);
    await scene.tell(1);
    const worker = scene.worker([sink], "node-1", { ...scene.store, feed });
    await scene.until(worker, () => taken.length === 1);
    away = true;
    await scene.until(worker, () => scene.errors.length === 1);
    away = false;
    scene.clock.time += 61_000;
    for (let turn = 0; turn < 20; turn++) {
      await worker.work();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const [shown] = await sinkStatus({ store: scene.store, log: scene.log, clock: scene.clock, sinks: [sink] });
    assert.deepEqual([shown?.["status"], shown?.["lag_seconds"]], ["ok", 0]);
    await worker.stop();
  });
});

void describe("an archive", () => {
  void it("does not wait for the time of an event that a clock far ahead has given it", async () => {
    const scene = await sceneAt(T0);
    const keys: string[] = [];
    const sink: ArchiveSink = {
      name: "archive",
      takes: "objects",
      every: { leaves: 4_096, ms: 60_000 },
      put: ({ key }) => Promise.resolve(void keys.push(key)),
      close: () => undefined,
    };
    await scene.tell(1, { at: T0 + 400 * 24 * 3_600_000 });
    await scene.tell(5);
    await scene.seal();
    const worker = scene.worker([sink]);
    scene.clock.time += 61_000;
    await scene.until(worker, () => keys.length === 2);
    assert.deepEqual(keys, ["events/0000000000000000-0000000000000006.ndjson", "checkpoints/0000000000000006.txt"]);
    await worker.stop();
  });
});
