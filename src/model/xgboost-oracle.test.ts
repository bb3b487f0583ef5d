import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { mock, test } from "node:test";
import { binDataset } from "./bins.ts";
import { boost } from "./boost.ts";
import { createForest, logistic } from "./forest.ts";
import { importXgboost } from "./import-xgboost.ts";
import { logLoss } from "./probability-metrics.ts";
import { averagePrecision } from "./rank-metrics.ts";
import { exampleData } from "./test-kit.ts";
import { defaultTrainOptions } from "./train-options.ts";

/** XGBoost itself (0.6, compiled to WebAssembly), for tests only. */
interface Booster {
  train(rows: number[][], labels: number[]): void;
  predict(rows: number[][]): number[];
  toJSON(): { readonly model: readonly number[] };
  free(): void;
}
type XgBoost = new (options: Readonly<Record<string, number | string>>) => Booster;

const DEPTH = 4;
const ROUNDS = 30;

/** It takes -1 for a missing number, and computes in 32 bits: both see the same numbers. */
function examples(count: number, seed: number) {
  const data = exampleData(count, seed);
  const columns = data.columns.map((column) => column.map(Math.fround));
  const rows = Array.from(data.labels, (_, row) => Array.from(columns, (column) => column[row] as number));
  return { data: { ...data, columns }, rows, theirs: rows.map((row) => row.map((value) => (Number.isNaN(value) ? -1 : value))) };
}
const earlier = examples(3_000, 7);
const later = examples(2_000, 8);

async function train(): Promise<Booster> {
  // Its loader tries a browser's way first and says at length that it failed.
  const quiet = mock.method(console, "warn", () => undefined);
  const XGBoost = await (createRequire(import.meta.url)("ml-xgboost") as Promise<XgBoost>);
  quiet.mock.restore();
  const booster = new XGBoost({
    booster: "gbtree",
    objective: "binary:logistic",
    max_depth: DEPTH,
    eta: 0.2,
    lambda: 1,
    min_child_weight: 1,
    subsample: 1,
    colsample_bytree: 1,
    tree_method: "exact",
    silent: 1,
    iterations: ROUNDS,
  });
  booster.train(earlier.theirs, [...earlier.data.labels]);
  return booster;
}
const booster = await train();

test("trees trained here agree with XGBoost's exact ones: log loss to a thousandth, average precision to a two-hundredth, a probability to a thousandth on average", () => {
  const features = binDataset(earlier.data, 4096);
  const options = {
    ...defaultTrainOptions,
    maxDepth: DEPTH,
    maxLeaves: 2 ** DEPTH,
    learningRate: 0.2,
    l2: 1,
    rowSample: 1,
    columnSample: 1,
  };
  const trees = boost({ features, labels: earlier.data.labels, base: 0, options, member: 0, rounds: ROUNDS, onTree: () => true });
  const forest = createForest(trees, 0, 3);
  const ours = Float64Array.from(later.rows, (row) => logistic(forest.margin(Float64Array.from(row))));
  const theirs = Float64Array.from(booster.predict(later.theirs));
  assert.ok(Math.abs(logLoss(later.data.labels, ours) - logLoss(later.data.labels, theirs)) < 0.001);
  assert.ok(Math.abs(averagePrecision(later.data.labels, ours) - averagePrecision(later.data.labels, theirs)) < 0.005);
  const apart = ours.reduce((sum, p, row) => sum + Math.abs(p - (theirs[row] as number)), 0) / ours.length;
  assert.ok(apart < 0.001, `${apart} apart on average`);
});

/** What `save_model` of a later XGBoost writes, from the binary form that this one keeps (`src/gbm/gbtree_model.h`). */
function asJson(binary: Uint8Array): string {
  const view = new DataView(binary.buffer, binary.byteOffset, binary.byteLength);
  const width = view.getUint32(4, true);
  let at = 136;
  const name = (): string => {
    const length = Number(view.getBigUint64(at, true));
    at += 8 + length;
    return Buffer.from(binary.subarray(at - length, at)).toString();
  };
  const objective = name();
  const booster = name();
  const count = view.getInt32(at, true);
  at += 160;
  const trees = Array.from({ length: count }, () => {
    const nodes = view.getInt32(at + 4, true);
    at += 148;
    const from = at;
    const stats = at + 20 * nodes;
    at = stats + 16 * nodes;
    const each = <T>(read: (node: number) => T): T[] => Array.from({ length: nodes }, (_, node) => read(node));
    return {
      left_children: each((node) => view.getInt32(from + 20 * node + 4, true)),
      right_children: each((node) => view.getInt32(from + 20 * node + 8, true)),
      split_indices: each((node) => view.getUint32(from + 20 * node + 12, true) & 0x7fffffff),
      default_left: each((node) => view.getUint32(from + 20 * node + 12, true) >>> 31),
      split_conditions: each((node) => view.getFloat32(from + 20 * node + 16, true)),
      loss_changes: each((node) => view.getFloat32(stats + 16 * node, true)),
      sum_hessian: each((node) => view.getFloat32(stats + 16 * node + 4, true)),
    };
  });
  return JSON.stringify({
    learner: {
      feature_names: [],
      objective: { name: objective },
      gradient_booster: { name: booster, model: { trees } },
      learner_model_param: { base_score: "5E-1", num_class: "0", num_feature: String(width) },
    },
    version: [2, 0, 3],
  });
}

test("a model XGBoost trained predicts the same here, to a millionth", () => {
  const imported = importXgboost(asJson(Uint8Array.from(booster.toJSON().model)));
  assert.ok(imported.ok);
  assert.equal(imported.value.trees.length, ROUNDS);
  const forest = createForest(imported.value.trees, imported.value.base, 3);
  const theirs = booster.predict(later.theirs);
  for (const [index, row] of later.rows.entries()) {
    const ours = logistic(forest.margin(Float64Array.from(row)));
    assert.ok(Math.abs(ours - (theirs[index] as number)) < 1e-6, `${ours} instead of ${theirs[index]}`);
  }
});
