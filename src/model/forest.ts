import { LEAF, type Tree } from "./tree.ts";

/** Trees laid out for speed: all nodes in one block of typed arrays. */
export interface Forest {
  /** How many numbers a row has. */
  readonly width: number;
  readonly trees: readonly Tree[];
  /**
   * The margin (log-odds before calibration) of one row: the base and what every tree adds. NaN says missing. Takes no
   * memory, so it can run inside the money decision.
   */
  margin(row: Float64Array): number;
}

/** @param base what the margin begins with */
export function createForest(trees: readonly Tree[], base: number, width: number): Forest {
  const total = trees.reduce((sum, tree) => sum + tree.feature.length, 0);
  const roots = new Int32Array(trees.length);
  const feature = new Int32Array(total);
  const value = new Float64Array(total);
  // Three ways out of a node side by side: not below the threshold, below it, missing.
  const next = new Int32Array(3 * total);
  let start = 0;
  for (const [number, tree] of trees.entries()) {
    roots[number] = start;
    feature.set(tree.feature, start);
    value.set(tree.value, start);
    for (let node = 0; node < tree.feature.length; node++) {
      if (tree.feature[node] === LEAF) continue;
      const left = start + (tree.left[node] as number);
      const right = start + (tree.right[node] as number);
      next.set([right, left, tree.defaultLeft[node] === 1 ? left : right], 3 * (start + node));
    }
    start += tree.feature.length;
  }
  return {
    width,
    trees,
    margin(row) {
      let margin = base;
      for (let t = 0; t < roots.length; t++) {
        let node = roots[t] as number;
        let split = feature[node] as number;
        while (split >= 0) {
          const x = row[split] as number;
          const threshold = value[node] as number;
          node = next[3 * node + (x < threshold ? 1 : x >= threshold ? 0 : 2)] as number;
          split = feature[node] as number;
        }
        margin += value[node] as number;
      }
      return margin;
    },
  };
}

/** The logistic function, exact at both ends. */
export function logistic(margin: number): number {
  return margin >= 0 ? 1 / (1 + Math.exp(-margin)) : Math.exp(margin) / (1 + Math.exp(margin));
}
