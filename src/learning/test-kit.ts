import assert from "node:assert/strict";
import { actorOf, anAccount, aTransaction, EUR, keep, minor, ORG, seededRandom, testClock } from "#test/support/builders.ts";
import { createCommitQueue } from "#commit/index.ts";
import { FEATURES, FEATURES_VERSION } from "#features/index.ts";
import { createIds } from "#kernel/ids.ts";
import type { ModelTrainingId, OrganisationId, RiskModelId, TransactionId } from "#kernel/ids.ts";
import type { LabelValue } from "#labels/index.ts";
import { judged, riskLabels } from "#labels/index.ts";
import type { Transaction } from "#ledger/index.ts";
import { transactions } from "#ledger/index.ts";
import type { Model, TrainHooks, TrainInput, TrainOutcome } from "#model/index.ts";
import { modelText, trainModel } from "#model/index.ts";
import type { Models, ModelsInForce } from "#risk/index.ts";
import { encodeFeatures } from "#risk/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import type { Fault, Operation } from "#storage/memory/memory-store.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { startTraining } from "./change-training.ts";
import type { TrainBody } from "./change-training.ts";
import type { LearningDeps } from "./deps.ts";
import { importModel } from "./import-model.ts";
import { MODEL_FEATURES } from "./map-features.ts";
import { createModelCache } from "./model-cache.ts";
import type { ModelReader } from "./read-in-worker.ts";
import { readModelText } from "./read-model.ts";
import type { Training } from "./training.ts";
import { readTraining } from "./training.ts";
import { createTrainingWorker } from "./training-worker.ts";
import type { TrainingWorkerDeps } from "./training-worker.ts";
import { createTurns } from "./turns.ts";

export const DAY_MS = 86_400_000;
const AMOUNT = MODEL_FEATURES.findIndex(({ name }) => name === "amount");

/** Reads and trains where it stands, without threads. */
export const readHere: ModelReader = async (job) => readModelText(job);
export async function trainHere(input: TrainInput, { onProgress }: TrainHooks): Promise<TrainOutcome> {
  const result = trainModel(input, onProgress);
  return result.ok ? { ok: true, text: modelText(result.model).text } : result;
}

/** Contents are unpacked in a thread, so some turns may be needed. */
export async function until(what: () => boolean): Promise<void> {
  for (let n = 0; n < 100_000 && !what(); n++) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(what(), "it has not come to that");
}

/** What is in force once models that no payment waits for have joined. */
export async function whenJoined(models: Models, id: OrganisationId, place: keyof ModelsInForce): Promise<ModelsInForce> {
  let found = await models.of(id);
  for (let n = 0; n < 10_000 && found[place] === undefined; n++) {
    await new Promise((resolve) => setImmediate(resolve));
    found = await models.of(id);
  }
  assert.ok(found[place], "it has not joined");
  return found;
}

/** One tree that splits once, on a feature of this name. */
export function stump(name: string, fields: Partial<Model> = {}): Model {
  return {
    features: [{ name, unit: MODEL_FEATURES.find((own) => own.name === name)?.unit ?? "imported" }],
    base: 0,
    trees: [
      {
        feature: Int32Array.of(0, -1, -1),
        value: Float64Array.of(10, -2, 2),
        left: Int32Array.of(1, 0, 0),
        right: Int32Array.of(2, 0, 0),
        defaultLeft: Uint8Array.of(1, 0, 0),
        cover: Float64Array.of(10, 4, 6),
        gain: Float64Array.of(3, 0, 0),
      },
    ],
    calibration: { kind: "none" },
    training: { source: "trained", from: null, to: null, rows: 0, positives: 0, options: {} },
    metrics: {},
    ...fields,
  };
}

/** A vector of nothing but an amount. */
export function vectorOf(amount: number): Float64Array {
  const vector = new Float64Array(FEATURES.length);
  vector[AMOUNT] = amount;
  return vector;
}

/** Nodes over one memory store, with one organisation's past. */
export function bench() {
  const clock = testClock();
  const ids = createIds(clock, seededRandom(9));
  const database = createMemoryDatabase();
  const errors: unknown[] = [];
  const forgotten: string[] = [];
  const node = (faults: (operation: Operation) => Fault = () => ({ kind: "none" }), options: Partial<TrainingWorkerDeps> = {}) => {
    const store = openMemoryStore(database, { clock, faults });
    const queue = createCommitQueue({ store, clock, random: seededRandom(2) });
    const cache = createModelCache({ store, read: readHere });
    const deps: LearningDeps = {
      store,
      queue,
      ids,
      clock,
      cache,
      read: readHere,
      turns: createTurns(),
      forget: (id) => forgotten.push(id),
    };
    const worker = createTrainingWorker({ ...deps, train: trainHere, onError: (error) => errors.push(error), pageSize: 10, ...options });
    return { store, deps, worker };
  };
  const quiet = node();
  const asked = { actor: actorOf(), idempotency: undefined };
  const payer = anAccount();
  const payee = anAccount();

  const pay = (amount: number, at: number, fields: Partial<Transaction> = {}, more: object = {}): Transaction => {
    clock.time = at;
    const factors = { velocity: 0, amount: 4_000, location: 0, device: 0, behaviour: 0 };
    const verdict = { v: 2, action: "allow", features_version: FEATURES_VERSION, features: encodeFeatures(vectorOf(amount)) };
    return aTransaction(payer, payee, [], {
      id: ids.next("transaction"),
      amount: minor(amount),
      currency: EUR,
      assessment: { model: "factors-1", score: 1_000, factors, reasons: [], velocity_count: 1, ...verdict, ...more },
      createdAt: at,
      ...fields,
    });
  };

  const label = async (transactionId: TransactionId, value: LabelValue, decidedAt: number): Promise<void> => {
    const judgement = { label: value, source: "confirmed" as const, decidedAt, decidedBy: "key_test" };
    await keep(quiet.store, riskLabels, [judged(undefined, { organisationId: ORG, transactionId }, judgement)]);
  };

  return {
    clock,
    ids,
    node,
    quiet,
    asked,
    errors,
    forgotten,
    pay,
    keepAll: (all: readonly Transaction[]) => keep(quiet.store, transactions, all),
    label,
    /** Payments of ten days, of which every fifth is large and fraud; now is twenty days later. */
    past: async (count: number): Promise<void> => {
      const start = clock.time;
      const all = Array.from({ length: count }, (_, n) =>
        pay(n % 5 === 0 ? 500 + n : 20 + (n % 7), start + Math.floor((n * 10 * DAY_MS) / count)),
      );
      await keep(quiet.store, transactions, all);
      for (const [n, { id, createdAt }] of all.entries()) if (n % 5 === 0) await label(id, "fraud", createdAt + DAY_MS);
      clock.time = start + 30 * DAY_MS;
    },
    start: async (body: TrainBody = { options: { rounds: 5, learning_rate: 0.3, max_depth: 2 } }): Promise<ModelTrainingId> => {
      const started = await startTraining(quiet.deps, asked, body, { from: undefined, to: undefined });
      assert.ok(started.ok && started.reply.status === 202, JSON.stringify(started));
      return (JSON.parse(started.reply.body) as { id: ModelTrainingId }).id;
    },
    read: async (id: ModelTrainingId): Promise<Training> => {
      const training = await readTraining(quiet.store, ORG, id);
      assert.ok(training);
      return training;
    },
    bring: async (model: Model, deps: LearningDeps = quiet.deps): Promise<RiskModelId> => {
      const brought = await importModel(deps, asked, { format: "smartfinance", content: modelText(model).text });
      assert.ok(brought.ok && brought.reply.status === 201, JSON.stringify(brought));
      return (JSON.parse(brought.reply.body) as { id: RiskModelId }).id;
    },
  };
}
