import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newId, OTHER_ORG, ORG } from "#test/support/builders.ts";
import { FEATURES_HASH } from "#features/index.ts";
import type { RiskModelId } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import type { Operation } from "#storage/memory/memory-store.ts";
import { retireModel, startShadow } from "./change-state.ts";
import { createModelCache } from "./model-cache.ts";
import { MODELS_TABLE } from "./model-record.ts";
import type { ModelFault, ModelsDeps } from "./models.ts";
import { createModels } from "./models.ts";
import { emptyRegistry, registries } from "./registry.ts";
import { bench, readHere, stump, until, vectorOf, whenJoined } from "./test-kit.ts";

function live() {
  const made = bench();
  const seen: Operation[] = [];
  const down = { now: false };
  const { store } = made.node((operation) => {
    seen.push(operation);
    return down.now && operation !== "commit" ? { kind: "unavailable" } : { kind: "none" };
  });
  const faults: ModelFault[] = [];
  let texts = 0;
  const cache = createModelCache({
    store,
    read: (job) => {
      texts += 1;
      return readHere(job);
    },
  });
  const create = (options: Partial<ModelsDeps> = {}) =>
    createModels({ store, clock: made.clock, cache, onFault: (fault) => faults.push(fault), ...options });
  const shadow = async (id: RiskModelId): Promise<void> => {
    const executed = await startShadow(made.quiet.deps, made.asked, id);
    assert.ok(executed.ok && executed.reply.status === 200);
  };
  return { ...made, seen, down, faults, cache, create, shadow, texts: () => texts };
}

async function change(store: Store, key: string, more: object): Promise<void> {
  const item = await store.get(MODELS_TABLE, { hash: key });
  assert.ok(item);
  assert.equal(
    (await store.commit([{ op: "put", table: MODELS_TABLE, item: { ...item, ...more }, condition: "none" }])).outcome,
    "committed",
  );
}

describe("the models in force", () => {
  it("score as the content says, are at hand at once when they are known, and change within five seconds on every node", async () => {
    const { create, bring, shadow, clock, quiet, asked, cache } = live();
    const models = create();
    const id = await bring(stump("amount"));
    assert.deepEqual(await models.of(ORG), { champion: undefined, shadow: undefined });
    await shadow(id);
    const still = models.of(ORG);
    assert.ok(!(still instanceof Promise) && still.shadow === undefined);
    clock.time += 5_000;
    const { shadow: found, champion } = await whenJoined(models, ORG, "shadow");
    assert.ok(found !== undefined && champion === undefined);
    assert.deepEqual([found.id, found.featuresHash], [id, FEATURES_HASH]);
    assert.ok(Math.abs(found.score(vectorOf(11)) - 1 / (1 + Math.exp(-2))) < 1e-12);
    assert.ok(Math.abs(found.score(vectorOf(9)) - 1 / (1 + Math.exp(2))) < 1e-12);
    assert.equal(found.explain(vectorOf(11))[0]?.feature, "amount");
    const again = models.of(ORG);
    assert.ok(!(again instanceof Promise) && again.shadow === found);
    // In the process that changed it, at once.
    const own = createModels({ store: quiet.store, clock, cache });
    await own.of(ORG);
    await retireModel({ ...quiet.deps, forget: (organisation) => own.forget(organisation) }, asked, id);
    assert.equal((await own.of(ORG)).shadow, undefined);
  });

  it("are read beside the payments when half of the time is over, once for all who ask", async () => {
    const { create, clock, seen } = live();
    const models = create();
    await Promise.all([models.of(ORG), models.of(ORG), models.of(ORG)]);
    assert.deepEqual(seen, ["get"]);
    clock.time += 2_500;
    assert.ok(!(models.of(ORG) instanceof Promise));
    assert.ok(!(models.of(ORG) instanceof Promise));
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(seen, ["get", "get"], "one read for an organisation without models");
    clock.time += 4_900;
    assert.ok(!(models.of(ORG) instanceof Promise), "what was read beside is good for another five seconds");
    await new Promise((resolve) => setImmediate(resolve));
    clock.time -= 60_000;
    assert.ok(models.of(ORG) instanceof Promise, "a clock that went back makes nothing good for longer");
  });

  it("are one in memory when organisations have the same content", async () => {
    const { create, bring, shadow, quiet, texts } = live();
    const models = create();
    await shadow(await bring(stump("amount")));
    const own = await whenJoined(models, ORG, "shadow");
    assert.equal(texts(), 1);
    // The same record for another organisation.
    const id = own.shadow?.id as RiskModelId;
    await change(quiet.store, id, { organisation_id: OTHER_ORG });
    const item = registries.toItem({ ...emptyRegistry(OTHER_ORG), shadowId: id, version: 1 });
    await quiet.store.commit([{ op: "put", table: MODELS_TABLE, item, condition: "absent" }]);
    assert.equal((await models.of(OTHER_ORG)).shadow?.id, id);
    assert.equal(texts(), 1);
  });

  it("stay within their bounds", async () => {
    const { create, bring, shadow, seen } = live();
    await shadow(await bring(stump("amount")));
    for (const options of [{ maxOrganisations: 1 }, { maxNodes: 2 }]) {
      const models = create(options);
      await whenJoined(models, ORG, "shadow");
      await models.of(OTHER_ORG);
      assert.ok(models.of(ORG) instanceof Promise, "the older one went");
    }
    const busy = create({ maxReads: 1 });
    const first = busy.of(ORG);
    await assert.rejects(async () => busy.of(OTHER_ORG), StoreUnavailableError);
    await first;
    await busy.of(OTHER_ORG);
    assert.ok(seen.length > 0);
  });

  it("of a few large ones do not cost the small ones theirs, nor those without models what is known of them", async () => {
    const { create, bring, quiet } = live();
    const models = create({ maxNodes: 14 });
    const [tree] = stump("amount").trees;
    assert.ok(tree);
    const organisation = async (base: number, trees: number) => {
      const id = newId("organisation");
      const championId = await bring(stump("amount", { base, trees: Array.from({ length: trees }, () => tree) }));
      await change(quiet.store, championId, { organisation_id: id });
      const item = registries.toItem({ ...emptyRegistry(id), championId, version: 1 });
      await quiet.store.commit([{ op: "put", table: MODELS_TABLE, item, condition: "absent" }]);
      assert.equal((await models.of(id)).champion?.id, championId);
      return id;
    };
    await models.of(ORG);
    const small = await organisation(1, 1);
    const large = await organisation(2, 2);
    const larger = await organisation(3, 3);
    assert.deepEqual(
      [ORG, small, large, larger].map((id) => models.of(id) instanceof Promise),
      [false, false, true, false],
    );
  });

  it("are not used when they do not fit the code or are broken, which is told once and tried again later", async () => {
    const { create, bring, shadow, quiet, clock, faults, texts } = live();
    const id = await bring(stump("amount"));
    await shadow(id);
    for (const [key, broken, why] of [
      [id, { features_hash: "00" }, /other features/],
      [id, { hash: "00" }, /another one/],
      [`${id}#0`, { content: "AAAA" }, /unpacked/],
      [id, { organisation_id: OTHER_ORG }, /not there/],
    ] as const) {
      const models = create();
      const before = await quiet.store.get(MODELS_TABLE, { hash: key });
      faults.length = 0;
      await change(quiet.store, key, broken);
      // Nothing of an earlier case may be in memory.
      const cold = create({ cache: createModelCache({ store: quiet.store, read: readHere }) });
      assert.equal((await cold.of(ORG)).shadow, undefined);
      await until(() => faults.length === 1);
      assert.match(String(faults[0]?.reason), why);
      clock.time += 5_000;
      assert.equal((await cold.of(ORG)).shadow, undefined);
      assert.equal(faults.length, 1, "it is not read again each time");
      await change(quiet.store, key, before ?? {});
      clock.time += 60_000;
      assert.equal((await whenJoined(cold, ORG, "shadow")).shadow?.id, id);
      assert.equal((await whenJoined(models, ORG, "shadow")).shadow?.id, id);
    }
    assert.ok(texts() >= 1);
  });

  it("are not known, rather than none, when the store cannot be read", async () => {
    const { create, bring, shadow, clock, down } = live();
    const models = create();
    const id = await bring(stump("amount"));
    await shadow(id);
    await whenJoined(models, ORG, "shadow");
    down.now = true;
    clock.time += 2_600;
    assert.equal((await models.of(ORG)).shadow?.id, id, "what is good still counts");
    await new Promise((resolve) => setImmediate(resolve));
    clock.time += 2_400;
    await assert.rejects(async () => models.of(ORG), StoreUnavailableError);
    await assert.rejects(async () => models.find(ORG, id), StoreUnavailableError);
    down.now = false;
    assert.equal((await models.of(ORG)).shadow?.id, id);
  });

  it("are found by their id as long as the code can use them, by their own organisation", async () => {
    const { create, bring, quiet } = live();
    const models = create();
    const id = await bring(stump("amount"));
    assert.equal((await models.find(ORG, id))?.id, id);
    assert.equal(await models.find(OTHER_ORG, id), undefined);
    assert.equal(await models.find(ORG, "mdl_nothing"), undefined);
    assert.equal(await models.find(ORG, ORG), undefined);
    assert.equal(await models.find(ORG, `${id}#0`), undefined);
    await change(quiet.store, id, { features_hash: "00" });
    assert.equal(await models.find(ORG, id), undefined);
  });
});
