import { fromBase64, parseDecimal, toBase64 } from "./base64.ts";
import { HASH_BYTES } from "./hashing.ts";
import type { Hash } from "./hashing.ts";
import { parseNote } from "./note.ts";
import type { Note } from "./note.ts";
import { keysOf, verifyNote } from "./note-keys.ts";
import type { Verifier, VerifiedSignature } from "./note-keys.ts";

/** What a checkpoint says of a log. */
export interface TreeHead {
  readonly origin: string;
  readonly size: number;
  readonly root: Hash;
}

/** The text of a checkpoint, to be signed. C2SP tlog-checkpoint. */
export function checkpointText({ origin, size, root }: TreeHead): string {
  return `${origin}\n${size}\n${toBase64(root)}\n`;
}

/** Reads the text of a checkpoint; extension lines are allowed and passed over. @returns `undefined` for anything else */
export function parseCheckpointText(text: string): TreeHead | undefined {
  if (!text.endsWith("\n")) return undefined;
  const [origin, sizeText, rootText, ...extensions] = text.slice(0, -1).split("\n");
  if (origin === undefined || origin === "" || sizeText === undefined || rootText === undefined || extensions.includes(""))
    return undefined;
  const size = parseDecimal(sizeText);
  const root = fromBase64(rootText);
  return size === undefined || root?.length !== HASH_BYTES ? undefined : { origin, size, root };
}

/** A checkpoint whose signature by the log holds. */
export interface Checkpoint extends TreeHead {
  readonly note: Note;
  /** Of the witnesses asked for, those whose cosignature holds. */
  readonly witnesses: readonly VerifiedSignature[];
}

export type CheckpointFault = "malformed" | "other_origin" | "unsigned" | "bad_signature" | "witness_missing";

/**
 * Reads a checkpoint and believes it only with the log's signature, under the log's own name, and with the cosignatures of
 * `needed` of the witnesses (all of them where left out).
 */
export function openCheckpoint(
  text: string,
  log: Verifier,
  witnesses: readonly Verifier[] = [],
  needed = witnesses.length,
): { readonly ok: true; readonly checkpoint: Checkpoint } | { readonly ok: false; readonly fault: CheckpointFault } {
  const note = parseNote(text);
  const head = note === undefined ? undefined : parseCheckpointText(note.text);
  if (note === undefined || head === undefined) return { ok: false, fault: "malformed" };
  if (head.origin !== log.name) return { ok: false, fault: "other_origin" };
  const keys = keysOf(log);
  const verified = verifyNote(note, [...keys, ...witnesses]);
  if (verified === undefined) return { ok: false, fault: "bad_signature" };
  if (!verified.some(({ verifier }) => keys.includes(verifier))) return { ok: false, fault: "unsigned" };
  const seen = witnesses.flatMap((witness) => verified.find(({ verifier }) => verifier === witness) ?? []);
  if (seen.length < needed) return { ok: false, fault: "witness_missing" };
  return { ok: true, checkpoint: { ...head, note, witnesses: seen } };
}
