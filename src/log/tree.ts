import { invariant } from "#kernel/assert.ts";
import { EMPTY_ROOT, nodeHash } from "./hashing.ts";
import type { Hash } from "./hashing.ts";

/*
 * Sizes and indexes are JavaScript numbers, exact to 2^53, so they are halved by division: bitwise operators would cut
 * them to 32 bits.
 */

/**
 * The right edge of a tree: the roots of its largest perfect subtrees, from left to right, one for each 1 in the binary
 * form of its size. All that is needed to append, and to tell the root.
 */
export interface Edge {
  readonly size: number;
  readonly peaks: readonly Hash[];
}

export const EMPTY_EDGE: Edge = { size: 0, peaks: [] };

/** How many peaks a tree of `size` has. */
export function peakCount(size: number): number {
  let count = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2;
  return count;
}

/** The root of the tree: its peaks folded from the smallest to the largest. RFC 9162 section 2.1.1. */
export function rootOf({ size, peaks }: Edge): Hash {
  invariant(peaks.length === peakCount(size), `a tree of ${size} has another number of peaks`);
  return foldPeaks(peaks);
}

function foldPeaks(peaks: readonly Hash[]): Hash {
  let root: Hash | undefined;
  for (const peak of peaks.toReversed()) root = root === undefined ? peak : nodeHash(peak, root);
  return root ?? EMPTY_ROOT;
}

/**
 * Appends leaves.
 * @param onNode told every perfect subtree that becomes complete, leaves (`height` 0) included: it is the `index`th of its height
 */
export function append(edge: Edge, leaves: readonly Hash[], onNode?: (height: number, index: number, node: Hash) => void): Edge {
  const peaks = [...edge.peaks];
  let size = edge.size;
  for (const leaf of leaves) {
    let node = leaf;
    let index = size;
    onNode?.(0, index, node);
    for (let height = 1; index % 2 === 1; height++) {
      const left = peaks.pop();
      invariant(left !== undefined, "the right edge lacks a peak");
      node = nodeHash(left, node);
      index = (index - 1) / 2;
      onNode?.(height, index, node);
    }
    peaks.push(node);
    size += 1;
  }
  return { size, peaks };
}

/** A perfect subtree: the `index`th of 2^height leaves. */
export interface NodeAt {
  readonly height: number;
  readonly index: number;
}

/** A stretch of leaves, `from` inclusive to `to` exclusive, that is a subtree of the tree it was found in. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** The perfect subtrees that a subtree is folded from, left to right. */
export function nodesOf({ from, to }: Stretch): readonly NodeAt[] {
  const nodes: NodeAt[] = [];
  let at = from;
  while (at < to) {
    let height = 0;
    let width = 1;
    while (at % (width * 2) === 0 && at + width * 2 <= to) {
      width *= 2;
      height += 1;
    }
    nodes.push({ height, index: at / width });
    at += width;
  }
  return nodes;
}

/** The hash of a subtree, given those of `nodesOf` it. */
export function foldNodes(hashes: readonly Hash[]): Hash {
  invariant(hashes.length > 0, "a subtree has a leaf");
  return foldPeaks(hashes);
}

/** The largest power of two below `n`, for n above 1. */
function splitOf(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** The subtrees whose hashes are the inclusion proof PATH(index, D[size]), in its order. RFC 9162 section 2.1.3.1. */
export function inclusionPath(index: number, size: number): readonly Stretch[] {
  invariant(Number.isSafeInteger(size) && Number.isSafeInteger(index) && index >= 0 && index < size, "there is no such leaf");
  const path: Stretch[] = [];
  let from = 0;
  let to = size;
  while (to - from > 1) {
    const middle = from + splitOf(to - from);
    if (index < middle) {
      path.push({ from: middle, to });
      to = middle;
    } else {
      path.push({ from, to: middle });
      from = middle;
    }
  }
  return path.reverse();
}

/** The subtrees whose hashes are the consistency proof PROOF(older, D[newer]), in its order. RFC 9162 section 2.1.4.1. */
export function consistencyPath(older: number, newer: number): readonly Stretch[] {
  invariant(Number.isSafeInteger(newer) && Number.isSafeInteger(older) && older >= 0 && older <= newer, "sizes do not grow");
  if (older === 0 || older === newer) return [];
  const path: Stretch[] = [];
  let from = 0;
  let to = newer;
  // Whether the older tree's own subtree, whole so far, is one that the verifier knows: its root.
  let isOlderRoot = true;
  while (older !== to) {
    const middle = from + splitOf(to - from);
    if (older <= middle) {
      path.push({ from: middle, to });
      to = middle;
    } else {
      path.push({ from, to: middle });
      from = middle;
      isOlderRoot = false;
    }
  }
  if (!isOlderRoot) path.push({ from, to });
  return path.reverse();
}
