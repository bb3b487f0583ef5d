import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ORG } from "#test/support/builders.ts";
import { refuse } from "#kernel/problems.ts";
import { createModelCache } from "./model-cache.ts";
import type { RiskModel } from "./model-record.ts";
import { readModel } from "./model-record.ts";
import { bench, readHere, stump } from "./test-kit.ts";

describe("models in memory", () => {
  it("are read a few at once, however many are asked for: each takes a thread and its memory, and all together more time than one may", async () => {
    const { quiet, bring } = bench();
    const models: RiskModel[] = [];
    for (let n = 0; n < 12; n++) {
      const model = await readModel(quiet.store, ORG, await bring(stump("amount", { base: n })));
      assert.ok(model);
      models.push(model);
    }
    let reading = 0;
    let most = 0;
    let reads = 0;
    const cache = createModelCache({
      store: quiet.store,
      read: async (job) => {
        reads += 1;
        reading += 1;
        most = Math.max(most, reading);
        const fails = reads === 3;
        await new Promise((resolve) => setImmediate(resolve));
        reading -= 1;
        return fails ? refuse("invalid_request", "content") : readHere(job);
      },
    });
    // Whoever asks for the same at the same time shares one reading.
    const loaded = await Promise.allSettled([...models, ...models].map((model) => cache.load(model)));
    assert.deepEqual([reads, loaded.filter(({ status }) => status === "rejected").length], [12, 2]);
    assert.ok(most <= 2, `${most} at once`);
    for (const model of models) await cache.load(model);
    assert.equal(reads, 13, "only the one that failed is read again");
  });
});
