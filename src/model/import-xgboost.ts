import type { JsonObject, JsonValue } from "#kernel/json.ts";
import type { Refusal } from "#kernel/problems.ts";
import { COVER_MIN, checkForestSize, limits, SUM_MAX } from "./check-tree.ts";
import type { ModelFeature } from "./dataset.ts";
import type { Model } from "./model.ts";
import { arrayAt, integerAt, integersAt, malformed, numbersAt, objectAt, orRefusal, parseText } from "./read-json.ts";
import { FLOAT32_MAX, splitFloat32 } from "./split-float32.ts";
import { LEAF, type Tree } from "./tree.ts";

const textOf = (value: JsonValue | undefined, at: string): string => (typeof value === "string" ? value : malformed(at, "must be text"));

/** Numbers of parameters are text there; since version 3.1 `base_score` is a list in the text. */
function numberIn(value: JsonValue | undefined, at: string): number {
  const number = Number(textOf(value, at).replace(/^\[(.*)\]$/, "$1"));
  return Number.isFinite(number) ? number : malformed(at, "must be one number");
}

/** Booleans in some versions, numbers in others. */
function flagsAt(value: JsonValue | undefined, at: string, length: number): Int32Array {
  const flags = arrayAt(value, at, length).map((entry) => (typeof entry === "boolean" ? Number(entry) : entry));
  return integersAt(flags, at, length, 0, 1);
}

function importTree(value: JsonValue, at: string, width: number): Tree {
  const object = objectAt(value, at);
  const { length } = arrayAt(object["left_children"], `${at}.left_children`, limits.nodesOfTree);
  if (length === 0) malformed(`${at}.left_children`, "must not be empty");
  const left = integersAt(object["left_children"], `${at}.left_children`, length, LEAF, length - 1);
  const right = integersAt(object["right_children"], `${at}.right_children`, length, LEAF, length - 1);
  const feature = integersAt(object["split_indices"], `${at}.split_indices`, length, 0, 0x7fffffff);
  const conditions = numbersAt(object["split_conditions"], `${at}.split_conditions`, length, -FLOAT32_MAX, FLOAT32_MAX);
  const defaults = flagsAt(object["default_left"], `${at}.default_left`, length);
  const hessians = numbersAt(object["sum_hessian"], `${at}.sum_hessian`, length, 0, SUM_MAX);
  const gains = numbersAt(object["loss_changes"], `${at}.loss_changes`, length, -SUM_MAX, SUM_MAX);
  if (object["split_type"] !== undefined && integersAt(object["split_type"], `${at}.split_type`, length, 0, 1).includes(1)) {
    malformed(`${at}.split_type`, "categorical splits are not supported");
  }

  // Nodes are numbered anew from the root, which leaves out those that pruning deleted.
  const order: number[] = [0];
  const numbers = new Int32Array(length).fill(LEAF);
  numbers[0] = 0;
  for (let place = 0; place < order.length; place++) {
    const node = order[place] as number;
    if (left[node] === LEAF) continue;
    if ((feature[node] as number) >= width) malformed(`${at}.split_indices[${node}]`, `must be below ${width}`);
    for (const child of [left[node] as number, right[node] as number]) {
      if (child === LEAF || numbers[child] !== LEAF) malformed(`${at}.left_children[${node}]`, "must be a tree");
      numbers[child] = order.push(child) - 1;
    }
  }
  const inner = (node: number): boolean => left[node] !== LEAF;
  for (const node of order) {
    // A leaf's condition is its value: beyond this the model could not be read again, and two such leaves would add up to infinity.
    if (!inner(node) && Math.abs(conditions[node] as number) > limits.margin)
      malformed(`${at}.split_conditions[${node}]`, `a leaf is at most ${limits.margin}`);
  }
  const child = (of: Int32Array, node: number): number => (inner(node) ? (numbers[of[node] as number] as number) : 0);
  return {
    feature: Int32Array.from(order, (node) => (inner(node) ? (feature[node] as number) : LEAF)),
    value: Float64Array.from(order, (node) => {
      const condition = Math.fround(conditions[node] as number);
      return inner(node) ? splitFloat32(condition) : condition;
    }),
    left: Int32Array.from(order, (node) => child(left, node)),
    right: Int32Array.from(order, (node) => child(right, node)),
    defaultLeft: Uint8Array.from(order, (node) => (inner(node) ? (defaults[node] as number) : 0)),
    cover: Float64Array.from(order, (node) => Math.max(hessians[node] as number, COVER_MIN)),
    gain: Float64Array.from(order, (node) => (inner(node) ? Math.max(gains[node] as number, 0) : 0)),
  };
}

function featuresOf(learner: JsonObject, width: number): ModelFeature[] {
  const given = arrayAt(learner["feature_names"] ?? [], "learner.feature_names", limits.features);
  if (given.length !== 0 && given.length !== width) malformed("learner.feature_names", `must have ${width} entries`);
  const features = Array.from({ length: width }, (_, index) => {
    const name = given[index] ?? `f${index}`;
    if (typeof name !== "string" || !/^[A-Za-z0-9_.:-]{1,100}$/.test(name)) {
      return malformed(`learner.feature_names[${index}]`, "must be letters, digits, _ . : -");
    }
    return { name, unit: "imported" };
  });
  if (new Set(features.map(({ name }) => name)).size !== width) malformed("learner.feature_names", "must differ");
  return features;
}

/**
 * Reads a model that XGBoost's `save_model` wrote as JSON: booster `gbtree`, objective `binary:logistic`, numeric
 * splits. XGBoost compares 32-bit floats; thresholds are moved so that 64-bit numbers go the same way. Refuses
 * everything else with `invalid_request`, naming the place. The model has no calibration and no training window of its own.
 */
export function importXgboost(text: string): { readonly ok: true; readonly value: Model } | Refusal {
  return orRefusal(() => {
    const learner = objectAt(objectAt(parseText(text, limits.textLength), "model")["learner"], "learner");
    const objective = objectAt(learner["objective"], "learner.objective")["name"];
    if (objective !== "binary:logistic") malformed("learner.objective.name", "must be binary:logistic");
    const booster = objectAt(learner["gradient_booster"], "learner.gradient_booster");
    if (booster["name"] !== "gbtree") malformed("learner.gradient_booster.name", "must be gbtree");
    const parameters = objectAt(learner["learner_model_param"], "learner.learner_model_param");
    const width = integerAt(
      numberIn(parameters["num_feature"], "learner.learner_model_param.num_feature"),
      "num_feature",
      1,
      limits.features,
    );
    // Older versions know of one label only and do not say so.
    if (parameters["num_target"] !== undefined && numberIn(parameters["num_target"], "learner.learner_model_param.num_target") > 1)
      malformed("learner.learner_model_param.num_target", "must be 1");
    const start = numberIn(parameters["base_score"], "learner.learner_model_param.base_score");
    if (!(start > 0 && start < 1)) malformed("learner.learner_model_param.base_score", "must lie between 0 and 1");
    const at = "learner.gradient_booster.model.trees";
    const list = arrayAt(objectAt(booster["model"], "learner.gradient_booster.model")["trees"], at, limits.trees);
    const trees = list.map((tree, index) => importTree(tree, `${at}[${index}]`, width));
    checkForestSize(trees);
    return {
      features: featuresOf(learner, width),
      base: Math.log(start / (1 - start)),
      trees,
      calibration: { kind: "none" },
      training: { source: "xgboost", from: null, to: null, rows: 0, positives: 0, options: {} },
      metrics: {},
    };
  });
}
