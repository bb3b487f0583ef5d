/** A leaf as it is archived: the SHA-256 of the text is the log's entry. */
export interface ArchivedLeaf {
  readonly text: string;
  /** When the event was committed, ms. */
  readonly at: number;
}

/** What sinks read of the audit log. */
export interface SealedLog {
  /** The newest checkpoint; `undefined` while nothing was sealed. */
  head(): Promise<{ readonly size: number; readonly text: string } | undefined>;
  /** Some of the leaves from `from` up to and without `to`, at least one where there is one; bounded. */
  leaves(from: number, to: number): Promise<readonly ArchivedLeaf[]>;
}
