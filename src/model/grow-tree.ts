import type { BinnedFeature } from "./bins.ts";
import { fillHistogram, type Histogram, histogramOffsets, type NodeRows, subtractHistogram } from "./histogram.ts";
import { findSplit, type Split, type SplitRules, type Sums } from "./split.ts";
import { createTreeBuilder, type Tree } from "./tree.ts";

export interface GrowRules extends SplitRules {
  readonly maxDepth: number;
  readonly maxLeaves: number;
  /** Multiplies every leaf. */
  readonly learningRate: number;
}

/** A leaf that may still be split. */
interface Open {
  readonly node: number;
  readonly depth: number;
  readonly rows: NodeRows;
  readonly sums: Sums;
  readonly histogram: Histogram;
  readonly split: Split;
}

export interface TreeGrower {
  /** Grows one tree over the sampled rows, with the features it may use. */
  grow(rows: NodeRows, used: readonly number[], rules: GrowRules): Tree;
}

function sumsOf({ gradients, hessians }: NodeRows): Sums {
  let gradient = 0;
  let hessian = 0;
  for (let i = 0; i < gradients.length; i++) {
    gradient += gradients[i] as number;
    hessian += hessians[i] as number;
  }
  return { gradient, hessian };
}

function partRows(codes: Uint16Array, split: Split, { rows, gradients, hessians }: NodeRows): readonly [NodeRows, NodeRows] {
  let leftCount = 0;
  const goesLeft = new Uint8Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const code = codes[rows[i] as number] as number;
    const left = code === 0 ? split.defaultLeft : code <= split.code;
    if (!left) continue;
    goesLeft[i] = 1;
    leftCount += 1;
  }
  const make = (count: number): NodeRows => ({
    rows: new Uint32Array(count),
    gradients: new Float64Array(count),
    hessians: new Float64Array(count),
  });
  const left = make(leftCount);
  const right = make(rows.length - leftCount);
  let l = 0;
  let r = 0;
  for (let i = 0; i < rows.length; i++) {
    const toLeft = goesLeft[i] === 1;
    const side = toLeft ? left : right;
    const at = toLeft ? l++ : r++;
    side.rows[at] = rows[i] as number;
    side.gradients[at] = gradients[i] as number;
    side.hessians[at] = hessians[i] as number;
  }
  return [left, right];
}

/**
 * Grows trees best leaf first: while leaves are left, the split that gains most is made. With `maxLeaves` at
 * 2^`maxDepth` that is the same tree as level by level. Only the smaller child's histogram is counted; the larger
 * one's is the parent's minus it. Histograms are kept in a pool between trees.
 */
export function createTreeGrower(features: readonly BinnedFeature[]): TreeGrower {
  const offsets = histogramOffsets(features);
  const pool: Histogram[] = [];
  const take = (): Histogram => pool.pop() ?? new Float64Array(offsets[features.length] as number);

  return {
    grow(all, used, rules) {
      const builder = createTreeBuilder();
      const open: Open[] = [];
      const leafValue = ({ gradient, hessian }: Sums): number => -gradient / (hessian + rules.l2);
      /** Keeps the histogram when the node can be split, gives it back otherwise. */
      const consider = (node: number, depth: number, rows: NodeRows, sums: Sums, histogram: Histogram): void => {
        const split = findSplit(histogram, offsets, features, used, sums, rules);
        if (split === undefined) pool.push(histogram);
        else open.push({ node, depth, rows, sums, histogram, split });
      };

      const sums = sumsOf(all);
      const root = take();
      fillHistogram(root, offsets, features, used, all);
      consider(builder.addLeaf(leafValue(sums), sums.hessian), 0, all, sums, root);

      for (let leaves = 1; leaves < rules.maxLeaves && open.length > 0; leaves++) {
        let chosen = 0;
        for (let i = 1; i < open.length; i++) if ((open[i] as Open).split.gain > (open[chosen] as Open).split.gain) chosen = i;
        const [{ node, depth, rows, histogram, split }] = open.splice(chosen, 1) as [Open];
        const [left, right] = partRows((features[split.feature] as BinnedFeature).codes, split, rows);
        // Counted anew: sums by subtraction would carry the rounding of every level into the leaves.
        const leftSums = sumsOf(left);
        const rightSums = sumsOf(right);
        const leftNode = builder.addLeaf(leafValue(leftSums), leftSums.hessian);
        const rightNode = builder.addLeaf(leafValue(rightSums), rightSums.hessian);
        builder.makeInner(node, split, leftNode, rightNode);
        if (depth + 1 >= rules.maxDepth) {
          pool.push(histogram);
          continue;
        }
        const leftIsSmaller = left.rows.length <= right.rows.length;
        const small = take();
        fillHistogram(small, offsets, features, used, leftIsSmaller ? left : right);
        subtractHistogram(histogram, small, offsets, used);
        consider(leftNode, depth + 1, left, leftSums, leftIsSmaller ? small : histogram);
        consider(rightNode, depth + 1, right, rightSums, leftIsSmaller ? histogram : small);
      }
      for (const { histogram } of open) pool.push(histogram);
      return builder.finish(rules.learningRate);
    },
  };
}
