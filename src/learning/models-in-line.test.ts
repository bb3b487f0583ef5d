import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newId, ORG } from "#test/support/builders.ts";
import type { OrganisationId, RiskModelId } from "#kernel/ids.ts";
import type { ModelsInForce } from "#risk/index.ts";
import type { Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { createModelCache } from "./model-cache.ts";
import type { RiskModel } from "./model-record.ts";
import { MODELS_TABLE, readModel } from "./model-record.ts";
import type { ModelFault, ModelsDeps } from "./models.ts";
import { createModels } from "./models.ts";
import { emptyRegistry, registries } from "./registry.ts";
import { bench, readHere, stump, until, whenJoined } from "./test-kit.ts";

/** Lets the store be read. */
async function turns(): Promise<void> {
  for (let n = 0; n < 10; n++) await new Promise((resolve) => setImmediate(resolve));
}

/** Organisations with a model each, and models that are read when they are told to. */
async function line(count: number, options: Partial<ModelsDeps> = {}, cacheNodes = 100) {
  const { quiet, bring, clock } = bench();
  const { store } = quiet;
  const put = async (item: object, key: string) => {
    const before = await store.get(MODELS_TABLE, { hash: key });
    const written = { id: key, ...before, ...item };
    assert.equal((await store.commit([{ op: "put", table: MODELS_TABLE, item: written, condition: "none" }])).outcome, "committed");
  };
  const inForce = async (organisationId: OrganisationId, championId: RiskModelId | null, shadowId: RiskModelId | null = null) =>
    put(registries.toItem({ ...emptyRegistry(organisationId), championId, shadowId, version: 1 }), organisationId);
  const made = async (organisationId: OrganisationId, base: number): Promise<RiskModelId> => {
    const id = await bring(stump("amount", { base }));
    await put({ organisation_id: organisationId }, id);
    return id;
  };
  const organisations: { readonly id: OrganisationId; readonly modelId: RiskModelId }[] = [];
  for (let n = 0; n < count; n++) {
    const id = newId("organisation");
    const modelId = await made(id, n);
    await inForce(id, modelId);
    organisations.push({ id, modelId });
  }
  const read: string[] = [];
  const going: (() => void)[] = [];
  const free = { now: false };
  /** What the store does not give. */
  const withheld: { key: string | undefined } = { key: undefined };
  const reader: Store = {
    ...store,
    getMany: async (keys) => {
      if (keys.some(({ key }) => key.hash === withheld.key)) throw new StoreUnavailableError("not now");
      return store.getMany(keys);
    },
  };
  const broken = { now: false };
  const cache = createModelCache({
    store: reader,
    maxNodes: cacheNodes,
    async read(job) {
      if (!free.now) await new Promise<void>((go) => void going.push(go));
      if (broken.now) return { ok: false, code: "invalid_request" };
      const found = await readHere(job);
      if (found.ok) read.push(found.hash);
      return found;
    },
  });
  const faults: ModelFault[] = [];
  const models = createModels({ store, clock, cache, onFault: (fault) => faults.push(fault), ...options });
  const recordOf = async (organisationId: OrganisationId, id: RiskModelId): Promise<RiskModel> => {
    const model = await readModel(store, organisationId, id);
    assert.ok(model);
    return model;
  };
  const release = async (): Promise<void> => {
    await until(() => going.length === Math.min(count, 2));
    free.now = true;
    for (const go of going.splice(0)) go();
  };
  return { organisations, models, cache, clock, read, going, free, broken, withheld, faults, inForce, made, recordOf, release };
}

describe("models in line to be read, when a node begins", () => {
  it("are no reason to refuse the payments of others: neither those without models, nor those that come last", async () => {
    const { organisations, models, read, release } = await line(8, { maxReads: 2 });
    const asked: Promise<ModelsInForce>[] = [];
    for (const { id } of organisations) {
      asked.push(Promise.resolve(models.of(id)));
      await turns();
    }
    assert.deepEqual(await models.of(ORG), { champion: undefined, shadow: undefined });
    assert.equal(read.length, 0);
    await release();
    const found = await Promise.all(asked);
    assert.deepEqual(
      found.map(({ champion }) => champion?.id),
      organisations.map(({ modelId }) => modelId),
    );
  });

  it("come in the order in which payments asked, before those that only readers wait for and those in the shadow", async () => {
    const { organisations, models, cache, read, recordOf, inForce, made, release } = await line(6);
    const [first, second, third, fourth, fifth, sixth] = organisations;
    assert.ok(first && second && third && fourth && fifth && sixth);
    const shadowId = await made(fourth.id, 99);
    await inForce(fourth.id, fourth.modelId, shadowId);
    const records = await Promise.all([...organisations.map(({ id, modelId }) => recordOf(id, modelId)), recordOf(fourth.id, shadowId)]);
    const hash = new Map(records.map((record) => [record.id, record.hash]));
    // Two are being read; readers ask for the third and the sixth; then payments for the fourth, the fifth and the third.
    const waiting: unknown[] = [models.of(first.id), models.of(second.id)];
    await turns();
    for (const record of [records[2], records[5]]) waiting.push(record === undefined ? undefined : cache.load(record));
    for (const { id } of [fourth, fifth, third]) {
      waiting.push(models.of(id));
      await turns();
    }
    await release();
    await Promise.all(waiting);
    await until(() => read.length === 7);
    const expected = [fourth.modelId, fifth.modelId, third.modelId, sixth.modelId, shadowId].map((id) => hash.get(id));
    assert.deepEqual(read.slice(2), expected);
  });

  it("let payments wait in a bounded number, so that whoever needs no model finds room", async () => {
    const { organisations, models, release } = await line(2, { maxWaiting: 2 });
    const [first] = organisations;
    assert.ok(first);
    const waiting = organisations.map(async ({ id }) => models.of(id));
    await turns();
    await assert.rejects(async () => models.of(first.id), StoreUnavailableError);
    assert.deepEqual(await models.of(ORG), { champion: undefined, shadow: undefined });
    await release();
    assert.deepEqual(
      (await Promise.all(waiting)).map(({ champion }) => champion?.id),
      organisations.map(({ modelId }) => modelId),
    );
  });

  it("let no more payments wait when all of them ask before it is known that there is a line", async () => {
    const { organisations, models, release } = await line(2, { maxWaiting: 3 });
    const [first, second] = organisations;
    assert.ok(first && second);
    const asked = [first, first, second, second, second].map(async ({ id }) => models.of(id));
    const settled = Promise.allSettled(asked);
    await turns();
    await release();
    assert.deepEqual(
      (await settled).map(({ status }) => status),
      ["fulfilled", "fulfilled", "fulfilled", "rejected", "rejected"],
    );
    await assert.rejects(async () => asked[4], StoreUnavailableError);
  });

  it("let no more payments wait when an earlier reading of the same organisation ends, whose models were changed meanwhile", async () => {
    const { organisations, models, going, inForce, made } = await line(1, { maxWaiting: 2 });
    const [own] = organisations;
    assert.ok(own);
    const former = models.of(own.id);
    await until(() => going.length === 1);
    await inForce(own.id, await made(own.id, 50));
    models.forget(own.id);
    const next = models.of(own.id);
    await until(() => going.length === 2);
    await assert.rejects(
      async () => models.of(own.id),
      StoreUnavailableError,
      "both wait, though one of them for what was in force before",
    );
    going[0]?.();
    assert.equal((await former).champion?.id, own.modelId);
    const last = models.of(own.id);
    await assert.rejects(async () => models.of(own.id), StoreUnavailableError, "the later one is still in line");
    going[1]?.();
    assert.equal(await next, await last);
  });

  it("let payments wait for a bounded time, and are read all the same", async () => {
    const { organisations, models, read, release } = await line(3, { maxWaitMs: 20 });
    for (const { status, reason } of (await Promise.allSettled(
      organisations.map(async ({ id }) => models.of(id)),
    )) as PromiseRejectedResult[])
      assert.ok(status === "rejected" && reason instanceof StoreUnavailableError);
    await release();
    await until(() => read.length === 3);
    await turns();
    for (const { id, modelId } of organisations) {
      const found = models.of(id);
      assert.ok(!(found instanceof Promise) && found.champion?.id === modelId, "it is at hand for whoever tries again");
    }
  });

  it("decide nothing when others are in force by the time they are read", async () => {
    const { organisations, models, clock, inForce, release } = await line(1);
    const [own] = organisations;
    assert.ok(own);
    const asked = models.of(own.id);
    await turns();
    // Somebody has gone back to the factors meanwhile.
    await inForce(own.id, null);
    clock.time += 30_000;
    await release();
    assert.equal((await asked).champion, undefined);
    const again = models.of(own.id);
    assert.ok(!(again instanceof Promise), "and what was found then is good from then on");
  });

  it("are not read again at once when it took a minute to find that they cannot be read", async () => {
    const { organisations, models, clock, broken, faults, going, release } = await line(1);
    const [own] = organisations;
    assert.ok(own);
    const asked = models.of(own.id);
    await turns();
    await until(() => going.length === 1);
    broken.now = true;
    clock.time += 60_000;
    await release();
    assert.equal((await asked).champion, undefined);
    clock.time += 5_000;
    await models.of(own.id);
    assert.equal(faults.length, 1);
    clock.time += 60_000;
    await models.of(own.id);
    await until(() => faults.length === 2);
  });

  it("that could not be read are tried again when the clock has gone back since", async () => {
    const { organisations, models, clock, broken, faults, release } = await line(1);
    const [own] = organisations;
    assert.ok(own);
    const asked = models.of(own.id);
    broken.now = true;
    await release();
    assert.equal((await asked).champion, undefined);
    assert.equal(faults.length, 1);
    broken.now = false;
    clock.time -= 3_600_000;
    assert.equal((await whenJoined(models, own.id, "champion")).champion?.id, own.modelId);
  });
});

describe("a model that payments need not wait for", () => {
  it("is the champion when a shadow is started, also where the models of others have taken its place in memory", async () => {
    const { organisations, models, inForce, made, free } = await line(2, {}, 1);
    const [own, other] = organisations;
    assert.ok(own && other);
    free.now = true;
    await models.of(own.id);
    await models.of(other.id);
    free.now = false;
    await inForce(own.id, own.modelId, await made(own.id, 99));
    models.forget(own.id);
    const { champion, shadow } = await models.of(own.id);
    assert.deepEqual([champion?.id, shadow], [own.modelId, undefined]);
  });

  it("is the one in the shadow: it delays and refuses nothing, and scores from when it is read on", async () => {
    const { organisations, models, clock, going, inForce, made, free } = await line(1);
    const [own] = organisations;
    assert.ok(own);
    free.now = true;
    await models.of(own.id);
    free.now = false;
    const shadowId = await made(own.id, 99);
    await inForce(own.id, own.modelId, shadowId);
    // As in the process that started it, where what is known of the organisation counts no more.
    models.forget(own.id);
    const first = await models.of(own.id);
    assert.deepEqual([first.champion?.id, first.shadow], [own.modelId, undefined]);
    await until(() => going.length === 1);
    clock.time += 20_000;
    assert.equal((await models.of(own.id)).shadow, undefined, "it is still being read");
    going[0]?.();
    await whenJoined(models, own.id, "shadow");
    const found = models.of(own.id);
    assert.ok(!(found instanceof Promise));
    assert.deepEqual([found.champion?.id, found.shadow?.id], [own.modelId, shadowId]);
    assert.equal(first.shadow, undefined, "a payment in flight keeps what it was given");
    clock.time += 5_000;
    assert.equal((await models.of(own.id)).shadow, found.shadow, "renewals keep it");
    // Promoted, it decides at once: it is in memory.
    await inForce(own.id, shadowId);
    clock.time += 5_000;
    assert.equal((await models.of(own.id)).champion?.id, shadowId);
  });

  it("is asked for again with the next renewal when the store did not give the shadow's content", async () => {
    const { organisations, models, clock, faults, inForce, made, free, withheld } = await line(1);
    const [own] = organisations;
    assert.ok(own);
    free.now = true;
    const shadowId = await made(own.id, 99);
    await inForce(own.id, own.modelId, shadowId);
    withheld.key = `${shadowId}#0`;
    const { champion, shadow } = await models.of(own.id);
    assert.deepEqual([champion?.id, shadow], [own.modelId, undefined]);
    await until(() => faults.length === 1);
    withheld.key = undefined;
    clock.time += 5_000;
    assert.equal((await whenJoined(models, own.id, "shadow")).shadow?.id, shadowId);
  });

  it("is one that could not be read, in whose place the factors decide: they go on while it is tried again", async () => {
    const { organisations, models, clock, broken, going, release, free } = await line(1, { maxWaitMs: 20 });
    const [own] = organisations;
    assert.ok(own);
    const asked = models.of(own.id);
    broken.now = true;
    await release();
    assert.equal((await asked).champion, undefined);
    free.now = false;
    broken.now = false;
    clock.time += 61_000;
    assert.equal((await models.of(own.id)).champion, undefined);
    await until(() => going.length === 1);
    clock.time += 6_000;
    assert.equal((await models.of(own.id)).champion, undefined);
    going[0]?.();
    assert.equal((await whenJoined(models, own.id, "champion")).champion?.id, own.modelId);
  });

  it("counts for the bound of the memory from when it is read on", async () => {
    const { organisations, models, inForce, made, free } = await line(2, { maxNodes: 6 });
    const [own, other] = organisations;
    assert.ok(own && other);
    free.now = true;
    await inForce(own.id, own.modelId, await made(own.id, 99));
    await models.of(other.id);
    // Three nodes each: with its shadow there is room for this one alone.
    await whenJoined(models, own.id, "shadow");
    assert.ok(models.of(other.id) instanceof Promise);
  });

  it("lets an explanation wait for a bounded time", async () => {
    const { organisations, models, release } = await line(1, { maxWaitMs: 20 });
    const [own] = organisations;
    assert.ok(own);
    await assert.rejects(async () => models.find(own.id, own.modelId), StoreUnavailableError);
    await release();
    assert.equal((await models.find(own.id, own.modelId))?.id, own.modelId);
  });
});
