import type { Clock } from "#kernel/clock.ts";
import { toBase64, fromBase64, parseDecimal } from "./base64.ts";
import { parseCheckpointText } from "./checkpoint.ts";
import { EMPTY_ROOT } from "./hashing.ts";
import type { Hash } from "./hashing.ts";
import { parseNote, signatureLine } from "./note.ts";
import type { Note } from "./note.ts";
import { keysOf, verifyNote } from "./note-keys.ts";
import type { Signer, Verifier } from "./note-keys.ts";
import { parseHashes } from "./proof-text.ts";
import { verifyConsistency } from "./verify-proofs.ts";

/** What a witness saw last of each log: all that it has to remember. */
export interface Seen {
  readonly size: number;
  readonly root: Hash;
  /** Of the last cosignature, ms. */
  readonly at: number;
}

export type WitnessMemory = ReadonlyMap<string, Seen>;

export interface WitnessDeps {
  /** A `cosignature` key. */
  readonly signer: Signer;
  /** The logs it cosigns, by the keys it was told; several of one name are one log's. */
  readonly logs: readonly Verifier[];
  readonly clock: Pick<Clock, "now">;
  readonly memory: WitnessMemory;
  /** Makes the memory durable. When it throws nothing is cosigned. */
  readonly save: (memory: WitnessMemory) => Promise<void> | void;
}

export interface WitnessAnswer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422 | 503;
  readonly contentType: string;
  readonly body: string;
}

export interface Witness {
  /** Answers the body of POST /add-checkpoint. C2SP tlog-witness. One after the other, so that no two see the same past. */
  addCheckpoint(body: string): Promise<WitnessAnswer>;
}

/** The largest body that is read, characters. */
export const MAX_REQUEST = 100_000;
/** How far the clock may be behind the last cosignature (AUD-12), ms. */
const MAX_SKEW_MS = 60_000;

const answer = (status: WitnessAnswer["status"], body: string, contentType = "text/plain; charset=utf-8"): WitnessAnswer => ({
  status,
  contentType,
  body,
});

/** A witness: it cosigns a checkpoint only when the tree of the one before is its beginning. */
export function createWitness({ signer, logs, clock, memory: given, save }: WitnessDeps): Witness {
  let memory: WitnessMemory = given;
  let last: Promise<unknown> = Promise.resolve();

  const judge = async (body: string): Promise<WitnessAnswer> => {
    const asked = parseRequest(body);
    const head = asked === undefined ? undefined : parseCheckpointText(asked.note.text);
    if (asked === undefined || head === undefined) return answer(400, "malformed request\n");
    // Several keys of one log, where it was told of a rotation: any of them is the log's, and none may be signed wrongly.
    const keys = logs.filter(({ name }) => name === head.origin).flatMap(keysOf);
    if (keys.length === 0) return answer(404, "unknown log\n");
    if ((verifyNote(asked.note, keys)?.length ?? 0) === 0) return answer(403, "no signature of the log's key\n");
    if (asked.old > head.size) return answer(400, "the old size is above the new one\n");
    const seen = memory.get(head.origin) ?? { size: 0, root: EMPTY_ROOT, at: 0 };
    const conflict = answer(409, `${seen.size}\n`, "text/x.tlog.size");
    if (asked.old !== seen.size) return conflict;
    if (asked.old === head.size && !seen.root.equals(head.root)) return conflict;
    if (!verifyConsistency(asked.old, head.size, asked.proof, seen.root, head.root)) return answer(422, "the proof does not hold\n");
    const now = clock.now();
    if (now < seen.at - MAX_SKEW_MS) return answer(503, "the clock of this witness is behind\n");
    const at = Math.max(now, seen.at);
    const next = new Map(memory).set(head.origin, { size: head.size, root: head.root, at });
    await save(next);
    memory = next;
    return answer(200, signatureLine(signer.sign(asked.note.text, at)));
  };

  return {
    addCheckpoint(body) {
      const judged = last.then(() => judge(body));
      last = judged.catch(() => undefined);
      return judged;
    },
  };
}

function parseRequest(body: string): { readonly old: number; readonly proof: readonly Hash[]; readonly note: Note } | undefined {
  const split = body.indexOf("\n\n");
  if (split === -1 || body.length > MAX_REQUEST) return undefined;
  const [first = "", ...lines] = body.slice(0, split).split("\n");
  const old = first.startsWith("old ") ? parseDecimal(first.slice("old ".length)) : undefined;
  const proof = parseHashes(lines);
  const note = parseNote(body.slice(split + 2));
  return old === undefined || proof === undefined || note === undefined ? undefined : { old, proof, note };
}

/** The memory as the text of a file. */
export function formatMemory(memory: WitnessMemory): string {
  const logs = [...memory].map(([origin, { size, root, at }]) => ({ origin, size, root: toBase64(root), at }));
  return `${JSON.stringify({ logs }, null, 2)}\n`;
}

/** @throws Error for a text that `formatMemory` did not write: a witness that forgets must not start */
export function parseMemory(text: string): WitnessMemory {
  const { logs } = JSON.parse(text) as { logs: { origin: string; size: number; root: string; at: number }[] };
  return new Map(
    logs.map(({ origin, size, root, at }) => {
      const bytes = fromBase64(root);
      if (typeof origin !== "string" || !Number.isSafeInteger(size) || size < 0 || bytes?.length !== 32 || !Number.isSafeInteger(at))
        throw new Error("the memory of the witness is damaged");
      return [origin, { size, root: bytes, at }];
    }),
  );
}
