import { LEAF, type Tree } from "./tree.ts";

/**
 * Path-dependent TreeSHAP (Lundberg, Erion, Lee 2018, algorithm 2): the exact Shapley values of the game in which a
 * coalition's worth is the tree's expectation given the coalition's features, absent features weighed by cover. Adds each
 * feature's share to `into`; together they are the tree's value minus its expectation. Time O(leaves x depth²).
 */
export interface TreeExplainer {
  /** @param into as wide as the row; the shares are added to it */
  explain(row: Float64Array, into: Float64Array): void;
  /** What the trees add on average over the training data, by cover. */
  readonly expectation: number;
}

/** Shares of one feature are multiplied down a path of up to sixteen splits, and divided by again: the product must not come to zero. */
const SHARE_MIN = 1e-18;

/** The tree's mean leaf, weighed by cover. */
export function expectationOf({ feature, value, left, right, cover }: Tree): number {
  const means = Float64Array.from(value);
  for (let node = feature.length - 1; node >= 0; node--) {
    if (feature[node] === LEAF) continue;
    const l = left[node] as number;
    const r = right[node] as number;
    means[node] =
      ((means[l] as number) * (cover[l] as number) + (means[r] as number) * (cover[r] as number)) /
      ((cover[l] as number) + (cover[r] as number));
  }
  return means[0] as number;
}

/** Adds an element to a path of `length` elements that starts at `from`: which coalitions still come by, by their size. */
type Path = {
  readonly feature: Int32Array;
  /** The share of coalitions without, and with, the feature that come by. */
  readonly zero: Float64Array;
  readonly one: Float64Array;
  readonly weight: Float64Array;
};

function extend(path: Path, from: number, length: number, zero: number, one: number, feature: number): void {
  const { weight } = path;
  path.feature[from + length] = feature;
  path.zero[from + length] = zero;
  path.one[from + length] = one;
  weight[from + length] = length === 0 ? 1 : 0;
  for (let i = length - 1; i >= 0; i--) {
    const w = weight[from + i] as number;
    weight[from + i + 1] = (weight[from + i + 1] as number) + (one * w * (i + 1)) / (length + 1);
    weight[from + i] = (zero * w * (length - i)) / (length + 1);
  }
}

/** Takes element `index` out again of a path whose last element is `last`. */
function unwind(path: Path, from: number, last: number, index: number): void {
  const { weight } = path;
  const one = path.one[from + index] as number;
  const zero = path.zero[from + index] as number;
  let next = weight[from + last] as number;
  for (let i = last - 1; i >= 0; i--) {
    const w = weight[from + i] as number;
    if (one === 0) weight[from + i] = (w * (last + 1)) / (zero * (last - i));
    else {
      weight[from + i] = (next * (last + 1)) / ((i + 1) * one);
      next = w - ((weight[from + i] as number) * zero * (last - i)) / (last + 1);
    }
  }
  for (let i = index; i < last; i++) {
    path.feature[from + i] = path.feature[from + i + 1] as number;
    path.zero[from + i] = path.zero[from + i + 1] as number;
    path.one[from + i] = path.one[from + i + 1] as number;
  }
}

/** The sum of the weights as if element `index` were taken out. */
function unwoundSum(path: Path, from: number, last: number, index: number): number {
  const { weight } = path;
  const one = path.one[from + index] as number;
  const zero = path.zero[from + index] as number;
  let next = weight[from + last] as number;
  let total = 0;
  for (let i = last - 1; i >= 0; i--) {
    const w = weight[from + i] as number;
    if (one === 0) total += (w * (last + 1)) / (zero * (last - i));
    else {
      const taken = (next * (last + 1)) / ((i + 1) * one);
      total += taken;
      next = w - (taken * zero * (last - i)) / (last + 1);
    }
  }
  return total;
}

function indexOf(path: Path, from: number, last: number, feature: number): number {
  // Element 0 is the root's and stands for no feature.
  for (let i = 1; i <= last; i++) if (path.feature[from + i] === feature) return i;
  return -1;
}

/** An explainer of all given trees together. It keeps its working memory, so it is used by one caller at a time. */
export function createTreeExplainer(trees: readonly Tree[], maxDepth: number): TreeExplainer {
  // Every level keeps a path of its own, one element longer than the level above.
  const space = ((maxDepth + 2) * (maxDepth + 3)) / 2 + maxDepth + 3;
  const path: Path = {
    feature: new Int32Array(space),
    zero: new Float64Array(space),
    one: new Float64Array(space),
    weight: new Float64Array(space),
  };

  const visit = (
    tree: Tree,
    node: number,
    row: Float64Array,
    into: Float64Array,
    parent: number,
    length: number,
    zero: number,
    one: number,
    feature: number,
  ): void => {
    const from = parent + length;
    for (let i = 0; i < length; i++) {
      path.feature[from + i] = path.feature[parent + i] as number;
      path.zero[from + i] = path.zero[parent + i] as number;
      path.one[from + i] = path.one[parent + i] as number;
      path.weight[from + i] = path.weight[parent + i] as number;
    }
    extend(path, from, length, zero, one, feature);
    let last = length;
    const split = tree.feature[node] as number;
    if (split === LEAF) {
      for (let i = 1; i <= last; i++) {
        const share = unwoundSum(path, from, last, i) * ((path.one[from + i] as number) - (path.zero[from + i] as number));
        const owner = path.feature[from + i] as number;
        into[owner] = (into[owner] as number) + share * (tree.value[node] as number);
      }
      return;
    }
    const x = row[split] as number;
    const goesLeft = Number.isNaN(x) ? tree.defaultLeft[node] === 1 : x < (tree.value[node] as number);
    const l = tree.left[node] as number;
    const r = tree.right[node] as number;
    const hot = goesLeft ? l : r;
    const cold = goesLeft ? r : l;
    const both = (tree.cover[l] as number) + (tree.cover[r] as number);
    const shareOf = (child: number): number => Math.max((tree.cover[child] as number) / both, SHARE_MIN);
    let zeroBefore = 1;
    let oneBefore = 1;
    const again = indexOf(path, from, last, split);
    if (again !== -1) {
      zeroBefore = path.zero[from + again] as number;
      oneBefore = path.one[from + again] as number;
      unwind(path, from, last, again);
      last -= 1;
    }
    visit(tree, hot, row, into, from, last + 1, shareOf(hot) * zeroBefore, oneBefore, split);
    visit(tree, cold, row, into, from, last + 1, shareOf(cold) * zeroBefore, 0, split);
  };

  return {
    expectation: trees.reduce((sum, tree) => sum + expectationOf(tree), 0),
    explain(row, into) {
      for (const tree of trees) visit(tree, 0, row, into, 0, 0, 1, 1, LEAF);
    },
  };
}
