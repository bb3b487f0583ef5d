import { Worker } from "node:worker_threads";
import type { Refusal } from "#kernel/problems.ts";
import type { TrainInput, TrainProgress } from "./train.ts";
import type { TrainMessage } from "./train-protocol.ts";

export type TrainOutcome =
  | { readonly ok: true; readonly text: string }
  | Refusal
  /** Cancelled, or the worker died. `reason` is for the log. */
  | { readonly ok: false; readonly code: "cancelled" | "failed"; readonly reason: string };

export interface TrainHooks {
  readonly onProgress?: (progress: TrainProgress) => void;
  /** Ends the training, wherever it is. */
  readonly signal?: AbortSignal;
}

/** Heap of the worker in MiB. Training takes about 30 bytes a number beside the data, so this is ample. */
const HEAP_MB = 2048;

/**
 * Trains in a worker thread, so that the event loop stays free. The model comes back as its canonical text. Never
 * rejects: a worker that dies (memory) is `failed`. The data are copied; the caller keeps its own.
 */
export function trainInWorker(input: TrainInput, hooks: TrainHooks = {}): Promise<TrainOutcome> {
  const { signal } = hooks;
  const cancelled: TrainOutcome = { ok: false, code: "cancelled", reason: "the training was cancelled" };
  if (signal?.aborted === true) return Promise.resolve(cancelled);
  return new Promise((resolve) => {
    const worker = new Worker(new URL("./train-worker.ts", import.meta.url), {
      workerData: input,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
    const cancel = (): void => finish(cancelled);
    let finished = false;
    const finish = (outcome: TrainOutcome): void => {
      if (finished) return;
      finished = true;
      signal?.removeEventListener("abort", cancel);
      // Resolved only when the thread is gone: who hears of the end may count on its memory being free.
      void worker.terminate().then(() => resolve(outcome));
    };
    signal?.addEventListener("abort", cancel, { once: true });
    worker.on("message", (message: TrainMessage) => {
      if (finished) return;
      switch (message.kind) {
        case "progress":
          return hooks.onProgress?.(message.progress);
        case "trained":
          return finish({ ok: true, text: message.text });
        case "refused":
          return finish(message.refusal);
        case "failed":
          return finish({ ok: false, code: "failed", reason: message.message });
      }
    });
    worker.on("error", (error) => finish({ ok: false, code: "failed", reason: error instanceof Error ? error.message : String(error) }));
    worker.on("exit", (code) => finish({ ok: false, code: "failed", reason: `the worker ended with ${code} before it was done` }));
  });
}
