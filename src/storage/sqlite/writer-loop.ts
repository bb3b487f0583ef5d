import { DatabaseSync } from "node:sqlite";
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { CHECKPOINT_LIMITS, type CheckpointLimits, type Checkpoints, openCheckpoints } from "./checkpoints.ts";
import { createGroupApplier, type Failed, type GroupApplier } from "./apply-group.ts";
import { DEFERRED_LIMITS, type Deferred, openDeferred } from "./deferred.ts";
import { type AnswerMessage, type CommitMessage, type ControlMessage, wireError, type WriterMessage } from "./protocol.ts";
import { migrate } from "./schema.ts";

export interface WriterData {
  readonly file: string;
}

/** Where a test's own writer script may do harm; the product's writer passes none. */
export interface WriterHooks {
  opened?(db: DatabaseSync): void;
  beforeCommit?(): void;
  afterCommit?(): void;
  /** Entries of a generation (deferred.ts). */
  readonly generationEntries?: number;
  readonly checkpointLimits?: CheckpointLimits;
}

/** A transaction takes no further commit once it has this many fields: about 2,000 writes, so that an answer is never far. */
const GROUP_FIELDS = 16_384;
/** Keys that are folded in one transaction while nothing else waits. */
const IDLE_PORTION = 1_000;
/** The least that a group folds, so that a sealed generation is done before the next is full. */
const LEAST_PORTION = 16;
const IDLE_CHECK_MS = 100;
const PURGE_LIMIT = 500;
/** SQLite result codes after which the file is as it was and the writer may go on: BUSY, LOCKED, NOMEM, READONLY, FULL. */
const RECOVERABLE = new Set([5, 6, 7, 8, 13]);

/**
 * 32 MB of cache measured best: after a commit SQLite walks its cache, and the system keeps the file's pages anyway (96 MB cost
 * a tenth more, 8 MB as much). Checkpoints are made by `checkpoints.ts`.
 */
const PRAGMAS = `
  PRAGMA page_size = 4096;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA cache_size = -32768;
  PRAGMA temp_store = MEMORY;
  PRAGMA journal_size_limit = 67108864;
`;

const SQLITE_NOMEM = 7;

/** The primary result code of an error of SQLite. */
function codeOf(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === "number" ? code & 0xff : undefined;
}

const isRecoverable = (error: unknown): boolean => RECOVERABLE.has(codeOf(error) ?? 0);

/** Undoes an open transaction; false when SQLite could not. */
function rollback(db: DatabaseSync): boolean {
  try {
    // After some errors SQLite has rolled back by itself.
    if (db.isTransaction) db.exec("ROLLBACK");
    return true;
  } catch {
    return false;
  }
}

type Outcome =
  | { readonly type: "done"; readonly failed: Failed; readonly folded: number | undefined }
  | { readonly type: "refused" | "lost"; readonly error: unknown };

interface Writer {
  /** One transaction: the commits, then up to `portion` keys of the journal. */
  transact(commits: readonly CommitMessage[], portion: number, work?: () => void): Outcome;
}

function createWriter(db: DatabaseSync, deferred: Deferred, applier: GroupApplier, hooks: WriterHooks): Writer {
  const begin = db.prepare("BEGIN IMMEDIATE");
  const commit = db.prepare("COMMIT");
  return {
    transact(commits, portion, work) {
      let failed: Failed = [];
      let folded: number | undefined;
      let begun = false;
      let committing = false;
      try {
        begin.run();
        deferred.begin();
        begun = true;
        const before = deferred.generations.count();
        failed = applier.apply(commits);
        work?.();
        // As many as were added, so that the sealed generation is done before the next one is full.
        folded = deferred.fold(Math.max(portion, deferred.generations.count() - before));
        hooks.beforeCommit?.();
        committing = true;
        commit.run();
        hooks.afterCommit?.();
      } catch (error) {
        // Until COMMIT is tried nothing can be durable. A COMMIT that was locked out or found the disk full wrote no whole
        // transaction; after any other failure of it nobody knows, and the process has to look again from the start. One that
        // ran out of memory may have synced the log before: an opening after a crash would find the transaction there.
        const known = !committing || (isRecoverable(error) && codeOf(error) !== SQLITE_NOMEM);
        const undone = rollback(db);
        // Without a BEGIN (another program holds the lock) there is nothing to undo, least of all the transaction before.
        if (begun) deferred.rolledBack();
        return { type: known && undone ? "refused" : "lost", error };
      }
      deferred.committed();
      return { type: "done", failed, folded };
    },
  };
}

/**
 * The writer thread: opens the file, says `ready`, and then makes all commits that wait in one transaction after
 * another. Ends its thread on `close` and after an error that leaves the file's state unknown.
 */
export function runWriter(port: MessagePort, data: WriterData, hooks: WriterHooks = {}): void {
  let db: DatabaseSync;
  let deferred: Deferred;
  let writer: Writer;
  let applier: GroupApplier;
  let checkpoints: Checkpoints;
  const say = (answer: AnswerMessage): void => port.postMessage(answer);
  try {
    db = new DatabaseSync(data.file, { timeout: 1_000 });
    db.exec(PRAGMAS);
    migrate(db, data.file);
    deferred = openDeferred(db, { entries: hooks.generationEntries ?? DEFERRED_LIMITS.entries });
    applier = createGroupApplier(db, deferred);
    writer = createWriter(db, deferred, applier, hooks);
    checkpoints = openCheckpoints(db, data.file, hooks.checkpointLimits ?? CHECKPOINT_LIMITS);
    hooks.opened?.(db);
  } catch (error) {
    say({ type: "failed", error: wireError(error) });
    port.close();
    return;
  }

  let idle = false;
  let stopped = false;
  const stop = (): void => {
    stopped = true;
    clearInterval(timer);
    checkpoints.close();
    port.close();
    try {
      db.close();
    } catch {
      // The connection broke before; the file is safe in its write-ahead log.
    }
  };

  const settleAnswer = (count: number, outcome: Outcome): void => {
    if (outcome.type !== "done") {
      say({ type: outcome.type, count, error: wireError(outcome.error) });
      if (outcome.type === "lost" || !isRecoverable(outcome.error)) {
        if (outcome.type === "refused") say({ type: "lost", count: 0, error: wireError(outcome.error) });
        stop();
      }
      return;
    }
    if (count > 0) say({ type: "done", count, generation: deferred.generations.current(), failed: outcome.failed });
    if (outcome.folded !== undefined) say({ type: "folded", generation: outcome.folded });
  };

  /** Brings everything that is deferred to its place; false when an error stopped it. */
  const settle = (): boolean => {
    for (let rounds = 0; rounds < 2; rounds++) {
      while (deferred.generations.sealed() !== undefined) {
        const outcome = writer.transact([], IDLE_PORTION);
        settleAnswer(0, outcome);
        if (outcome.type !== "done") return false;
      }
      deferred.generations.seal();
    }
    return deferred.generations.sealed() === undefined;
  };

  const control = (message: ControlMessage): void => {
    const { id } = message;
    if (message.ask === "ping") {
      say({ type: "reply", id, value: 0 });
      return;
    }
    if (message.ask === "purge") {
      let purged = 0;
      const outcome = writer.transact([], LEAST_PORTION, () => {
        purged = applier.purge(message.nowSeconds, PURGE_LIMIT);
      });
      if (outcome.type === "done") say({ type: "reply", id, value: purged });
      else say({ type: "refusal", id, error: wireError(outcome.error) });
      settleAnswer(0, outcome);
      return;
    }
    settle();
    if (message.ask === "close") {
      try {
        if (!stopped) db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      } catch {
        // Full or unreadable disk: everything is safe in the log, which the next opening reads.
      }
      say({ type: "reply", id, value: 0 });
      stop();
      return;
    }
    say({ type: "reply", id, value: 0 });
  };

  const isCommit = (message: WriterMessage): message is CommitMessage => Array.isArray(message);
  const next = (): WriterMessage | undefined => receiveMessageOnPort(port)?.message as WriterMessage | undefined;

  const drain = (first: WriterMessage): void => {
    idle = false;
    let message: WriterMessage | undefined = first;
    while (message !== undefined && !stopped) {
      const commits: CommitMessage[] = [];
      for (let fields = 0; message !== undefined && isCommit(message) && fields < GROUP_FIELDS; message = next()) {
        commits.push(message);
        fields += message.length;
      }
      if (commits.length > 0) {
        settleAnswer(commits.length, writer.transact(commits, LEAST_PORTION));
        if (!stopped) checkpoints.afterCommit();
      } else if (message !== undefined && !isCommit(message)) {
        control(message);
        if (!stopped) checkpoints.afterCommit();
        message = next();
      }
    }
  };

  /** What is left to do when nothing waits: a little at a time, so that a commit which comes finds the writer free. */
  const tidy = (): void => {
    if (!idle || stopped) return;
    if (deferred.generations.sealed() === undefined && !deferred.generations.seal()) return;
    const outcome = writer.transact([], IDLE_PORTION);
    settleAnswer(0, outcome);
    if (outcome.type !== "done") return;
    checkpoints.afterCommit();
    setImmediate(tidy);
  };
  const timer = setInterval(() => {
    if (idle) tidy();
    idle = true;
  }, IDLE_CHECK_MS);

  port.on("message", drain);
  say({ type: "ready", nextSeq: deferred.nextSeq });
}
