import { EventEmitter } from "node:events";
import fs from "node:fs";
import type { Destination } from "./log-output.ts";

/** Bytes of which it is worth while to write them at once; fewer wait for the next round. */
const ENOUGH = 4_096;
/** The most bytes of one write, so that one that is taken slowly is seen to move. */
const MAX_WRITE = 2 ** 20;
const NEWLINE = 10;
/** How often what is waiting is written, and what could not be written is tried again, ms. */
const ROUND_MS = 100;
/** How long a stop waits for a file that takes nothing at the moment, ms. */
const BUSY_MS = 2_000;

const NOTHING = Buffer.alloc(0);
const pause = new Int32Array(new SharedArrayBuffer(4));

const isBusy = (error: unknown): boolean => {
  const { code } = error as NodeJS.ErrnoException;
  return code === "EAGAIN" || code === "EBUSY";
};

/** How much of it is written at once: whole lines, so that a stop which writes what comes behind it meets none in its middle. */
function portionOf(bytes: Buffer): number {
  if (bytes.length <= MAX_WRITE) return bytes.length;
  return bytes.lastIndexOf(NEWLINE, MAX_WRITE - 1) + 1 || MAX_WRITE;
}

/**
 * Writes texts to an open file in their order, without being waited for. Emits `write` with the bytes that were taken and `error` where none could
 * be: what failed stays and is tried again, a full disk may have room later. Nothing of it throws, and no call lasts for ever.
 */
export function openOutputFile(fd: number): Destination {
  const emitter = new EventEmitter();
  let texts: string[] = [];
  let length = 0;
  /** What is being written, or was not taken yet. */
  let current: Buffer = NOTHING;
  /** How many bytes of it are being written. */
  let handed = 0;

  const take = (): void => {
    if (current.length > 0 || texts.length === 0) return;
    current = Buffer.from(texts.join(""));
    texts = [];
    length = 0;
  };

  const next = (): void => {
    if (handed > 0) return;
    take();
    if (current.length === 0) return;
    handed = portionOf(current);
    fs.write(fd, current, 0, handed, null, (error, bytes) => {
      handed = 0;
      if (error !== null) {
        if (!isBusy(error)) emitter.emit("error", error);
        return;
      }
      current = current.subarray(bytes);
      emitter.emit("write", bytes);
      if (current.length > 0 || length >= ENOUGH) next();
    });
  };
  setInterval(next, ROUND_MS).unref();

  return {
    on: emitter.on.bind(emitter),
    write(text) {
      texts.push(text);
      length += text.length;
      if (length >= ENOUGH) next();
      return true;
    },
    flush: next,
    flushSync() {
      // What is being written is on its way and cannot be waited for; what comes behind it is not to be lost.
      const under = current.subarray(0, handed);
      current = current.subarray(handed);
      try {
        return writeAll();
      } finally {
        if (under.length > 0) current = Buffer.concat([under, current]);
      }
    },
  };

  function writeAll(): boolean {
    let waited = 0;
    for (take(); current.length > 0; take()) {
      try {
        const bytes = fs.writeSync(fd, current, 0, Math.min(current.length, MAX_WRITE));
        current = current.subarray(bytes);
        emitter.emit("write", bytes);
        waited = 0;
      } catch (error) {
        if (!isBusy(error)) {
          emitter.emit("error", error);
          return false;
        }
        if (waited >= BUSY_MS) return false;
        Atomics.wait(pause, 0, 0, ROUND_MS);
        waited += ROUND_MS;
      }
    }
    return true;
  }
}
