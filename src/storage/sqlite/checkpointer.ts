import { DatabaseSync } from "node:sqlite";
import { type MessagePort, workerData } from "node:worker_threads";
import { wireError } from "./protocol.ts";

/**
 * A thread that copies pages from the write-ahead log to the file while the writer goes on (`checkpoints.ts`). It is told a
 * file, makes one passive checkpoint and answers `null`, or the error. The connection lives for one checkpoint
 * only, so that a store which closes has nothing to wait for.
 */
const { port } = workerData as { readonly port: MessagePort };

port.on("message", (file: string) => {
  try {
    const db = new DatabaseSync(file, { timeout: 1_000 });
    try {
      db.exec("PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(PASSIVE)");
    } finally {
      db.close();
    }
    port.postMessage(null);
  } catch (error) {
    port.postMessage(wireError(error));
  }
});
