import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createForest } from "./forest.ts";
import { anyRow, anySketch, buildTree, type Sketch } from "./test-kit.ts";
import { depthOf, LEAF, type Tree } from "./tree.ts";
import { createTreeExplainer, expectationOf } from "./tree-shap.ts";

/** The tree's expectation given the features of a coalition (a set of bits), absent ones weighed by cover. */
function worth(tree: Tree, row: Float64Array, coalition: number, node = 0): number {
  const split = tree.feature[node] as number;
  if (split === LEAF) return tree.value[node] as number;
  const l = tree.left[node] as number;
  const r = tree.right[node] as number;
  if ((coalition >> split) & 1) {
    const x = row[split] as number;
    const goesLeft = Number.isNaN(x) ? tree.defaultLeft[node] === 1 : x < (tree.value[node] as number);
    return worth(tree, row, coalition, goesLeft ? l : r);
  }
  const [cl, cr] = [tree.cover[l] as number, tree.cover[r] as number];
  return (cl * worth(tree, row, coalition, l) + cr * worth(tree, row, coalition, r)) / (cl + cr);
}

const factorial = (n: number): number => (n <= 1 ? 1 : n * factorial(n - 1));

/** Shapley values by their definition, over all coalitions. */
function bruteForce(tree: Tree, row: Float64Array): number[] {
  const width = row.length;
  return Array.from({ length: width }, (_, feature) => {
    let sum = 0;
    for (let coalition = 0; coalition < 2 ** width; coalition++) {
      if ((coalition >> feature) & 1) continue;
      const size = coalition.toString(2).replaceAll("0", "").length;
      const weight = (factorial(size) * factorial(width - size - 1)) / factorial(width);
      sum += weight * (worth(tree, row, coalition | (1 << feature)) - worth(tree, row, coalition));
    }
    return sum;
  });
}

test("the values are the Shapley values by definition, on any tree, also where features come again on a path", () => {
  fc.assert(
    fc.property(fc.array(anySketch(4, 5), { minLength: 1, maxLength: 3 }), anyRow(4), (sketches, row) => {
      const trees = sketches.map(buildTree);
      const explainer = createTreeExplainer(trees, Math.max(...trees.map(depthOf)));
      const shares = new Float64Array(4);
      explainer.explain(row, shares);
      for (const [feature, share] of shares.entries()) {
        const expected = trees.reduce((sum, tree) => sum + (bruteForce(tree, row)[feature] as number), 0);
        assert.ok(Math.abs(share - expected) < 1e-9, `feature ${feature}: ${share} instead of ${expected}`);
      }
      const margin = createForest(trees, 0, 4).margin(row);
      const sum = shares.reduce((total, share) => total + share, 0);
      assert.ok(Math.abs(explainer.expectation + sum - margin) < 1e-9, "they add up to the margin");
    }),
    { numRuns: 150 },
  );
});

test("a hand-computed tree: one split, covers 1 and 3", () => {
  const tree = buildTree({ feature: 0, below: 5, defaultLeft: true, left: { leaf: 2, cover: 1 }, right: { leaf: -2, cover: 3 } });
  assert.equal(expectationOf(tree), -1);
  const shares = new Float64Array(2);
  createTreeExplainer([tree], 1).explain(Float64Array.of(4, 9), shares);
  assert.deepEqual([...shares], [3, 0]);
});

test("a tree that is one leaf explains nothing", () => {
  const shares = new Float64Array(1);
  const explainer = createTreeExplainer([buildTree({ leaf: 0.5, cover: 2 })], 0);
  explainer.explain(Float64Array.of(1), shares);
  assert.deepEqual([explainer.expectation, shares[0]], [0.5, 0]);
});

test("twelve levels of the same two features still add up", () => {
  const deep = (level: number): Parameters<typeof buildTree>[0] =>
    level === 12
      ? { leaf: 1, cover: 1 }
      : { feature: level % 2, below: 20 - level, defaultLeft: false, left: deep(level + 1), right: { leaf: -level, cover: 1e-6 } };
  const tree = buildTree(deep(0));
  const explainer = createTreeExplainer([tree], 12);
  for (const row of [Float64Array.of(0, 0), Float64Array.of(30, 0), Float64Array.of(12, Number.NaN)]) {
    const shares = new Float64Array(2);
    explainer.explain(row, shares);
    const sum = explainer.expectation + (shares[0] as number) + (shares[1] as number);
    assert.ok(Math.abs(sum - createForest([tree], 0, 2).margin(row)) < 1e-9);
  }
});

test("the values are numbers also where next to nothing ever came by, however often one feature is asked", () => {
  const chain = (depth: number): Sketch =>
    depth === 0
      ? { leaf: 1, cover: 1e-9 }
      : { feature: 0, below: depth, defaultLeft: true, left: chain(depth - 1), right: { leaf: -1, cover: 1e29 } };
  const built = buildTree(chain(16));
  // What a file says of covers need not add up.
  const tree = { ...built, cover: built.cover.map((cover, node) => (built.left.includes(node) ? 1e-9 : cover)) };
  for (const x of [-1, 3.5, 100]) {
    const into = new Float64Array(1);
    const explainer = createTreeExplainer([tree], 16);
    explainer.explain(Float64Array.of(x), into);
    const margin = createForest([tree], 0, 1).margin(Float64Array.of(x));
    assert.ok(Math.abs((into[0] as number) + explainer.expectation - margin) < 1e-6, `${into[0]} at ${x}`);
  }
});
