import type { DatabaseSync } from "node:sqlite";
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";

/**
 * When the write-ahead log is copied to the file, and by whom. SQLite would do it inside the COMMIT that finds the log long
 * enough: every commit that waits then waits for random writes and two fsyncs, measured as 15 to 40 ms each time and
 * as half of the writer's time. So a second thread copies while the writer appends. What the writer has added meanwhile is
 * copied in a further round; as soon as little is left the writer copies that itself, between two transactions, because only
 * a log that was copied to its end is begun anew instead of growing.
 *
 * At `most` pages the writer copies whatever is left, however long that takes. Only a reader that stands still (a backup tool, an
 * open shell) can keep the log from beginning anew; then it grows until that reader ends, and nobody waits for it. An error is
 * not lost, it is only early: the writer's own attempt, or its next commit, meets it again.
 */
export interface Checkpoints {
  /** To be called after each transaction. */
  afterCommit(): void;
  close(): void;
}

export interface CheckpointLimits {
  /** Pages of 4 KiB in the log that nobody has copied, at which the copying begins. */
  readonly begin: number;
  /** So few that the writer copies them itself without being missed. */
  readonly few: number;
  readonly most: number;
}

export const CHECKPOINT_LIMITS: CheckpointLimits = { begin: 8_000, few: 400, most: 64_000 };

/** How long nothing is tried after somebody else was in the way, ms. */
const BACK_OFF_MS = 5_000;

interface Passed {
  /** 1 when a reader or another checkpoint kept it from being done to the end. */
  readonly busy: number;
  readonly log: number;
  readonly checkpointed: number;
}

/** Takes over checkpoints from SQLite on the writer's connection. */
export function openCheckpoints(
  db: DatabaseSync,
  file: string,
  limits: CheckpointLimits = CHECKPOINT_LIMITS,
  clock: () => number = () => performance.now(),
): Checkpoints {
  db.exec("PRAGMA wal_autocheckpoint = 0");
  // Says how long the log is and copies nothing. An older SQLite takes the unknown word for PASSIVE, which is slower and as correct.
  const look = db.prepare("PRAGMA wal_checkpoint(NOOP)");
  const copy = db.prepare("PRAGMA wal_checkpoint(PASSIVE)");
  let thread: { readonly worker: Worker; readonly port: MessagePort } | undefined;
  let copying = false;
  /** How the log was when the thread's round began. */
  let roundOf: Passed = { busy: 0, log: 0, checkpointed: 0 };
  let broken = false;
  let nextAt = limits.begin;
  let notBefore = 0;

  const state = (): Passed => look.get() as unknown as Passed;
  const leftOf = ({ log, checkpointed }: Passed): number => log - checkpointed;

  const start = (): { readonly worker: Worker; readonly port: MessagePort } => {
    // A channel of its own, because the writer reads it between transactions without returning to its event loop.
    const { port1, port2 } = new MessageChannel();
    const worker = new Worker(new URL("./checkpointer.ts", import.meta.url), { workerData: { port: port2 }, transferList: [port2] });
    worker.on("error", () => {
      broken = true;
    });
    worker.unref();
    port1.unref();
    return { worker, port: port1 };
  };

  /** Copies what it can and waits for nobody: a reader that stands still must not make every commit wait for it. */
  const copyHere = (now: number): void => {
    try {
      const { busy, log, checkpointed } = copy.get() as unknown as Passed;
      nextAt = limits.begin;
      if (busy !== 0 || checkpointed < log) notBefore = now + BACK_OFF_MS;
    } catch {
      // Full or unreadable disk: the log stays, and is tried again when it has grown by as much.
      nextAt = leftOf(state()) + limits.begin;
    }
  };

  return {
    afterCommit() {
      const passed = state();
      const pages = leftOf(passed);
      if (copying) {
        copying = !broken && (thread === undefined || receiveMessageOnPort(thread.port) === undefined);
        if (copying && pages < limits.most) return;
        // A round that gained nothing met a reader in its way: the next ones would meet it as well.
        const gained = passed.log < roundOf.log || passed.checkpointed > roundOf.checkpointed;
        if (!copying && !gained) notBefore = clock() + BACK_OFF_MS;
      } else if (pages < nextAt) return;
      const now = clock();
      if (broken || pages <= limits.few || pages >= limits.most) {
        if (now >= notBefore) copyHere(now);
      } else if (!copying && now >= notBefore) {
        thread ??= start();
        copying = true;
        roundOf = passed;
        thread.port.postMessage(file);
      }
    },
    close() {
      void thread?.worker.terminate();
    },
  };
}
