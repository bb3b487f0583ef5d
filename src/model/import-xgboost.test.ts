import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createForest, logistic } from "./forest.ts";
import { importXgboost } from "./import-xgboost.ts";
import { modelText } from "./model.ts";
import { parseModel } from "./parse-model.ts";
import { splitFloat32 } from "./split-float32.ts";

/** Made by hand after XGBoost's model schema: two trees, a pruned node (5), a missing direction each way. */
const example = () => ({
  learner: {
    attributes: {},
    feature_names: ["amount", "count"] as unknown[],
    feature_types: ["float", "int"],
    gradient_booster: {
      model: {
        gbtree_model_param: { num_parallel_tree: "1", num_trees: "2" },
        iteration_indptr: [0, 1, 2],
        tree_info: [0, 0],
        trees: [
          {
            base_weights: [0, 0, 0, 0, 0, 0],
            categories: [],
            default_left: [1, 0, 0, 0, 0, 0] as (number | boolean)[],
            id: 0,
            left_children: [1, 3, -1, -1, -1, -1],
            loss_changes: [10, 5, 0, 0, 0, 0],
            parents: [2147483647, 0, 0, 1, 1, 2147483647],
            right_children: [2, 4, -1, -1, -1, -1],
            split_conditions: [100.1, 3, 0.6, -0.4, 0.1, 9],
            split_indices: [0, 1, 0, 0, 0, 0],
            split_type: [0, 0, 0, 0, 0, 0],
            sum_hessian: [10, 6, 4, 2, 4, 0],
            tree_param: { num_deleted: "1", num_feature: "2", num_nodes: "6", size_leaf_vector: "1" },
          },
          {
            default_left: [false],
            id: 1,
            left_children: [-1],
            loss_changes: [0],
            right_children: [-1],
            split_conditions: [0.25],
            split_indices: [0],
            sum_hessian: [10],
          },
        ] as Record<string, unknown>[],
      },
      name: "gbtree",
    },
    learner_model_param: { base_score: "2E-1", boost_from_average: "1", num_class: "0", num_feature: "2", num_target: "1" },
    objective: { name: "binary:logistic", reg_loss_param: { scale_pos_weight: "1" } },
  },
  version: [2, 0, 3],
});

type Example = ReturnType<typeof example>;
const read = (change: (model: Example) => void = () => undefined) => {
  const model = example();
  change(model);
  return importXgboost(JSON.stringify(model));
};

test("the example's predictions are those computed by hand", () => {
  const imported = read();
  assert.ok(imported.ok);
  const { trees, base, features } = imported.value;
  assert.deepEqual(
    features.map(({ name }) => name),
    ["amount", "count"],
  );
  const forest = createForest(trees, base, 2);
  const start = Math.log(0.2 / 0.8) + 0.25;
  const cases: readonly (readonly [amount: number, count: number, leaf: number])[] = [
    [99, 2, -0.4],
    [99, 3, 0.1],
    [200, 0, 0.6],
    [Number.NaN, 2, -0.4],
    [99, Number.NaN, 0.1],
    // 100.1 as a 32-bit float is 100.0999984…, and XGBoost rounds the row's number too: equal goes right.
    [100.1, 2, 0.6],
    [100.0999984741211, 2, 0.6],
    [100.09, 2, -0.4],
  ];
  for (const [amount, count, leaf] of cases) {
    const ours = logistic(forest.margin(Float64Array.of(amount, count)));
    assert.ok(Math.abs(ours - logistic(start + leaf)) < 1e-6, `${amount}, ${count}`);
  }
});

test("an imported model is a model: it can be written and read, and the pruned node is gone", () => {
  const imported = read();
  assert.ok(imported.ok);
  assert.equal(imported.value.trees[0]?.feature.length, 5);
  const parsed = parseModel(modelText(imported.value).text);
  assert.ok(parsed.ok);
  assert.deepEqual(parsed.value.model, imported.value);
});

test("without names the features are numbered; base_score may stand in brackets", () => {
  const imported = read((model) => {
    model.learner.feature_names = [];
    model.learner.learner_model_param.base_score = "[5E-1]";
  });
  assert.ok(imported.ok);
  assert.deepEqual([imported.value.features[1]?.name, imported.value.base], ["f1", 0]);
});

test("what cannot be honoured is refused, with the place", () => {
  const tree = (model: Example) => model.learner.gradient_booster.model.trees[0] as Record<string, unknown[]>;
  const refusals: readonly (readonly [string, (model: Example) => void])[] = [
    ["learner.objective.name", (model) => (model.learner.objective.name = "multi:softmax")],
    ["learner.gradient_booster.name", (model) => (model.learner.gradient_booster.name = "dart")],
    ["learner.learner_model_param.base_score", (model) => (model.learner.learner_model_param.base_score = "1E0")],
    ["learner.learner_model_param.base_score", (model) => (model.learner.learner_model_param.base_score = "[1E-1,2E-1]")],
    ["num_feature", (model) => (model.learner.learner_model_param.num_feature = "0")],
    ["learner.feature_names", (model) => model.learner.feature_names.pop()],
    ["learner.feature_names", (model) => (model.learner.feature_names[1] = "amount")],
    ["learner.feature_names[1]", (model) => (model.learner.feature_names[1] = "<b>")],
    ["trees[0].left_children[0]", (model) => (tree(model)["left_children"] = [0, 3, -1, -1, -1, -1])],
    ["trees[0].left_children[1]", (model) => (tree(model)["right_children"] = [2, -1, -1, -1, -1, -1])],
    ["trees[0].left_children[1]", (model) => (tree(model)["left_children"] = [1, 2, -1, -1, -1, -1])],
    ["trees[0].split_indices[1]", (model) => (tree(model)["split_indices"] = [0, 2, 0, 0, 0, 0])],
    ["trees[0].split_type", (model) => (tree(model)["split_type"] = [1, 0, 0, 0, 0, 0])],
    ["trees[0].split_conditions", (model) => tree(model)["split_conditions"]?.pop()],
    ["trees[0].split_conditions[0]", (model) => (tree(model)["split_conditions"] = [null, 3, 0.6, -0.4, 0.1, 9])],
    ["trees[0].split_conditions[0]", (model) => (tree(model)["split_conditions"] = [1e39, 3, 0.6, -0.4, 0.1, 9])],
    ["trees[0].split_conditions[2]", (model) => (tree(model)["split_conditions"] = [3, 3, 3.4e38, -0.4, 0.1, 9])],
    ["trees[0].split_conditions[3]", (model) => (tree(model)["split_conditions"] = [3, 3, 0.6, -1_000_001, 0.1, 9])],
    ["trees[0].sum_hessian[2]", (model) => (tree(model)["sum_hessian"] = [10, 6, -1, 2, 4, 0])],
    ["trees[0].left_children", (model) => (tree(model)["left_children"] = [])],
  ];
  for (const [place, change] of refusals) {
    const result = read(change);
    assert.ok(!result.ok, place);
    assert.equal(result.code, "invalid_request");
    assert.ok(result.param?.endsWith(place), `${result.param} instead of ${place}`);
  }
  for (const text of ["", "{", "[]", "null", '{"learner":[]}']) assert.equal(importXgboost(text).ok, false, text);
});

test("a chain of nodes deeper than allowed is refused", () => {
  const inner = 17;
  const nodes = 2 * inner + 1;
  const result = read((model) => {
    const even = (node: number): boolean => node % 2 === 0 && node < 2 * inner;
    const each = (of: (node: number) => number): number[] => Array.from({ length: nodes }, (_, node) => of(node));
    model.learner.gradient_booster.model.trees[0] = {
      left_children: each((node) => (even(node) ? node + 1 : -1)),
      right_children: each((node) => (even(node) ? node + 2 : -1)),
      split_indices: each(() => 0),
      split_conditions: each((node) => node),
      default_left: each(() => 0),
      sum_hessian: each(() => 1),
      loss_changes: each(() => 1),
    };
  });
  assert.ok(!result.ok);
  assert.equal(result.detail, "must be at most 16 deep");
});

/** A tree in which every path is so deep. */
function full(depth: number) {
  const nodes = 2 ** (depth + 1) - 1;
  const each = (of: (node: number) => number): number[] => Array.from({ length: nodes }, (_, node) => of(node));
  const inner = (node: number): boolean => 2 * node + 1 < nodes;
  return {
    left_children: each((node) => (inner(node) ? 2 * node + 1 : -1)),
    right_children: each((node) => (inner(node) ? 2 * node + 2 : -1)),
    split_indices: each(() => 0),
    split_conditions: each(() => 0.5),
    default_left: each(() => 0),
    sum_hessian: each(() => 1),
    loss_changes: each(() => 0),
  };
}

test("a model that takes too long to be explained or read is refused", () => {
  const of = (count: number, depth: number) =>
    read((model) => {
      model.learner.gradient_booster.model.trees = Array.from({ length: count }, () => full(depth));
    });
  assert.equal(of(5, 12).ok, true);
  const slow = of(6, 12);
  assert.ok(!slow.ok && /explained in time/.test(slow.detail ?? ""));
  const many = of(1_600, 6);
  assert.ok(!many.ok && /at most 200000 nodes/.test(many.detail ?? ""));
});

test("a threshold of 32-bit floats parts 64-bit numbers as rounding them first would", () => {
  const near = fc.tuple(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.integer({ min: -3, max: 3 }), fc.double({ noNaN: true }));
  fc.assert(
    fc.property(near, ([threshold, steps, any]) => {
      const split = splitFloat32(threshold);
      const spacing = Math.max(Math.abs(threshold) * 2 ** -25, 2 ** -151);
      for (const x of [
        any,
        threshold,
        split,
        threshold + steps * spacing,
        split + steps * spacing * 2 ** -28,
        split - spacing * 2 ** -28,
      ]) {
        assert.equal(x < split, Math.fround(x) < threshold, `${x} against ${threshold}`);
      }
    }),
    { numRuns: 1000 },
  );
});

test("a model of several labels is refused: its trees add up to no one probability", () => {
  const refusal = read(({ learner }) => {
    learner.learner_model_param.num_target = "2";
    learner.gradient_booster.model.tree_info = [0, 1];
  });
  assert.deepEqual([refusal.ok, !refusal.ok && refusal.param], [false, "learner.learner_model_param.num_target"]);
});
