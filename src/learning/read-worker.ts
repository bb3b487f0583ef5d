import { parentPort, workerData } from "node:worker_threads";
import type { ReadJob } from "./read-model.ts";
import { readModelText } from "./read-model.ts";

/** Runs in a worker thread: reads the model that `workerData` holds and posts what came of it. What throws ends the thread, which is told. */
parentPort?.postMessage(readModelText(workerData as ReadJob));
