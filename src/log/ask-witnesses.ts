import type { Clock } from "#kernel/clock.ts";
import type { Outbound } from "#outbound/index.ts";
import type { Store } from "#storage/index.ts";
import { parseDecimal, toBase64 } from "./base64.ts";
import { keepCosigned, readCosigned } from "./cosigned.ts";
import type { LogReader } from "./log-reader.ts";
import { formatNote, parseNote, parseSignatures } from "./note.ts";
import type { Note, NoteSignature } from "./note.ts";
import { verifyNote } from "./note-keys.ts";
import type { Verifier } from "./note-keys.ts";
import { LOG_TABLE, logKeyKey } from "./rows.ts";

/** A witness that is asked to cosign. */
export interface WitnessAddress {
  readonly verifier: Verifier;
  /** `add-checkpoint` is appended to it. */
  readonly url: string;
}

export interface AskWitnessesDeps {
  readonly store: Store;
  readonly reader: LogReader;
  readonly outbound: Outbound;
  readonly clock: Pick<Clock, "now">;
  readonly witnesses: readonly WitnessAddress[];
  /** Told when a witness has answered whose clock says the same as ours. */
  readonly onAgreed?: () => void;
  /** Told when a witness does not cosign; it is asked again with the next checkpoint. */
  readonly onError: (error: Error) => void;
}

export interface WitnessAsker {
  /**
   * Has the newest checkpoint cosigned by those that have not done so. At most one round at a time; never rejects, and bounded
   * by the time of a call. While the clock is doubted, here or by the caller, every witness is asked again, for its time, once in some seconds.
   */
  ask(doubted?: boolean): Promise<void>;
  /** How far the clock is from those of the witnesses, where two or more answered last and all agree that it is far, ms (AUD-12). */
  skewed(): number | undefined;
}

/** Calls to one witness for one checkpoint: it may have to tell first what it saw last. */
const MAX_TRIES = 3;
const MAX_SKEW_MS = 60_000;
/** Between two rounds that ask for nothing but the time. */
const AGAIN_MS = 5_000;
/** One witness alone, whose clock may be the wrong one, stops nothing. */
const MIN_AGREEING = 2;

/** Asks the witnesses, beside the sealing and never in its way. */
export function createWitnessAsker(deps: AskWitnessesDeps): WitnessAsker {
  const { store, reader, outbound, clock, witnesses, onError } = deps;
  /** What each witness saw last, as far as this process knows. */
  const seen = new Map<string, number>();
  let running: Promise<void> | undefined;
  let skew: number | undefined;
  let askedAt = 0;

  const askOne = async (
    { verifier, url }: WitnessAddress,
    size: number,
    note: Note,
  ): Promise<{ line: NoteSignature; time: number } | undefined> => {
    for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
      const old = seen.get(verifier.vkey) ?? 0;
      const proof = old > size ? undefined : await reader.consistency(old, size);
      if (proof === undefined) throw new Error(`witness ${verifier.name} has seen a log of ${old}, ours has ${size}`);
      const body = `${[`old ${old}`, ...proof.map(toBase64)].join("\n")}\n\n${formatNote(note)}`;
      const headers = { "content-type": "text/plain; charset=utf-8" };
      const answer = await outbound.request({ url: `${url.replace(/\/$/, "")}/add-checkpoint`, method: "POST", headers, body });
      if (!answer.ok) throw new Error(`witness ${verifier.name} cannot be reached: ${answer.reason}`);
      const text = answer.body.toString("utf8");
      const told = answer.status === 409 ? parseDecimal(text.trim()) : undefined;
      if (told !== undefined && told !== old) {
        seen.set(verifier.vkey, told);
        continue;
      }
      if (answer.status !== 200) throw new Error(`witness ${verifier.name} does not cosign: ${answer.status}`);
      const signatures = parseSignatures(text) ?? [];
      const [verified] = verifyNote({ text: note.text, signatures }, [verifier]) ?? [];
      if (verified?.time === undefined) throw new Error(`witness ${verifier.name} answers without a cosignature of its key`);
      seen.set(verifier.vkey, size);
      return { line: verified.line, time: verified.time };
    }
    return undefined;
  };

  const round = async (doubted: boolean): Promise<void> => {
    // Read before the checkpoint: a rotation may come while the witnesses are asked.
    const key = await store.get(LOG_TABLE, logKeyKey);
    const newest = await reader.checkpoint();
    const note = newest === undefined ? undefined : parseNote(newest.text);
    if (newest === undefined || newest.size === 0 || note === undefined) return;
    const cosigned = await readCosigned(store);
    const again = doubted || skew !== undefined;
    const lacking = witnesses.filter(
      ({ verifier }) =>
        cosigned?.by.some(({ name, keyId, size }) => name === verifier.name && keyId === verifier.keyId && size >= newest.size) !== true,
    );
    if (lacking.length === 0 && !again) return;
    if (again && Math.abs(clock.now() - askedAt) < AGAIN_MS) return;
    askedAt = clock.now();
    const toAsk = again ? witnesses : lacking;
    const asked = await Promise.allSettled(toAsk.map((witness) => askOne(witness, newest.size, note)));
    const lines: NoteSignature[] = [];
    const skews: number[] = [];
    for (const result of asked) {
      if (result.status === "rejected") onError(result.reason instanceof Error ? result.reason : new Error(String(result.reason)));
      else if (result.value !== undefined) {
        lines.push(result.value.line);
        skews.push(clock.now() - result.value.time * 1000);
      }
    }
    const nearest = skews.toSorted((a, b) => Math.abs(a) - Math.abs(b))[0];
    const far = nearest !== undefined && Math.abs(nearest) > MAX_SKEW_MS;
    if (nearest !== undefined && !far) deps.onAgreed?.();
    // Where too few answer nobody knows better than the clock: what they said earlier is not held against it for ever.
    skew = far && skews.length >= MIN_AGREEING ? nearest : undefined;
    if (far && skew === undefined) onError(new Error(`the clock is ${nearest} ms from that of the one witness that answers`));
    if (lines.length === 0) return;
    const checkpoint = formatNote({ text: note.text, signatures: [...note.signatures, ...lines] });
    await keepCosigned(store, newest.size, checkpoint, key === undefined ? undefined : Number(key.version));
  };

  return {
    ask(doubted = false) {
      if (witnesses.length === 0) return Promise.resolve();
      running ??= round(doubted)
        .catch((error: unknown) => onError(error instanceof Error ? error : new Error(String(error))))
        .finally(() => {
          running = undefined;
        });
      return running;
    },
    skewed: () => skew,
  };
}
