import { EMPTY_ROOT, HASH_BYTES, nodeHash } from "./hashing.ts";
import type { Hash } from "./hashing.ts";

/** The most hashes a proof of a tree of less than 2^53 leaves has. */
const MAX_PROOF = 63;

const isSize = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;
const half = (n: number): number => Math.floor(n / 2);

/** Hashes of another length would let a proof say the same in several ways. */
function areHashes(hashes: readonly Hash[]): boolean {
  return hashes.length <= MAX_PROOF && hashes.every((hash) => hash.length === HASH_BYTES);
}

/** Whether `leaf` is the leaf `index` of the tree of `size` with this root. RFC 9162 section 2.1.3.2. Never throws. */
export function verifyInclusion(index: number, size: number, leaf: Hash, proof: readonly Hash[], root: Hash): boolean {
  if (!isSize(index) || !isSize(size) || index >= size || !areHashes([leaf, root]) || !areHashes(proof)) return false;
  let fn = index;
  let sn = size - 1;
  let hash = leaf;
  for (const sibling of proof) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(sibling, hash);
      while (fn % 2 === 0 && fn !== 0) {
        fn = half(fn);
        sn = half(sn);
      }
    } else hash = nodeHash(hash, sibling);
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && hash.equals(root);
}

/**
 * Whether the tree of `newer` leaves begins with all leaves of the tree of `older`, in their order. RFC 9162 section
 * 2.1.4.2. The tree without leaves is the beginning of every tree, with an empty proof and its one root. Never throws.
 */
export function verifyConsistency(older: number, newer: number, proof: readonly Hash[], olderRoot: Hash, newerRoot: Hash): boolean {
  if (!isSize(older) || !isSize(newer) || older > newer || !areHashes([olderRoot, newerRoot]) || !areHashes(proof)) return false;
  if (older === 0) return proof.length === 0 && olderRoot.equals(EMPTY_ROOT) && (newer > 0 || newerRoot.equals(EMPTY_ROOT));
  if (older === newer) return proof.length === 0 && olderRoot.equals(newerRoot);
  let fn = older - 1;
  let sn = newer - 1;
  while (fn % 2 === 1) {
    fn = half(fn);
    sn = half(sn);
  }
  // An older tree that is perfect is a node of the newer one: its root is not sent along.
  const hashes = fn === 0 ? [olderRoot, ...proof] : proof;
  const [first, ...rest] = hashes;
  if (first === undefined || proof.length === 0) return false;
  let fr = first;
  let sr = first;
  for (const hash of rest) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      fr = nodeHash(hash, fr);
      sr = nodeHash(hash, sr);
      while (fn % 2 === 0 && fn !== 0) {
        fn = half(fn);
        sn = half(sn);
      }
    } else sr = nodeHash(sr, hash);
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && fr.equals(olderRoot) && sr.equals(newerRoot);
}
