import type { JsonObject } from "#kernel/json.ts";
import { checksumOf } from "#audit/index.ts";
import { fromBase64, toBase64 } from "./base64.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { HASH_BYTES, leafHash } from "./hashing.ts";
import type { Hash } from "./hashing.ts";
import { entryOf, hasShownMembersOnly, SALT_BYTES } from "./leaf.ts";
import type { Verifier } from "./note-keys.ts";
import { parseHashes, parseProof } from "./proof-text.ts";
import { verifyInclusion } from "./verify-proofs.ts";

export type ReceiptReport =
  | { readonly ok: true; readonly index: number; readonly size: number; readonly root: Hash; readonly witnesses: readonly string[] }
  | { readonly ok: false; readonly what: string };

const wrong = (what: string): ReceiptReport => ({ ok: false, what });

/**
 * Checks, with nothing but keys, that an event is in the log: the event as the API shows it (with its `proof`, or with a
 * `tlog-proof` text beside it).
 */
export function verifyReceipt(
  event: JsonObject,
  proofText: string | undefined,
  log: Verifier,
  witnesses: readonly Verifier[] = [],
): ReceiptReport {
  // A receipt is read by people, who believe all that stands in it: so nothing may stand there that the leaf does not say.
  const { id, object, event_id, checksum } = event;
  if (!hasShownMembersOnly(event)) return wrong("the event has members that no event has");
  if (id !== undefined && id !== event_id) return wrong("the event is shown under another id than its own");
  if (object !== undefined && object !== "event") return wrong("what is shown is called something else than an event");
  if (checksum !== undefined && checksum !== checksumShown(event)) return wrong("the event does not have its checksum");
  // With a text beside it the member is no less shown: both have to hold.
  if (proofText !== undefined && event.proof !== undefined && event.proof !== null) {
    const own = verifyReceipt(event, undefined, log);
    if (!own.ok) return own;
  }
  const proof = proofText === undefined ? proofMember(event) : parseProof(proofText);
  if (proof === undefined) return wrong("the proof is malformed, or there is none");
  const { extra, index, hashes } = proof;
  if (extra === undefined || (extra.length !== SALT_BYTES && extra.length !== HASH_BYTES)) return wrong("the proof does not open the leaf");
  const opened = openCheckpoint(proof.checkpoint, log, witnesses);
  if (!opened.ok) return wrong(`the checkpoint is not to be believed: ${opened.fault}`);
  const { size, root, witnesses: seen } = opened.checkpoint;
  let leaf: Hash;
  try {
    leaf = leafHash(entryOf(event, extra));
  } catch {
    return wrong("the event is malformed");
  }
  if (!verifyInclusion(index, size, leaf, hashes, root)) return wrong("the event is not what the log has at this place");
  if (proofText === undefined && !saysOnly(event.proof as JsonObject, size, leaf))
    return wrong("the proof says something of the log that is not so");
  return { ok: true, index, size, root, witnesses: seen.map(({ verifier }) => verifier.name) };
}

/** The checksum that an event as the API shows it ought to have; `undefined` where it cannot be made. */
export function checksumShown({ id: _id, object: _object, proof: _proof, ...members }: JsonObject): string | undefined {
  try {
    return checksumOf(members);
  } catch {
    return undefined;
  }
}

/** What a proof as the API shows it consists of. */
const PROOF_MEMBERS: ReadonlySet<string> = new Set(["index", "tree_size", "leaf_hash", "opening", "hashes", "checkpoint"]);

/** Whether what a proof shows beside what it is checked by is true as well, and nothing else stands there. */
function saysOnly(proof: JsonObject, size: number, leaf: Hash): boolean {
  const { tree_size = size, leaf_hash = toBase64(leaf) } = proof;
  return Object.keys(proof).every((name) => PROOF_MEMBERS.has(name)) && tree_size === size && leaf_hash === toBase64(leaf);
}

/** The proof of an event as the API shows it. */
function proofMember({ proof }: JsonObject): ReturnType<typeof parseProof> {
  if (typeof proof !== "object" || proof === null || Array.isArray(proof)) return undefined;
  const { index, opening, hashes, checkpoint } = proof as JsonObject;
  if (typeof index !== "number" || typeof opening !== "string" || !Array.isArray(hashes) || typeof checkpoint !== "string")
    return undefined;
  const extra = fromBase64(opening);
  const parsed = parseHashes((hashes as unknown[]).map(String));
  return extra === undefined || parsed === undefined ? undefined : { extra, index, hashes: parsed, checkpoint };
}
