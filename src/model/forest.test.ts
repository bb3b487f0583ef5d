import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createForest, logistic } from "./forest.ts";
import { anyRow, anySketch, buildTree, type Sketch } from "./test-kit.ts";

function walk(sketch: Sketch, row: Float64Array): number {
  if ("leaf" in sketch) return sketch.leaf;
  const x = row[sketch.feature] as number;
  const goesLeft = Number.isNaN(x) ? sketch.defaultLeft : x < sketch.below;
  return walk(goesLeft ? sketch.left : sketch.right, row);
}

test("a forest says what its trees say one by one", () => {
  fc.assert(
    fc.property(fc.array(anySketch(3, 4), { maxLength: 4 }), anyRow(3), (sketches, row) => {
      const margin = createForest(sketches.map(buildTree), 0.25, 3).margin(row);
      assert.equal(
        margin,
        sketches.reduce((sum, sketch) => sum + walk(sketch, row), 0.25),
      );
    }),
  );
});

test("a value at the threshold goes right, infinities go to their sides, missing goes by default", () => {
  const leaves = { left: { leaf: 1, cover: 1 }, right: { leaf: 2, cover: 1 } } as const;
  const toLeft = createForest([buildTree({ feature: 0, below: 5, defaultLeft: true, ...leaves })], 0, 1);
  const toRight = createForest([buildTree({ feature: 0, below: 5, defaultLeft: false, ...leaves })], 0, 1);
  const margins = (forest: typeof toLeft): number[] => [4.999, 5, Infinity, -Infinity, NaN].map((x) => forest.margin(Float64Array.of(x)));
  assert.deepEqual(margins(toLeft), [1, 2, 2, 1, 1]);
  assert.deepEqual(margins(toRight), [1, 2, 2, 1, 2]);
});

test("the logistic function is exact at both ends", () => {
  assert.deepEqual([0, 1000, -1000].map(logistic), [0.5, 1, 0]);
  assert.ok(Math.abs(logistic(2) + logistic(-2) - 1) < 1e-15);
});
