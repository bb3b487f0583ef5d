import type { Condition, Write } from "../port.ts";
import type { Layout } from "./layout.ts";

/**
 * What goes between the calling thread and the writer thread.
 *
 * A commit is one flat array of primitives, because that is cheapest to hand over (measured: as cheap as a
 * pooled and transferred buffer on the calling thread, and nothing has to be given back):
 * `[firstSeq, write, write, …]`, each write `kind, table number, hash, range, expected`, and for a put
 * also `version, body` and one value for each of the layout's columns.
 */
export type CommitMessage = readonly (string | number | null)[];

export const PUT = 0;
export const DELETE = 1;
export const CHECK = 2;

/** Fields of every write, and those a put has before its columns. */
export const WRITE_FIELDS = 5;
export const PUT_FIELDS = WRITE_FIELDS + 2;

/** `expected` of a condition: versions are positive. */
export const ANYTHING = -1;
export const ABSENT = 0;

/** A condition as one number. */
export function expectedOf(condition: Condition): number {
  if (condition === "none") return ANYTHING;
  return condition === "absent" ? ABSENT : condition.version;
}

export const kindOf = (write: Write): number => (write.op === "put" ? PUT : write.op === "delete" ? DELETE : CHECK);

/**
 * Every put and delete in a table with deferral takes one number, whether it uses it or not, so both threads count
 * alike: the calling thread gives the numbers, the writer uses them as `seq` of journal entries and of rows.
 */
export const takesSeq = (layout: Layout, kind: number): boolean => layout.deferral !== "nothing" && kind !== CHECK;

/** Whether a write leaves its item somewhere else than the table's own index leads to. */
export function isDeferred(layout: Layout, kind: number, expected: number): boolean {
  if (kind !== PUT) return false;
  // A put under a version finds its row and changes it there; any other put of a late-indexed table appends one.
  if (layout.deferral === "key") return expected <= ABSENT;
  // A new row of a table with indexes has to be there at once, since lists are read from those.
  return layout.deferral === "updates" && (layout.indexes.length === 0 ? expected >= ABSENT : expected > ABSENT);
}

/** Everything else the writer is asked; `id` comes back in its answer. */
export type ControlMessage =
  | { readonly ask: "purge"; readonly id: number; readonly nowSeconds: number }
  | { readonly ask: "settle"; readonly id: number }
  | { readonly ask: "ping"; readonly id: number }
  | { readonly ask: "close"; readonly id: number };

export type WriterMessage = CommitMessage | ControlMessage;

/** An error as it travels: SQLite's result code where it came from there. */
export interface WireError {
  readonly name: string;
  readonly message: string;
  readonly errcode?: number;
}

/**
 * What the writer says. `done` answers the `count` oldest commits that wait: all committed but `failed` (position
 * among them, indexes of writes). `refused`: nothing of them was written. `lost`: not known; the writer has stopped.
 * `folded`: the journal generation is at its place now and its entries are gone.
 */
export type AnswerMessage =
  | { readonly type: "ready"; readonly nextSeq: number }
  | { readonly type: "failed"; readonly error: WireError }
  | {
      readonly type: "done";
      readonly count: number;
      readonly generation: number;
      readonly failed: readonly (readonly [number, readonly number[]])[];
    }
  | { readonly type: "refused"; readonly count: number; readonly error: WireError }
  | { readonly type: "lost"; readonly count: number; readonly error: WireError }
  | { readonly type: "folded"; readonly generation: number }
  | { readonly type: "reply"; readonly id: number; readonly value: number }
  | { readonly type: "refusal"; readonly id: number; readonly error: WireError };

/** An error made ready for the other thread. */
export function wireError(error: unknown): WireError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const errcode = (error as { errcode?: unknown }).errcode;
  return { name: error.name, message: error.message, ...(typeof errcode === "number" ? { errcode } : {}) };
}
