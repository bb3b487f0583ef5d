import type { CheckpointLimits } from "../checkpoints.ts";

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

/** What the writer of a test is started with beside what every writer is. */
export interface FaultyWriterData {
  readonly control: Int32Array<SharedArrayBuffer>;
  readonly generationEntries?: number;
  readonly maxPages?: number;
  readonly checkpointLimits?: CheckpointLimits;
}
