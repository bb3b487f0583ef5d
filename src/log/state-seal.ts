import { fromBase64, toBase64 } from "./base64.ts";
import type { Signer, Verifier } from "./note-keys.ts";
import { keysOf, verifyNote } from "./note-keys.ts";
import type { LogState } from "./rows.ts";

/*
 * The checkpoint signs size and root. Where the feed is read on from, when it was sealed and how often is nobody else's business,
 * and is signed beside it: a cursor moved ahead would leave events unsealed for as long as somebody likes, without any error.
 */

/** No checkpoint: its second line is no number, so neither signature stands for the other. */
function stateText(origin: string, { cursor, checkpoint, sealedAt, version }: Omit<LogState, "seal">): string {
  return `smartfinance-log-state/v1\nof\n${JSON.stringify([origin, cursor ?? null, sealedAt, version, checkpoint])}\n`;
}

/** The state with the signature that only this log can make. */
export function signState(signer: Signer, state: Omit<LogState, "seal">): LogState {
  const { signature } = signer.sign(stateText(signer.verifier.name, state), state.sealedAt);
  return { ...state, seal: toBase64(signature) };
}

/** Whether the log has signed this very state, with its cursor, time and version. */
export function stateHolds(verifier: Verifier, state: LogState): boolean {
  const signature = fromBase64(state.seal);
  if (signature === undefined) return false;
  return keysOf(verifier).some((key) => {
    const { name, keyId } = key;
    return verifyNote({ text: stateText(name, state), signatures: [{ name, keyId, signature }] }, [key])?.length === 1;
  });
}
