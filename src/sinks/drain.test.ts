import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { T0 } from "#test/support/builders.ts";
import type { Store } from "#storage/index.ts";
import type { LineSink } from "./port.ts";
import { readProgress } from "./progress.ts";
import { sinkStatus } from "./status.ts";
import { sceneAt } from "./testing/scene.ts";

void describe("a sink of lines", () => {
  void it("passes over events that are gone from the table, and takes those behind them", async () => {
    const scene = await sceneAt(T0);
    const taken: string[] = [];
    const sink: LineSink = {
      name: "lines",
      takes: "lines",
      send: (lines) => Promise.resolve(void taken.push(...lines.map(({ eventId }) => eventId))),
      close: () => undefined,
    };
    const gone = new Set<string>();
    // So does the feed of DynamoDB, where somebody has deleted them.
    const store: Store = {
      ...scene.store,
      async feed(cursor, limit) {
        const page = await scene.store.feed(cursor, limit);
        return { ...page, items: page.items.filter(({ event_id }) => !gone.has(String(event_id))) };
      },
    };
    await scene.tell(1);
    const worker = scene.worker([sink], "node-1", store);
    await scene.until(worker, async () => (await readProgress(store, "lines")).position === 1);
    for (const { event_id } of await scene.tell(1_050)) gone.add(String(event_id));
    const [last] = await scene.tell(1);
    scene.clock.time += 9_000;
    const [shown] = await sinkStatus({ store, log: scene.log, clock: scene.clock, sinks: [sink] });
    assert.equal(shown?.["lag_seconds"], 9);
    await scene.until(worker, () => taken.length === 2);
    assert.equal(taken.at(-1), last?.["event_id"]);
    await worker.stop();
  });
});
