import { malformed } from "./read-json.ts";
import { depthOf, LEAF, type Tree } from "./tree.ts";

/**
 * What a model may be at most, however it came: scoring and explaining must stay within their time, some 1 ms and some 20 ms, since
 * both hold up everything else. Reading takes some 0.5 s at worst, so it is done on a thread wherever a server runs.
 */
export const limits = {
  features: 1024,
  trees: 5000,
  nodesOfTree: 8191,
  nodes: 200_000,
  /** What explaining takes: the squares of the depths of all leaves together. By default a training makes up to 0.4 million. */
  explaining: 3_000_000,
  /** Either way: of a leaf, and of what the margin begins with. */
  margin: 1e6,
  depth: 16,
  curvePoints: 20_000,
  textLength: 32 * 1024 * 1024,
} as const;

/** The least cover: Shapley values divide by it. */
export const COVER_MIN = 1e-9;
/** The most that a cover or a gain may be, so that what they add up to stays a number. */
export const SUM_MAX = 1e30;

/** Ends the parsing unless the arrays are one tree: every node but the root is one node's child, and comes after it. */
export function checkTree({ feature, left, right }: Tree, at: string): void {
  const seen = new Uint8Array(feature.length);
  for (let node = 0; node < feature.length; node++) {
    if (node > 0 && seen[node] !== 1) malformed(`${at}.left`, `node ${node} is no earlier node's child`);
    if (feature[node] === LEAF) {
      if (left[node] !== 0 || right[node] !== 0) malformed(`${at}.left[${node}]`, "a leaf has no children");
      continue;
    }
    for (const child of [left[node] as number, right[node] as number]) {
      if (child <= node || child >= feature.length) malformed(`${at}.left[${node}]`, "a child comes after its parent");
      if (seen[child] === 1) malformed(`${at}.left[${node}]`, `node ${child} is a child twice`);
      seen[child] = 1;
    }
  }
}

/** The deepest tree's depth; ends the parsing where trees are too deep or nodes too many. */
export function checkForestSize(trees: readonly Tree[]): number {
  const nodes = trees.reduce((sum, tree) => sum + tree.feature.length, 0);
  if (nodes > limits.nodes) malformed("trees", `must have at most ${limits.nodes} nodes together`);
  let deepest = 0;
  let explaining = 0;
  for (const [index, tree] of trees.entries()) {
    const depth = depthOf(tree);
    if (depth > limits.depth) malformed(`trees[${index}]`, `must be at most ${limits.depth} deep`);
    deepest = Math.max(deepest, depth);
    explaining += explainingOf(tree);
  }
  if (explaining > limits.explaining) malformed("trees", "have too many leaves too deep to be explained in time");
  return deepest;
}

function explainingOf({ feature, left, right }: Tree): number {
  const depths = new Uint8Array(feature.length);
  let sum = 0;
  for (let node = 0; node < feature.length; node++) {
    const depth = depths[node] as number;
    if (feature[node] === LEAF) sum += depth * depth;
    // Children come after their parents, and none is deeper than the limit that was checked before.
    else depths[left[node] as number] = depths[right[node] as number] = depth + 1;
  }
  return sum;
}
