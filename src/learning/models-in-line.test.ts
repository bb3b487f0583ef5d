import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newId, ORG } from "#test/support/builders.ts";
import type { OrganisationId, RiskModelId } from "#kernel/ids.ts";
import type { ModelsInForce } from "#risk/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { createModelCache } from "./model-cache.ts";
import type { RiskModel } from "./model-record.ts";
import { MODELS_TABLE, readModel } from "./model-record.ts";
import type { ModelFault, ModelsDeps } from "./models.ts";
import { createModels } from "./models.ts";
import { emptyRegistry, registries } from "./registry.ts";
import { bench, readHere, stump } from "./test-kit.ts";

/** Contents are unpacked in a thread, so some turns may be needed. */
async function until(what: () => boolean): Promise<void> {
  for (let n = 0; n < 100_000 && !what(); n++) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(what(), "it has not come to that");
}

/** Lets the store be read. */
async function turns(): Promise<void> {
  for (let n = 0; n < 10; n++) await new Promise((resolve) => setImmediate(resolve));
}

/** Organisations with a model each, and models that are read when they are told to. */
async function line(count: number, options: Partial<ModelsDeps> = {}) {
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
  const broken = { now: false };
  const cache = createModelCache({
    store,
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
  return { organisations, models, cache, clock, read, going, broken, faults, inForce, made, recordOf, release };
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

  it("come in the order in which payments asked, an organisation's two together, before those that only readers wait for", async () => {
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
    const expected = [fourth.modelId, shadowId, fifth.modelId, third.modelId, sixth.modelId].map((id) => hash.get(id));
    assert.deepEqual(read.slice(2), expected);
  });

  it("let payments wait in a bounded number, so that whoever needs no model finds room", async () => {
    const { organisations, models, release } = await line(3, { maxWaiting: 2 });
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
    assert.equal(faults.length, 2);
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
    assert.equal((await models.of(own.id)).champion?.id, own.modelId);
  });
});
