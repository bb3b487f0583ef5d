import { parentPort, workerData } from "node:worker_threads";
import { modelText } from "./model.ts";
import { type TrainInput, trainModel } from "./train.ts";
import type { TrainMessage } from "./train-protocol.ts";

/** Runs in a worker thread: trains what `workerData` holds and posts what `train-protocol.ts` says. */
const post = (message: TrainMessage): void => parentPort?.postMessage(message);

try {
  const result = trainModel(workerData as TrainInput, (progress) => post({ kind: "progress", progress }));
  if (result.ok) post({ kind: "trained", text: modelText(result.model).text });
  else post({ kind: "refused", refusal: result });
} catch (error) {
  post({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
}
