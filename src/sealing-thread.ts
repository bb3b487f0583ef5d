import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { invariant } from "#kernel/assert.ts";
import { systemClock } from "#kernel/clock.ts";
import { systemRandom } from "#kernel/random.ts";
import type { Sealed, Signer } from "#log/index.ts";
// Not through the rooms' index files: those load the HTTP server and the writer, which take longer than all the rest.
import { parseVkey, signerWith } from "#log/note-keys.ts";
import { createSealer } from "#log/sealer.ts";
import type { Anchor } from "#log/trusted-state.ts";
import type { CommitResult, Store, Write } from "#storage/index.ts";
import { openSqliteReader } from "#storage/sqlite/read-only.ts";

/* The thread that seals the audit log of the embedded store; `open-sealer.ts` is its other end. */

/** What the thread is started with. */
export interface ThreadData {
  readonly file: string;
  readonly limits: Store["limits"];
  readonly name: string;
  readonly privateKey: Signer["privateKey"];
  /** Keys of before a rotation that still sign, each until then, ms. */
  readonly former: readonly { readonly privateKey: Signer["privateKey"]; readonly until: number }[];
  /** Verifier keys of before. */
  readonly retired: readonly string[];
}
/** To the thread: take a step; or how a commit ended that it asked for. */
export type ToThread = "step" | CommitResult;
/** From the thread: how the step ended; or a commit to be made for it. */
export type FromThread = { readonly sealed: Sealed } | { readonly failed: string } | { readonly writes: readonly Write[] };

/** A step waits for two turns of the other thread and a commit, so under load it has to be worth while. */
const EVENTS_PER_STEP = 8_192;

const port = parentPort;
invariant(port !== null, "this file is a thread's");
const { file, limits, name, privateKey, former, retired } = workerData as ThreadData;
const tell = (message: FromThread): void => port.postMessage(message);
/** The one commit under way: a step makes one and waits for it. */
let committing: PromiseWithResolvers<CommitResult> | undefined;

const reading = openSqliteReader(file);
const sealer = createSealer({
  store: {
    ...reading,
    limits,
    commit(writes) {
      committing = Promise.withResolvers<CommitResult>();
      // The text is made here: the thread that commits has better things to do.
      tell({ writes: writes.map((write) => (write.op === "put" ? { ...write, text: JSON.stringify(write.item) } : write)) });
      return committing.promise;
    },
  },
  clock: systemClock,
  random: systemRandom(),
  eventsPerStep: EVENTS_PER_STEP,
  signer: {
    ...signerWith(name, "signature", privateKey),
    former: former.map((one) => ({ signer: signerWith(name, "signature", one.privateKey), until: one.until })),
    retired: retired.flatMap((text) => parseVkey(text) ?? []),
  },
  anchor: fileAnchor(join(dirname(file), "audit-checkpoint")),
});

/**
 * The newest checkpoint in a file beside the store, written after the commit: after a crash it may be an older one, which stops nothing,
 * and never one that the store does not have yet.
 */
function fileAnchor(path: string): Anchor {
  return {
    read() {
      try {
        return readFileSync(path, "utf8");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw error;
      }
    },
    keep(checkpoint) {
      const draft = openSync(`${path}.new`, "w", 0o600);
      try {
        writeSync(draft, checkpoint);
        // A name that is on disk before its contents would be an empty file after a crash of the machine.
        fsyncSync(draft);
      } finally {
        closeSync(draft);
      }
      renameSync(`${path}.new`, path);
    },
  };
}

port.on("message", (message: ToThread) => {
  if (message === "step") {
    sealer.step().then(
      (sealed) => tell({ sealed }),
      (error: unknown) => tell({ failed: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }),
    );
    return;
  }
  committing?.resolve(message);
});
