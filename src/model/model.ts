import { hash } from "node:crypto";
import { canonicalJson } from "#kernel/canonical-json.ts";
import type { JsonObject } from "#kernel/json.ts";
import { type Calibration, calibrated } from "./calibration.ts";
import type { ModelFeature } from "./dataset.ts";
import { createForest, type Forest } from "./forest.ts";
import { depthOf, type Tree } from "./tree.ts";
import { createTreeExplainer } from "./tree-shap.ts";

export const MODEL_FORMAT = "smartfinance-trees-1";

/** Where a model comes from. Times are RFC 3339, UTC. */
export interface Training {
  /** `trained` here, or `xgboost` where it was brought along. */
  readonly source: "trained" | "xgboost";
  /** The window of the data, both ends included; null where it is not known. */
  readonly from: string | null;
  readonly to: string | null;
  readonly rows: number;
  readonly positives: number;
  /** The options and what came of them (rounds taken), as numbers and words. */
  readonly options: Readonly<Record<string, number | string | boolean>>;
}

/** A model, complete: what it reads, what it does with it, and where it comes from. */
export interface Model {
  readonly features: readonly ModelFeature[];
  /** What the margin begins with, in log-odds. */
  readonly base: number;
  readonly trees: readonly Tree[];
  readonly calibration: Calibration;
  readonly training: Training;
  /** On held-back rows, or what whoever trained it says. Names such as `average_precision`. */
  readonly metrics: Readonly<Record<string, number>>;
}

function treeToJson({ feature, value, left, right, defaultLeft, cover, gain }: Tree): JsonObject {
  return {
    feature: [...feature],
    value: [...value],
    left: [...left],
    right: [...right],
    default_left: [...defaultLeft],
    cover: [...cover],
    gain: [...gain],
  };
}

/** The model as JSON, without its hash. */
export function modelToJson({ features, base, trees, calibration, training, metrics }: Model): JsonObject {
  return {
    format: MODEL_FORMAT,
    features: features.map(({ name, unit }) => ({ name, unit })),
    base,
    trees: trees.map(treeToJson),
    calibration: { ...calibration },
    training: { ...training },
    metrics,
  };
}

/** A model's text and the hash by which it is named. */
export interface ModelText {
  /** RFC 8785 canonical JSON with the member `hash`. */
  readonly text: string;
  /** SHA-256 (hex) of the canonical JSON without the member `hash`. */
  readonly hash: string;
}

/** The text to store. The same model gives the same bytes on every machine. */
export function modelText(model: Model): ModelText {
  const json = modelToJson(model);
  const digest = hash("sha256", canonicalJson(json), "hex");
  return { text: canonicalJson({ ...json, hash: digest }), hash: digest };
}

/** What one feature added to a margin. */
export interface Contribution {
  readonly feature: string;
  /** Log-odds; above 0 towards fraud. */
  readonly adds: number;
}

export interface Scorer {
  readonly forest: Forest;
  /** Log-odds before calibration: ranks finer than the probability. */
  margin(row: Float64Array): number;
  /** The calibrated probability of fraud. */
  probability(row: Float64Array): number;
  /** The margin shared out to the features by exact Shapley values (path-dependent TreeSHAP), largest first. Slower: not for the decision. */
  explain(row: Float64Array): { readonly expected: number; readonly contributions: readonly Contribution[] };
}

/** Makes a model ready to score. */
export function createScorer({ features, base, trees, calibration }: Model): Scorer {
  const forest = createForest(trees, base, features.length);
  const depth = trees.reduce((deepest, tree) => Math.max(deepest, depthOf(tree)), 0);
  const explainer = createTreeExplainer(trees, depth);
  return {
    forest,
    margin: (row) => forest.margin(row),
    probability: (row) => calibrated(calibration, forest.margin(row)),
    explain(row) {
      const shares = new Float64Array(features.length);
      explainer.explain(row, shares);
      const contributions = features.map(({ name }, index) => ({ feature: name, adds: shares[index] as number }));
      return { expected: base + explainer.expectation, contributions: contributions.sort((a, b) => Math.abs(b.adds) - Math.abs(a.adds)) };
    },
  };
}
