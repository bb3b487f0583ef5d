import type { BinnedFeature } from "./bins.ts";
import { logistic } from "./forest.ts";
import { createTreeGrower, type TreeGrower } from "./grow-tree.ts";
import type { NodeRows } from "./histogram.ts";
import { type Fractions, seededFractions } from "./prng.ts";
import type { TrainOptions } from "./train-options.ts";
import { LEAF, type Tree } from "./tree.ts";

export interface BoostInput {
  readonly features: readonly BinnedFeature[];
  readonly labels: Uint8Array;
  /** What the margins begin with. */
  readonly base: number;
  readonly options: TrainOptions;
  /** Tells the members of an ensemble apart. */
  readonly member: number;
  readonly rounds: number;
  /** Hears of every tree; false ends the training after it. */
  readonly onTree: (tree: Tree, round: number) => boolean;
}

/** Log-odds of the weighted share of frauds, kept finite where one label is absent. */
export function baseMargin(labels: Uint8Array, positiveWeight: number): number {
  let positives = 0;
  for (const label of labels) positives += label;
  const weighted = positives * positiveWeight;
  return Math.log((weighted + 0.5) / (labels.length - positives + 0.5));
}

/** About `share` of all rows, each with its derivatives of the log loss. */
function sampleRows(share: number, random: Fractions, margins: Float64Array, labels: Uint8Array, positiveWeight: number): NodeRows {
  const count = labels.length;
  const rows = new Uint32Array(count);
  let taken = 0;
  for (let row = 0; row < count; row++) {
    if (share < 1 && random() >= share) continue;
    rows[taken] = row;
    taken += 1;
  }
  const gradients = new Float64Array(taken);
  const hessians = new Float64Array(taken);
  for (let i = 0; i < taken; i++) {
    const row = rows[i] as number;
    const label = labels[row] as number;
    const weight = label === 1 ? positiveWeight : 1;
    const p = logistic(margins[row] as number);
    gradients[i] = weight * (p - label);
    hessians[i] = weight * Math.max(p * (1 - p), 1e-16);
  }
  return { rows: rows.subarray(0, taken), gradients, hessians };
}

/** At least one of the features, in their own order. */
function sampleColumns(count: number, share: number, random: Fractions): readonly number[] {
  const all = Array.from({ length: count }, (_, index) => index);
  const wanted = Math.max(1, Math.round(count * share));
  if (wanted >= count) return all;
  for (let i = 0; i < wanted; i++) {
    const j = i + Math.floor(random() * (count - i));
    const swap = all[i] as number;
    all[i] = all[j] as number;
    all[j] = swap;
  }
  return all.slice(0, wanted).sort((a, b) => a - b);
}

/** Adds what the tree says to the margin of every row, also of those it was not grown on. */
function addTree(tree: Tree, features: readonly BinnedFeature[], margins: Float64Array): void {
  const { feature, value, left, right, defaultLeft } = tree;
  // The binned form of each threshold, so that rows are sent by their codes.
  const codes = new Uint32Array(feature.length);
  for (let node = 0; node < feature.length; node++) {
    const split = feature[node] as number;
    if (split !== LEAF) codes[node] = (features[split] as BinnedFeature).cuts.indexOf(value[node] as number) + 1;
  }
  for (let row = 0; row < margins.length; row++) {
    let node = 0;
    let split = feature[0] as number;
    while (split !== LEAF) {
      const code = (features[split] as BinnedFeature).codes[row] as number;
      const goesLeft = code === 0 ? defaultLeft[node] === 1 : code <= (codes[node] as number);
      node = (goesLeft ? left[node] : right[node]) as number;
      split = feature[node] as number;
    }
    margins[row] = (margins[row] as number) + (value[node] as number);
  }
}

/** The trees of one member by Newton boosting of the log loss. Same input, same trees, bit by bit. */
export function boost(input: BoostInput, grower: TreeGrower = createTreeGrower(input.features)): Tree[] {
  const { features, labels, base, options, member, rounds, onTree } = input;
  const random = seededFractions(options.seed, member);
  const margins = new Float64Array(labels.length).fill(base);
  const trees: Tree[] = [];
  for (let round = 0; round < rounds; round++) {
    const rows = sampleRows(options.rowSample, random, margins, labels, options.positiveWeight);
    const used = sampleColumns(features.length, options.columnSample, random);
    const tree = grower.grow(rows, used, options);
    addTree(tree, features, margins);
    trees.push(tree);
    if (!onTree(tree, round)) break;
  }
  return trees;
}
