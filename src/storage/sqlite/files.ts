import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Another process, or another store of this process, uses the file. */
export class StoreOwnedError extends Error {
  override readonly name = "StoreOwnedError";
}

export interface Ownership {
  release(): void;
}

const SQLITE_BUSY = 5;

/**
 * Creates an empty file with mode 0600 unless it exists. An existing file is never opened here: closing any
 * descriptor of a file gives up every lock this process has on it (POSIX), a lock of a store included.
 */
function createPrivately(file: string): void {
  try {
    closeSync(openSync(file, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/**
 * Takes the file for this process, creating it (0600) and its directory (0700) where they are missing. The lock is
 * an exclusive transaction on a second file, `<file>.lock`: the system releases it when the process ends, however it ends.
 * @throws StoreOwnedError at once when the file is taken.
 */
export function takeOwnership(file: string): Ownership {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const lockFile = `${file}.lock`;
  createPrivately(lockFile);
  const lock = new DatabaseSync(lockFile, { timeout: 0 });
  try {
    lock.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    if (((error as { errcode?: number }).errcode ?? 0) % 256 !== SQLITE_BUSY) throw error;
    throw new StoreOwnedError(`${file} is in use by another SmartFinance process (or another store of this one).`, { cause: error });
  }
  try {
    // SQLite gives its -wal and -shm files the mode of the file itself.
    createPrivately(file);
  } catch (error) {
    lock.close();
    throw error;
  }
  return { release: () => lock.close() };
}
