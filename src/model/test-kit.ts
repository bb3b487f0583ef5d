import fc from "fast-check";
import type { Dataset, ModelFeature } from "./dataset.ts";
import { seededFractions } from "./prng.ts";
import { defaultTrainOptions, type TrainOptions } from "./train-options.ts";
import { createTreeBuilder, type Tree } from "./tree.ts";

/** What the tests of this room share. */
export const features: readonly ModelFeature[] = [
  { name: "amount", unit: "eur" },
  { name: "count", unit: "count" },
  { name: "noise", unit: "share" },
];

/**
 * Payments of which the large ones from busy payers are mostly fraud, one a minute. A tenth of the counts is missing; missing ones are honest.
 */
export function exampleData(rows: number, seed = 7): Dataset {
  const random = seededFractions(seed, 0);
  const columns = features.map(() => new Float64Array(rows));
  const [amounts, counts, noise] = columns as [Float64Array, Float64Array, Float64Array];
  const labels = new Uint8Array(rows);
  const times = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    amounts[row] = Math.round(random() ** 3 * 100_000) / 100;
    counts[row] = random() < 0.1 ? Number.NaN : Math.floor(random() * 10);
    noise[row] = random();
    const risky = (amounts[row] as number) > 250 && (counts[row] as number) >= 5;
    labels[row] = random() < (risky ? 0.7 : 0.02) ? 1 : 0;
    times[row] = Date.UTC(2026, 0, 1) + row * 60_000;
  }
  return { columns, labels, times };
}

export const quickOptions: TrainOptions = { ...defaultTrainOptions, rounds: 20, learningRate: 0.2, maxDepth: 3, maxLeaves: 8, patience: 5 };

export const rowOf = (dataset: Dataset, row: number): Float64Array => Float64Array.from(dataset.columns, (column) => column[row] as number);

/** A node of a tree as a test writes it: a leaf is its value and cover. */
export type Sketch =
  | { readonly leaf: number; readonly cover: number }
  | { readonly feature: number; readonly below: number; readonly defaultLeft: boolean; readonly left: Sketch; readonly right: Sketch };

const coverOf = (sketch: Sketch): number => ("leaf" in sketch ? sketch.cover : coverOf(sketch.left) + coverOf(sketch.right));

export function buildTree(sketch: Sketch): Tree {
  const builder = createTreeBuilder();
  const fill = (node: number, part: Sketch): void => {
    if ("leaf" in part) return;
    const left = builder.addLeaf("leaf" in part.left ? part.left.leaf : 0, coverOf(part.left));
    const right = builder.addLeaf("leaf" in part.right ? part.right.leaf : 0, coverOf(part.right));
    builder.makeInner(node, { feature: part.feature, threshold: part.below, defaultLeft: part.defaultLeft, gain: 1 }, left, right);
    fill(left, part.left);
    fill(right, part.right);
  };
  fill(builder.addLeaf("leaf" in sketch ? sketch.leaf : 0, coverOf(sketch)), sketch);
  return builder.finish(1);
}

/** Any tree over `width` features whose thresholds and rows are small whole numbers, so that they meet. */
export function anySketch(width: number, depth: number): fc.Arbitrary<Sketch> {
  const leaf = fc.record({ leaf: fc.double({ min: -3, max: 3, noNaN: true }), cover: fc.double({ min: 0.01, max: 100, noNaN: true }) });
  if (depth === 0) return leaf;
  const below = anySketch(width, depth - 1);
  const inner = fc.record({
    feature: fc.integer({ min: 0, max: width - 1 }),
    below: fc.integer({ min: -2, max: 3 }),
    defaultLeft: fc.boolean(),
    left: below,
    right: below,
  });
  return fc.oneof({ weight: 1, arbitrary: leaf }, { weight: 4, arbitrary: inner });
}

export const anyRow = (width: number): fc.Arbitrary<Float64Array> =>
  fc
    .array(fc.oneof({ weight: 5, arbitrary: fc.integer({ min: -3, max: 3 }) }, { weight: 1, arbitrary: fc.constant(Number.NaN) }), {
      minLength: width,
      maxLength: width,
    })
    .map((values) => Float64Array.from(values));
