import { InvariantError } from "#kernel/assert.ts";
import type { Store, Write } from "#storage/index.ts";
import { checkpointText, openCheckpoint } from "./checkpoint.ts";
import { cosignedWrite, nothingCosigned, readCosigned } from "./cosigned.ts";
import { createLogReader } from "./log-reader.ts";
import { formatNote } from "./note.ts";
import { anyOf, signaturesOf } from "./note-keys.ts";
import type { Signer } from "./note-keys.ts";
import type { LogState } from "./rows.ts";
import { rootOf } from "./tree.ts";
import { verifyConsistency } from "./verify-proofs.ts";

/**
 * The write that has a new key sign what witnesses have cosigned, so that whoever believes that key alone believes the proofs that are
 * given by these checkpoints, though the witnesses are not told of it yet, or are there no more. A cosignature is of the text, and holds on.
 * Nothing is signed but size and root of what the trusted `state` begins with; anything else stays as it is.
 */
export async function resignCosigned(store: Store, state: LogState, before: Signer, signer: Signer, at: number): Promise<Write> {
  const kept = await readCosigned(store);
  if (kept === undefined) return nothingCosigned;
  const reader = createLogReader(store);
  const ever = anyOf([before.verifier, ...(before.retired ?? [])]) ?? before.verifier;
  const resigned = async (checkpoint: string): Promise<string> => {
    const opened = openCheckpoint(checkpoint, ever);
    if (!opened.ok) return checkpoint;
    const { origin, size, root, note } = opened.checkpoint;
    // This log writes no further lines: they are of somebody who has a key of before.
    if (note.text !== checkpointText({ origin, size, root })) return checkpoint;
    const proof = await reader.consistency(size, state.size).catch((error: unknown) => {
      // Rows that somebody has damaged prove nothing, and keep nobody from replacing a key.
      if (!(error instanceof InvariantError || error instanceof SyntaxError)) throw error;
    });
    if (!proof || !verifyConsistency(size, state.size, proof, root, rootOf(state))) return checkpoint;
    const cosignatures = note.signatures.filter(({ name }) => name !== origin);
    return formatNote({ text: note.text, signatures: [...signaturesOf(signer, note.text, at), ...cosignatures] });
  };
  const checkpoint = await resigned(kept.checkpoint);
  const by = await Promise.all(kept.by.map(async (one) => ({ ...one, checkpoint: await resigned(one.checkpoint) })));
  return cosignedWrite({ ...kept, checkpoint, by, version: kept.version + 1 });
}
