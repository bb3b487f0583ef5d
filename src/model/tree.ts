/**
 * A binary tree in parallel arrays. Node 0 is the root; children come after their parents. An inner node sends a row
 * left when `row[feature] < value`, and by `defaultLeft` when the feature is missing (NaN).
 */
export interface Tree {
  /** The feature's number, or LEAF. */
  readonly feature: Int32Array;
  /** An inner node's threshold; a leaf's addition to the margin. */
  readonly value: Float64Array;
  /** 0 at leaves. */
  readonly left: Int32Array;
  readonly right: Int32Array;
  /** 1 or 0; 0 at leaves. */
  readonly defaultLeft: Uint8Array;
  /** How much of the training data (sum of second derivatives) came by. Shapley values weigh by it. */
  readonly cover: Float64Array;
  /** What the node's split gained in the loss; 0 at leaves. Tells which features matter. */
  readonly gain: Float64Array;
}

export const LEAF = -1;

/** Collects a tree's nodes while it grows. */
export interface TreeBuilder {
  readonly size: number;
  /** Adds a leaf and returns its number. */
  addLeaf(value: number, cover: number): number;
  /** Turns a leaf into an inner node over two nodes added after it. */
  makeInner(
    node: number,
    split: { feature: number; threshold: number; defaultLeft: boolean; gain: number },
    left: number,
    right: number,
  ): void;
  /** Multiplies every leaf by `factor` and returns the tree. */
  finish(factor: number): Tree;
}

export function createTreeBuilder(): TreeBuilder {
  const feature: number[] = [];
  const value: number[] = [];
  const left: number[] = [];
  const right: number[] = [];
  const defaultLeft: number[] = [];
  const cover: number[] = [];
  const gain: number[] = [];
  return {
    get size() {
      return feature.length;
    },
    addLeaf(leafValue, leafCover) {
      feature.push(LEAF);
      value.push(leafValue);
      left.push(0);
      right.push(0);
      defaultLeft.push(0);
      gain.push(0);
      return cover.push(leafCover) - 1;
    },
    makeInner(node, split, leftNode, rightNode) {
      feature[node] = split.feature;
      value[node] = split.threshold;
      defaultLeft[node] = split.defaultLeft ? 1 : 0;
      gain[node] = split.gain;
      left[node] = leftNode;
      right[node] = rightNode;
    },
    finish(factor) {
      return {
        feature: Int32Array.from(feature),
        value: Float64Array.from(value, (entry, node) => (feature[node] === LEAF ? entry * factor : entry)),
        left: Int32Array.from(left),
        right: Int32Array.from(right),
        defaultLeft: Uint8Array.from(defaultLeft),
        cover: Float64Array.from(cover),
        gain: Float64Array.from(gain),
      };
    },
  };
}

/** The most steps from the root to a leaf. */
export function depthOf({ feature, left, right }: Tree): number {
  const depth = new Uint32Array(feature.length);
  let deepest = 0;
  for (let node = 0; node < feature.length; node++) {
    if (feature[node] === LEAF) continue;
    const below = (depth[node] as number) + 1;
    depth[left[node] as number] = below;
    depth[right[node] as number] = below;
    deepest = Math.max(deepest, below);
  }
  return deepest;
}

/** The tree with every leaf multiplied: how the members of an ensemble are averaged. */
export function scaleTree(tree: Tree, factor: number): Tree {
  return { ...tree, value: tree.value.map((entry, node) => (tree.feature[node] === LEAF ? entry * factor : entry)) };
}
