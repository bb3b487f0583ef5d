import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CheckpointLimits } from "../checkpoints.ts";
import { openWith, type SqliteOptions, type SqliteStore } from "../store.ts";

/** What the writer of a test can be told to do to the next transaction. */
export const FAULTS = {
  none: 0,
  /** The disk is full: nothing is written, the writer goes on. */
  fullBeforeCommit: 1,
  /** An I/O error before COMMIT: nothing is written, the writer stops. */
  brokenBeforeCommit: 2,
  /** An I/O error once COMMIT has written: nobody knows. */
  brokenAfterCommit: 3,
  deathBeforeCommit: 4,
  deathAfterCommit: 5,
  /** The disk is full when the log is copied at the end. */
  fullAtClose: 6,
  /** No memory once COMMIT has written its log. */
  noMemoryInCommit: 7,
} as const;

export type Fault = keyof typeof FAULTS;

export interface FaultyWriterData {
  readonly control: Int32Array<SharedArrayBuffer>;
  readonly generationEntries?: number;
  readonly maxPages?: number;
  readonly checkpointLimits?: CheckpointLimits;
}

export interface FaultyStore {
  readonly store: SqliteStore;
  readonly arm: (fault: Fault) => void;
}

/** Opens a store whose writer can be made to fail. */
export async function openFaulty(options: SqliteOptions, more: Omit<FaultyWriterData, "control"> = {}): Promise<FaultyStore> {
  const control = new Int32Array(new SharedArrayBuffer(4));
  const store = await openWith(options, { writer: new URL("./faulty-writer.ts", import.meta.url), writerData: { control, ...more } });
  return { store, arm: (fault) => void Atomics.store(control, 0, FAULTS[fault]) };
}

export interface Place {
  readonly directory: string;
  readonly file: string;
  remove(): Promise<void>;
}

/** A directory of its own for one store. */
export async function newPlace(): Promise<Place> {
  const directory = await mkdtemp(join(tmpdir(), "sqlite-store-"));
  return { directory, file: join(directory, "data.db"), remove: () => rm(directory, { recursive: true, force: true }) };
}
