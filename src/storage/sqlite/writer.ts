import { parentPort, workerData } from "node:worker_threads";
import { invariant } from "#kernel/assert.ts";
import { runWriter, type WriterData } from "./writer-loop.ts";

invariant(parentPort !== null, "the writer runs in a worker thread");
runWriter(parentPort, workerData as WriterData);
