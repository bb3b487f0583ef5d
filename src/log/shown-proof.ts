import type { JsonObject } from "#kernel/json.ts";
import { toBase64 } from "./base64.ts";
import type { LogReader } from "./log-reader.ts";

/** A proof as an event shows it among its members. */
export function shownProof(proof: NonNullable<Awaited<ReturnType<LogReader["proof"]>>>): JsonObject {
  const { index, size, leaf, opening, hashes, checkpoint } = proof;
  return {
    index,
    tree_size: size,
    leaf_hash: toBase64(leaf),
    opening: toBase64(opening),
    hashes: hashes.map(toBase64),
    checkpoint,
  };
}
