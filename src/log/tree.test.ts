import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { EMPTY_ROOT, leafHash, nodeHash, sha256 } from "./hashing.ts";
import type { Hash } from "./hashing.ts";
import { append, consistencyPath, EMPTY_EDGE, foldNodes, inclusionPath, nodesOf, rootOf } from "./tree.ts";
import type { Stretch } from "./tree.ts";
import { verifyConsistency, verifyInclusion } from "./verify-proofs.ts";

/** The reference tree of the Certificate Transparency project: these eight entries, and its published roots. */
const entries = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"].map((hex) =>
  Buffer.from(hex, "hex"),
);
const roots = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/** MTH as RFC 9162 writes it down, without any cleverness. */
function naive(leaves: readonly Hash[]): Hash {
  const [only] = leaves;
  if (only === undefined) return EMPTY_ROOT;
  if (leaves.length === 1) return only;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return nodeHash(naive(leaves.slice(0, k)), naive(leaves.slice(k)));
}

const leavesOf = (count: number): Hash[] => Array.from({ length: count }, (_, n) => leafHash(Buffer.from(`entry ${n}`)));
const hashesAlong = (leaves: readonly Hash[], path: readonly Stretch[]): Hash[] =>
  path.map(({ from, to }) => naive(leaves.slice(from, to)));
const changed = (hash: Hash): Hash => Buffer.from(hash.map((byte, n) => (n === 7 ? byte ^ 4 : byte)));
const MAX = 70;

void describe("hashing", () => {
  void it("gives the published roots of the Certificate Transparency reference tree", () => {
    assert.equal(EMPTY_ROOT.toString("hex"), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let edge = EMPTY_EDGE;
    for (const [n, entry] of entries.entries()) {
      edge = append(edge, [leafHash(entry)]);
      assert.equal(rootOf(edge).toString("hex"), roots[n]);
    }
  });

  void it("gives the published proofs of that tree", () => {
    const leaves = entries.map((entry) => leafHash(entry));
    const hex = (hashes: readonly Hash[]): string[] => hashes.map((hash) => hash.toString("hex"));
    assert.deepEqual(hex(hashesAlong(leaves, inclusionPath(5, 8))), [
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]);
    assert.deepEqual(hex(hashesAlong(leaves, consistencyPath(6, 8))), [
      "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]);
  });
});

void describe("append", () => {
  void it("has the naive root at every size, however the leaves arrive, and tells every perfect subtree", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 30 }), (portions) => {
        const leaves = leavesOf(portions.reduce((a, b) => a + b, 0));
        let edge = EMPTY_EDGE;
        const told = new Set<string>();
        for (const portion of portions) {
          edge = append(edge, leaves.slice(edge.size, edge.size + portion), (height, index, node) => {
            told.add(`${height}/${index}`);
            assert.ok(node.equals(naive(leaves.slice(index * 2 ** height, (index + 1) * 2 ** height))));
          });
          assert.ok(rootOf(edge).equals(naive(leaves.slice(0, edge.size))));
        }
        for (let height = 0; 2 ** height <= edge.size; height++)
          for (let index = 0; (index + 1) * 2 ** height <= edge.size; index++) assert.ok(told.delete(`${height}/${index}`));
        assert.equal(told.size, 0);
      }),
    );
  });

  void it("folds any subtree from its perfect ones", () => {
    const leaves = leavesOf(MAX);
    for (let size = 1; size <= MAX; size++)
      for (const stretch of inclusionPath(size - 1, size)) {
        const hashes = nodesOf(stretch).map(({ height, index }) => naive(leaves.slice(index * 2 ** height, (index + 1) * 2 ** height)));
        assert.ok(foldNodes(hashes).equals(naive(leaves.slice(stretch.from, stretch.to))));
      }
  });
});

void describe("proofs", () => {
  void it("prove inclusion of every leaf in every tree, and of nothing else", () => {
    const leaves = leavesOf(MAX);
    for (let size = 1; size <= MAX; size++) {
      const root = naive(leaves.slice(0, size));
      for (let index = 0; index < size; index++) {
        const leaf = leaves[index] ?? EMPTY_ROOT;
        const proof = hashesAlong(leaves, inclusionPath(index, size));
        assert.ok(verifyInclusion(index, size, leaf, proof, root));
        assert.ok(!verifyInclusion(index, size, changed(leaf), proof, root));
        assert.ok(!verifyInclusion(index, size, leaf, proof, changed(root)));
        assert.ok(!verifyInclusion(index, size, leaf, [...proof, root], root));
        assert.ok(!verifyInclusion(index + 1, size, leaf, proof, root) || size === 1);
        if (proof.length > 0) {
          assert.ok(!verifyInclusion(index, size, leaf, proof.slice(1), root));
          assert.ok(!verifyInclusion(index, size, leaf, proof.slice(0, -1), root));
          assert.ok(!verifyInclusion(index, size, leaf, proof.map(changed), root));
        }
      }
    }
  });

  void it("prove consistency of every two trees, and of no others", () => {
    const leaves = leavesOf(MAX);
    const all = Array.from({ length: MAX + 1 }, (_, size) => naive(leaves.slice(0, size)));
    for (let newer = 0; newer <= MAX; newer++) {
      for (let older = 0; older <= newer; older++) {
        const [before = EMPTY_ROOT, after = EMPTY_ROOT] = [all[older], all[newer]];
        const proof = hashesAlong(leaves, consistencyPath(older, newer));
        assert.ok(verifyConsistency(older, newer, proof, before, after), `${older} to ${newer}`);
        assert.ok(!verifyConsistency(older, newer, [...proof, after], before, after));
        assert.ok(!verifyConsistency(older, newer, proof, changed(before), after));
        if (older > 0) assert.ok(!verifyConsistency(older, newer, proof, before, changed(after)));
        for (let n = 0; n < proof.length; n++) {
          assert.ok(!verifyConsistency(older, newer, proof.toSpliced(n, 1), before, after));
          assert.ok(!verifyConsistency(older, newer, proof.with(n, changed(proof[n] ?? after)), before, after));
        }
      }
    }
  });

  void it("holds for sizes beyond 32 bits", () => {
    // A tree all of whose leaves are the same has one hash per height, so a huge one can be built on paper.
    const perfect: Hash[] = [leafHash(Buffer.from("same"))];
    for (let height = 1; height <= 52; height++) perfect.push(nodeHash(perfect.at(-1) ?? EMPTY_ROOT, perfect.at(-1) ?? EMPTY_ROOT));
    const hashOf = (stretch: Stretch): Hash => foldNodes(nodesOf(stretch).map(({ height }) => perfect[height] ?? EMPTY_ROOT));
    const size = 2 ** 40 + 2 ** 33 + 5;
    const root = hashOf({ from: 0, to: size });
    for (const index of [0, 2 ** 32, 2 ** 40 - 1, 2 ** 40, size - 1])
      assert.ok(verifyInclusion(index, size, perfect[0] ?? EMPTY_ROOT, inclusionPath(index, size).map(hashOf), root));
    for (const older of [1, 2 ** 32 + 1, 2 ** 40, size - 1])
      assert.ok(verifyConsistency(older, size, consistencyPath(older, size).map(hashOf), hashOf({ from: 0, to: older }), root));
  });

  void it("refuses what is no proof at all, without throwing", () => {
    const root = sha256("root");
    fc.assert(
      fc.property(
        fc.oneof(fc.integer(), fc.double()),
        fc.oneof(fc.integer(), fc.double()),
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 }),
        (a, b, proof) => {
          const hashes = proof.map((bytes) => Buffer.from(bytes));
          assert.ok(!verifyInclusion(a, b, root, hashes, sha256("other")));
          assert.ok(!verifyConsistency(a, b, hashes, root, sha256("other")));
        },
      ),
    );
    assert.ok(!verifyInclusion(0, 1, Buffer.alloc(0), [], Buffer.alloc(0)), "empty hashes");
    assert.ok(!verifyConsistency(0, 5, [], root, sha256("x")), "the empty tree has one root");
  });
});
