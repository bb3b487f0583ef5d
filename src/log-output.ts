import type { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

/** Where log lines go in the end. It emits `write` with the bytes that were taken, and `error` when a write failed, which it tries again. */
export interface Destination extends Pick<EventEmitter, "on"> {
  write(text: string): boolean;
  flush(): void;
  /** Whether all that was waiting could be written. */
  flushSync(): boolean;
}

/**
 * Gathers what is written in one turn of the event loop into one text. A destination takes one text a turn and nothing while it is
 * being written, so that many small ones wait in a line that grows while turns are long: under batches it grew until `blocked`.
 * @param later calls back when the turn is over, e.g. `setImmediate`
 */
export function gathered(destination: Destination, later: (pass: () => void) => unknown): Destination {
  let texts: string[] = [];

  function pass(): void {
    if (texts.length === 0) return;
    const text = texts.join("");
    texts = [];
    destination.write(text);
  }

  return {
    on: destination.on.bind(destination),
    write(text) {
      if (texts.push(text) === 1) later(pass);
      return true;
    },
    flush() {
      pass();
      destination.flush();
    },
    flushSync() {
      pass();
      return destination.flushSync();
    },
  };
}

export interface LogOutput {
  /** A line of the log; pino writes here. Dropped, and counted, when too much is waiting to be written. */
  write(line: string): void;
  /** Lines of the audit log. Never dropped: see `blocked`. */
  writeAudit(lines: string): void;
  /** Whether nothing may be accepted which would add to the audit log: so much is waiting, or the last write failed. */
  readonly blocked: boolean;
  readonly dropped: number;
  flush(): void;
  /**
   * Resolves when nothing is waiting any more, or after a moment where it is not taken: to be waited for before `flushSync`, which cannot wait for
   * a write that is under way, so that what it writes may stand before that.
   */
  settled(): Promise<void>;
  /** Writes all that is waiting, as far as it can be written, and says true, unless nobody reads: then it would wait for ever, and says false. */
  flushSync(): boolean;
}

export interface LogOutputOptions {
  /** Told the milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Waiting bytes from which log lines are dropped. */
  readonly dropAt?: number;
  /** Waiting bytes from which no more audit lines may be made. */
  readonly blockAt?: number;
}

const DROP_AT = 8 * 1024 * 1024;
const BLOCK_AT = 32 * 1024 * 1024;
/** Bytes wait for so long without one of them being taken: nobody reads. */
const STALLED_MS = 2_000;
/** How often it is looked whether all has been written, ms. */
const SETTLE_MS = 5;

/**
 * Bounds what waits in memory while standard output stands still. Log lines are dropped and counted. Audit lines are not:
 * above `blockAt` the server turns changes away until they have been written, so what waits is at most that and the events of
 * what was accepted before. A reader that has gone away for good counts as one that stands still. Where a write fails otherwise (a full
 * disk), changes are turned away until one succeeds.
 */
export function createLogOutput(destination: Destination, options: LogOutputOptions): LogOutput {
  const { now, dropAt = DROP_AT, blockAt = BLOCK_AT } = options;
  let waiting = 0;
  let dropped = 0;
  let untold = 0;
  let movedAt = now();
  /** The last write failed: because nobody has the other end any more, or otherwise. */
  let fault: "none" | "gone" | "failing" = "none";

  destination.on("write", (bytes: number) => {
    waiting = Math.max(0, waiting - bytes);
    movedAt = now();
    fault = "none";
  });
  destination.on("error", (error: NodeJS.ErrnoException) => {
    fault = error.code === "EPIPE" ? "gone" : "failing";
  });

  function pass(text: string): void {
    if (waiting === 0) movedAt = now();
    waiting += Buffer.byteLength(text);
    destination.write(text);
  }

  return {
    write(line) {
      if (waiting >= dropAt) {
        dropped += 1;
        untold += 1;
        return;
      }
      if (untold > 0) {
        const lines = untold;
        untold = 0;
        pass(`{"level":40,"dropped":${lines},"msg":"log lines were dropped while standard output stood still"}\n`);
      }
      pass(line);
    },
    writeAudit: pass,
    get blocked() {
      return fault === "failing" || waiting >= blockAt;
    },
    get dropped() {
      return dropped;
    },
    flush: () => destination.flush(),
    async settled() {
      const until = now() + STALLED_MS;
      while (waiting > 0 && fault === "none" && now() < until) {
        destination.flush();
        await sleep(SETTLE_MS);
      }
    },
    flushSync() {
      if (fault === "none" && waiting > 0 && now() - movedAt >= STALLED_MS) return false;
      const written = destination.flushSync();
      if (written) waiting = 0;
      // What fails is told at once, and need not be waited for.
      return written || fault !== "none";
    },
  };
}
