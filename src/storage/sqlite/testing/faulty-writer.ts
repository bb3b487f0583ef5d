import { parentPort, workerData } from "node:worker_threads";
import { invariant } from "#kernel/assert.ts";
import { runWriter, type WriterData } from "../writer-loop.ts";
import { FAULTS, type FaultyWriterData } from "./fault-kinds.ts";

invariant(parentPort !== null, "the writer runs in a worker thread");
const data = workerData as WriterData & FaultyWriterData;

const meet = (faults: readonly number[]): number => {
  const armed = Atomics.load(data.control, 0);
  return faults.includes(armed) ? armed : FAULTS.none;
};
const failure = (message: string, errcode: number): Error => Object.assign(new Error(message), { errcode });
const SQLITE_NOMEM = 7;
const SQLITE_FULL = 13;
const SQLITE_IOERR_FSYNC = 1034;

runWriter(parentPort, data, {
  ...(data.generationEntries === undefined ? {} : { generationEntries: data.generationEntries }),
  ...(data.checkpointLimits === undefined ? {} : { checkpointLimits: data.checkpointLimits }),
  opened(db) {
    if (data.maxPages !== undefined) db.exec(`PRAGMA max_page_count = ${data.maxPages}`);
    const exec = db.exec.bind(db);
    db.exec = (sql) => {
      if (sql.includes("wal_checkpoint") && meet([FAULTS.fullAtClose]) !== FAULTS.none)
        throw failure("injected: database or disk is full", SQLITE_FULL);
      exec(sql);
    };
  },
  beforeCommit() {
    const fault = meet([FAULTS.fullBeforeCommit, FAULTS.brokenBeforeCommit, FAULTS.deathBeforeCommit]);
    if (fault === FAULTS.fullBeforeCommit) throw failure("injected: database or disk is full", SQLITE_FULL);
    if (fault === FAULTS.brokenBeforeCommit) throw failure("injected: disk I/O error", SQLITE_IOERR_FSYNC);
    if (fault === FAULTS.deathBeforeCommit) process.exit(3);
  },
  afterCommit() {
    const fault = meet([FAULTS.brokenAfterCommit, FAULTS.deathAfterCommit, FAULTS.noMemoryInCommit]);
    if (fault === FAULTS.noMemoryInCommit) throw failure("injected: out of memory", SQLITE_NOMEM);
    if (fault === FAULTS.brokenAfterCommit) throw failure("injected: disk I/O error", SQLITE_IOERR_FSYNC);
    if (fault === FAULTS.deathAfterCommit) process.exit(3);
  },
});
