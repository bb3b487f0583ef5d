import assert from "node:assert/strict";
import { test } from "node:test";
import { binDataset } from "./bins.ts";
import { baseMargin, boost } from "./boost.ts";
import type { Dataset } from "./dataset.ts";
import { createForest } from "./forest.ts";
import { createScorer, type Model, modelText } from "./model.ts";
import { featureImportance } from "./model-card.ts";
import { parseModel } from "./parse-model.ts";
import { seededFractions } from "./prng.ts";
import { averagePrecision } from "./rank-metrics.ts";
import { exampleData, features, quickOptions, rowOf } from "./test-kit.ts";
import { trainInWorker } from "./train-in-worker.ts";
import { type TrainProgress, trainModel } from "./train.ts";
import { checkTrainOptions, type TrainOptions } from "./train-options.ts";
import { depthOf, LEAF } from "./tree.ts";

const data = exampleData(4_000);

function train(options: TrainOptions = quickOptions, dataset: Dataset = data): Model {
  const result = trainModel({ features, dataset, options });
  assert.ok(result.ok);
  return result.model;
}

function scores(model: Model, dataset: Dataset): Float64Array {
  const scorer = createScorer(model);
  return Float64Array.from(dataset.labels, (_, row) => scorer.margin(rowOf(dataset, row)));
}

test("it learns what can be learnt, and knows which features matter", () => {
  const model = train();
  const later = exampleData(4_000, 8);
  const precision = averagePrecision(later.labels, scores(model, later));
  // Knowing the rule itself gives about 0.61; guessing gives 0.17.
  assert.ok(precision > 0.55, `average precision ${precision}`);
  const [first, second, third] = featureImportance(model).map(({ name }) => name);
  assert.deepEqual([new Set([first, second]), third], [new Set(["amount", "count"]), "noise"]);
});

test("weighted frauds do not make payments look riskier than they are, also where too few are held back to calibrate by", () => {
  const random = seededFractions(3, 0);
  const rows = 4_000;
  const columns = features.map(() => Float64Array.from({ length: rows }, () => Math.floor(random() * 100)));
  const labels = Uint8Array.from({ length: rows }, (_, row) =>
    random() < (((columns[0] as Float64Array)[row] as number) > 90 ? 0.04 : 0.004) ? 1 : 0,
  );
  const rare: Dataset = { columns, labels, times: Float64Array.from({ length: rows }, (_, row) => row) };
  const share = labels.reduce((sum, label) => sum + label, 0) / rows;
  for (const positiveWeight of [1, 100]) {
    const scorer = createScorer(train({ ...quickOptions, positiveWeight }, rare));
    const mean = Array.from(labels, (_, row) => scorer.probability(rowOf(rare, row))).reduce((sum, p) => sum + p, 0) / rows;
    assert.ok(mean < 3 * share && mean > share / 3, `${mean} is promised, ${share} are`);
  }
});

test("one split by hand: gradient and hessian sums give threshold, leaves and gain", () => {
  const columns = [Float64Array.of(1, 2, 3, 4)];
  const labels = Uint8Array.of(0, 0, 1, 1);
  const dataset = { columns, labels, times: Float64Array.of(1, 2, 3, 4) };
  const options = {
    ...quickOptions,
    learningRate: 1,
    l2: 1,
    minChildWeight: 0.1,
    rowSample: 1,
    columnSample: 1,
    maxDepth: 1,
    maxLeaves: 2,
  };
  const [tree] = boost({ features: binDataset(dataset, 16), labels, base: 0, options, member: 0, rounds: 1, onTree: () => true });
  assert.ok(tree !== undefined);
  // Gradients 0.5, 0.5, -0.5, -0.5; hessians 0.25 each. Leaf: -1 / (0.5 + 1). Gain: (2/3 + 2/3 - 0) / 2.
  assert.equal(tree.value[0], 2.5);
  assert.ok(Math.abs((tree.value[1] as number) + 2 / 3) < 1e-12 && Math.abs((tree.value[2] as number) - 2 / 3) < 1e-12);
  assert.ok(Math.abs((tree.gain[0] as number) - 2 / 3) < 1e-12);
  assert.deepEqual([...tree.cover], [1, 0.5, 0.5]);
});

test("missing values take the side they were learnt on, and where none was ever missing the riskier side", () => {
  const labels = Uint8Array.of(0, 0, 1, 1, 1, 1);
  const times = Float64Array.of(1, 2, 3, 4, 5, 6);
  const options = { ...quickOptions, learningRate: 1, minChildWeight: 0.1, rowSample: 1, columnSample: 1, maxDepth: 1, maxLeaves: 2 };
  const grow = (column: number[], label: Uint8Array): { missing: number; low: number; high: number } => {
    const dataset = { columns: [Float64Array.from(column)], labels: label, times };
    const trees = boost({ features: binDataset(dataset, 16), labels: label, base: 0, options, member: 0, rounds: 1, onTree: () => true });
    const forest = createForest(trees, 0, 1);
    const [missing = 0, low = 0, high = 0] = [Number.NaN, 1, 9].map((x) => forest.margin(Float64Array.of(x)));
    return { missing, low, high };
  };
  const risky = grow([1, 1, 9, 9, Number.NaN, Number.NaN], labels);
  assert.ok(risky.missing === risky.high && risky.high > risky.low);
  const honest = grow([1, 1, 9, 9, Number.NaN, Number.NaN], Uint8Array.of(0, 0, 1, 1, 0, 0));
  assert.ok(honest.missing === honest.low && honest.high > honest.low);
  const unseen = grow([1, 1, 9, 9, 9, 9], labels);
  assert.equal(unseen.missing, unseen.high);
  const unseenDown = grow([9, 9, 1, 1, 1, 1], labels);
  assert.ok(unseenDown.missing === unseenDown.low && unseenDown.low > unseenDown.high);
});

test("the same seed gives the same bytes, another seed other trees, and the order of the rows does not matter", () => {
  const { text } = modelText(train());
  assert.equal(modelText(train()).text, text);
  assert.notEqual(modelText(train({ ...quickOptions, seed: 2 })).text, text);
  const backwards = Uint32Array.from(data.labels, (_, row) => data.labels.length - 1 - row);
  const turned = {
    columns: data.columns.map((column) => Float64Array.from(backwards, (row) => column[row] as number)),
    labels: Uint8Array.from(backwards, (row) => data.labels[row] as number),
    times: Float64Array.from(backwards, (row) => data.times[row] as number),
  };
  assert.equal(modelText(train(quickOptions, turned)).text, text);
});

test("trees keep to depth, leaves and child weight", () => {
  const model = train({ ...quickOptions, maxDepth: 4, maxLeaves: 6, minChildWeight: 5, refit: false });
  assert.ok(model.trees.length > 0);
  for (const tree of model.trees) {
    assert.ok(depthOf(tree) <= 4);
    assert.ok(tree.feature.filter((split) => split === LEAF).length <= 6);
    for (const cover of tree.cover) assert.ok(cover >= 5);
  }
});

test("training stops when the later rows' loss no longer falls, and keeps the best round", () => {
  const losses: number[] = [];
  const result = trainModel(
    { features, dataset: data, options: { ...quickOptions, rounds: 300, learningRate: 0.5, refit: false } },
    (progress) => {
      if (progress.loss !== null) losses.push(progress.loss);
    },
  );
  assert.ok(result.ok);
  assert.ok(losses.length < 300);
  assert.equal(result.model.trees.length, losses.indexOf(Math.min(...losses)) + 1);
  assert.equal(losses.length, result.model.trees.length + quickOptions.patience);
});

test("only later rows judge: frauds of the last days that follow another rule stop the training at once", () => {
  const turned = exampleData(4_000);
  for (let row = 3_200; row < 4_000; row++) turned.labels[row] = (turned.columns[0]?.[row] ?? 0) < 50 ? 1 : 0;
  const model = train({ ...quickOptions, rounds: 50, refit: false }, turned);
  assert.ok(model.trees.length < 5, `${model.trees.length} trees`);
});

test("an ensemble's margin is the mean of its members'", () => {
  const both = train({ ...quickOptions, members: 2, refit: false });
  const rounds = String(both.training.options["rounds_taken"]).split(",").map(Number);
  assert.equal(both.trees.length, (rounds[0] ?? 0) + (rounds[1] ?? 0));
  const alone = train({ ...quickOptions, refit: false });
  const row = rowOf(data, 5);
  const firstHalf = { ...both, trees: both.trees.slice(0, rounds[0]) };
  const mean = createScorer(firstHalf).margin(row) - both.base;
  assert.ok(Math.abs(mean - (createScorer(alone).margin(row) - alone.base) / 2) < 1e-12);
});

test("class weights shift the margins but not the meaning of the probability", () => {
  const model = train({ ...quickOptions, positiveWeight: 10 });
  const scorer = createScorer(model);
  const mean = (of: (row: Float64Array) => number): number =>
    data.labels.reduce((sum, _, row) => sum + of(rowOf(data, row)), 0) / data.labels.length;
  const share = data.labels.reduce((sum, label) => sum + label, 0) / data.labels.length;
  assert.ok(Math.abs(mean((row) => scorer.probability(row)) - share) < 0.03);
  assert.ok(mean((row) => 1 / (1 + Math.exp(-scorer.margin(row)))) > share + 0.1);
});

test("the model says what it was learnt from", () => {
  const { training, metrics, base } = train();
  assert.deepEqual([training.from, training.to], ["2026-01-01T00:00:00.000Z", "2026-01-03T18:39:00.000Z"]);
  assert.equal(training.rows, 4_000);
  assert.equal(base, baseMargin(data.labels, 1));
  assert.deepEqual(Object.keys(metrics), ["validation_auc", "validation_average_precision", "validation_log_loss"]);
});

test("options out of bounds, and data without both labels early and late, are refused", () => {
  const refused: readonly (readonly [keyof TrainOptions, number])[] = [
    ["rounds", 0],
    ["rounds", 1.5],
    ["learningRate", 0],
    ["maxDepth", 13],
    ["maxBins", 65_535],
    ["rowSample", 1.1],
    ["positiveWeight", Number.NaN],
    ["seed", -1],
    ["validationShare", 0.6],
  ];
  for (const [name, value] of refused) {
    const result = trainModel({ features, dataset: data, options: { ...quickOptions, [name]: value } });
    assert.ok(!result.ok);
    assert.deepEqual([result.code, result.param], ["invalid_request", name]);
  }
  assert.equal(checkTrainOptions({ ...quickOptions, members: 50, rounds: 1000 })?.param, "members");
  for (const [from, to] of [
    [0, 3_200],
    [3_200, 4_000],
  ] as const) {
    const labels = data.labels.map((label, row) => (row >= from && row < to ? 0 : label));
    const result = trainModel({ features, dataset: { ...data, labels }, options: quickOptions });
    assert.ok(!result.ok);
    assert.equal(result.param, "labels");
  }
});

test("columns that do not fit together are a bug", () => {
  assert.throws(() => train(quickOptions, { ...data, times: new Float64Array(3) }), { name: "InvariantError" });
  assert.throws(() => train(quickOptions, { ...data, columns: data.columns.slice(1) }), { name: "InvariantError" });
  assert.throws(() => train(quickOptions, { ...data, labels: data.labels.map(() => 2) }), { name: "InvariantError" });
});

test("numbers that are infinite, constant or missing altogether are learnt from without harm", () => {
  const odd = exampleData(1_000);
  odd.columns[2]?.fill(Number.NaN);
  for (let row = 0; row < 1_000; row += 7) (odd.columns[0] as Float64Array)[row] = row % 2 === 0 ? Infinity : -Infinity;
  const model = train(quickOptions, odd);
  for (const margin of scores(model, odd)) assert.ok(Number.isFinite(margin));
  assert.ok(parseModel(modelText(model).text).ok);
});

test("in a worker thread the model is the same, progress is told, and a refusal comes back", async () => {
  const told: TrainProgress[] = [];
  const input = { features, dataset: data, options: quickOptions };
  const outcome = await trainInWorker(input, { onProgress: (progress) => void told.push(progress) });
  assert.ok(outcome.ok);
  assert.equal(outcome.text, modelText(train()).text);
  assert.deepEqual([told[0]?.phase, told[0]?.round, told.at(-1)?.phase], ["search", 1, "refit"]);
  const refused = await trainInWorker({ ...input, options: { ...quickOptions, rounds: 0 } });
  assert.deepEqual(refused, { ok: false, code: "invalid_request", param: "rounds", detail: "must be an integer from 1 to 1000" });
  const broken = await trainInWorker({ ...input, features: [] });
  assert.ok(!broken.ok);
  assert.equal(broken.code, "failed");
});

test("a training in a worker can be cancelled, before and while it runs", async () => {
  const input = { features, dataset: data, options: { ...quickOptions, rounds: 1000, patience: 1000, learningRate: 0.001 } };
  const controller = new AbortController();
  const outcome = await trainInWorker(input, { signal: controller.signal, onProgress: () => controller.abort() });
  assert.ok(!outcome.ok);
  assert.equal(outcome.code, "cancelled");
  const never = await trainInWorker(input, { signal: AbortSignal.abort() });
  assert.ok(!never.ok && never.code === "cancelled");
});
