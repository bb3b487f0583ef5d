import assert from "node:assert/strict";
import type { AuditTreeDeps } from "../audit-tree.ts";

/** What a tree over one fixed key needs beside its store and clocks: a KMS that knows nothing else, and a queue that nothing is to be put into. */
export function fixedKey(byte: number): Pick<AuditTreeDeps, "kms" | "queue"> {
  const seed = Buffer.alloc(32, byte);
  return {
    kms: {
      generateDataKey: () => Promise.resolve({ plaintext: Buffer.from(seed), wrapped: "w", kmsKeyId: "k" }),
      decrypt: () => Promise.resolve(Buffer.from(seed)),
    } as AuditTreeDeps["kms"],
    queue: { execute: () => assert.fail("nothing to commit") } as never,
  };
}
