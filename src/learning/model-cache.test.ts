import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ORG } from "#test/support/builders.ts";
import { refuse } from "#kernel/problems.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { createModelCache } from "./model-cache.ts";
import type { RiskModel } from "./model-record.ts";
import { MODELS_TABLE, readModel } from "./model-record.ts";
import { bench, readHere, stump, until } from "./test-kit.ts";

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

  it("of one organisation that cannot be read say nothing of another's with the same content, asked for at the same moment", async () => {
    const { quiet, bring } = bench();
    const good = await readModel(quiet.store, ORG, await bring(stump("amount")));
    const other = await readModel(quiet.store, ORG, await bring(stump("amount")));
    assert.ok(good && other && good.hash === other.hash && good.id !== other.id);
    const piece = await quiet.store.get(MODELS_TABLE, { hash: `${other.id}#0` });
    assert.ok(piece);
    const broken = { ...piece, content: "AAAA" };
    assert.equal((await quiet.store.commit([{ op: "put", table: MODELS_TABLE, item: broken, condition: "none" }])).outcome, "committed");
    const cache = createModelCache({ store: quiet.store, read: readHere });
    const loaded = await Promise.allSettled([other, good, other, good].map((model) => cache.load(model)));
    assert.deepEqual(
      loaded.map(({ status }) => status),
      ["rejected", "fulfilled", "rejected", "fulfilled"],
    );
    assert.ok(cache.atHand(good) !== undefined);
  });

  it("are not taken for broken when the machine gives no thread to read them in", async () => {
    const { quiet, bring } = bench();
    const model = await readModel(quiet.store, ORG, await bring(stump("amount")));
    assert.ok(model);
    let isShort = true;
    const cache = createModelCache({ store: quiet.store, read: async (job) => (isShort ? refuse("overloaded") : readHere(job)) });
    await assert.rejects(cache.load(model), StoreUnavailableError);
    isShort = false;
    await cache.load(model);
  });

  it("that no payment waits for leave a place to those that one waits for, and come on in their turn", async () => {
    const { quiet, bring } = bench();
    const models: RiskModel[] = [];
    for (let n = 0; n < 5; n++) {
      const model = await readModel(quiet.store, ORG, await bring(stump("amount", { base: n })));
      assert.ok(model);
      models.push(model);
    }
    const going: (() => void)[] = [];
    let begun = 0;
    const cache = createModelCache({
      store: quiet.store,
      read: async (job) => {
        begun += 1;
        await new Promise<void>((go) => void going.push(go));
        return readHere(job);
      },
    });
    const [one, two, three, four, five] = models;
    assert.ok(one && two && three && four && five);
    const readers = [one, two, three].map((model) => cache.load(model));
    await until(() => begun === 1);
    // What a reader has asked for as well.
    const first = cache.load(two, "payment");
    await until(() => begun === 2);
    const others = [four, five].map((model) => cache.load(model, "payment"));
    going[1]?.();
    await first;
    await until(() => begun === 3);
    going[2]?.();
    await others[0];
    await until(() => begun === 4);
    assert.equal(cache.atHand(one), undefined, "it is still being read");
    for (let n = 0; n < 5; n++) {
      await until(() => going[n] !== undefined);
      going[n]?.();
    }
    await Promise.all([...readers, ...others]);
  });
});
