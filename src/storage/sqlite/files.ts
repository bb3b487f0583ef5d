import { closeSync, mkdirSync, openSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { invariant } from "#kernel/assert.ts";

/** Another process, or another store of this process, uses the file, or might without being seen. */
export class StoreOwnedError extends Error {
  override readonly name = "StoreOwnedError";
}

export interface Ownership {
  release(): void;
}

const SQLITE_BUSY = 5;

/** Links in a row that are followed to a file that is not there yet, as many as the system follows. */
const MAX_LINKS = 40;

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/**
 * The name all processes know a file by, so that two ways to it meet at one lock: SQLite follows links to the file itself as well,
 * and two owners of one log would each write over what the other has acknowledged.
 */
export function canonicalFile(file: string): string {
  invariant(file !== "" && file !== ":memory:", "the store needs a file");
  let path = resolve(file);
  for (let links = 0; links <= MAX_LINKS; links++) {
    try {
      return realpathSync(path);
    } catch {
      // It is made later, where the link leads to if it is one.
    }
    try {
      const directory = realpathSync(dirname(path));
      const target = linkTarget(path);
      if (target === undefined) return join(directory, basename(path));
      path = resolve(directory, target);
    } catch {
      return path;
    }
  }
  return path;
}

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
 * @throws StoreOwnedError at once when the file is taken, or has several names.
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
    throw new StoreOwnedError(`${file} is in use by another SmartFinance process (or another store of this one); stop that first.`, {
      cause: error,
    });
  }
  try {
    // SQLite gives its -wal and -shm files the mode of the file itself.
    createPrivately(file);
    // No lock beside one name is seen from another, nor is the log: what the last owner has acknowledged would be missing.
    if (statSync(file).nlink > 1)
      throw new StoreOwnedError(
        `${file} has more than one name (hard links), under each of which another SmartFinance process could use it; leave it one name: that of its -wal file, where there is one.`,
      );
  } catch (error) {
    lock.close();
    throw error;
  }
  return { release: () => lock.close() };
}
