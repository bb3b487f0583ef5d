import { Worker } from "node:worker_threads";
import { type Refusal, refuse } from "#kernel/problems.ts";
import type { ReadJob, ReadModel } from "./read-model.ts";

/** Reads a model's text; see `readModelText`. */
export type ModelReader = (job: ReadJob) => Promise<ReadModel | Refusal>;

/** Heap of the worker in MiB. A text of 32 MiB takes some 400. */
const HEAP_MB = 1024;
/** The largest text takes some seconds. */
const READ_MS = 60_000;

/**
 * Reads a model in a worker thread: a large one would hold up payments for a second. What makes the thread die (memory) or take too long
 * is refused like anything else that cannot be read; that the machine gives no thread just now is `overloaded`, and says nothing of the
 * model. Never rejects.
 */
export const readInWorker: ModelReader = (job) =>
  new Promise((resolve) => {
    const worker = begin(job);
    if (worker === undefined)
      return resolve(refuse("overloaded", undefined, "There is no thread in which a model could be read; try again in a minute."));
    const unread = refuse("invalid_request", "content", "The model cannot be read within the bounds of memory and time.");
    const late = setTimeout(() => finish(unread), READ_MS);
    let finished = false;
    const finish = (outcome: ReadModel | Refusal): void => {
      if (finished) return;
      finished = true;
      clearTimeout(late);
      // Resolved only when the thread is gone: who hears of the end may count on its memory being free.
      void worker.terminate().then(() => resolve(outcome));
    };
    worker.on("message", (outcome: ReadModel | Refusal) => finish(outcome));
    worker.on("error", () => finish(unread));
    worker.on("exit", () => finish(unread));
  });

function begin(job: ReadJob): Worker | undefined {
  try {
    return new Worker(new URL("./read-worker.ts", import.meta.url), {
      workerData: job,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
  } catch {
    return undefined;
  }
}
