import { invariant } from "#kernel/assert.ts";
import type { Item, Store, Write } from "#storage/index.ts";

export const SINKS_TABLE = "smartfinance-audit-sinks";

/** What an archive sink is about to write: a log of this size under this checkpoint. Kept before the first object, so that a repetition writes the same. */
export interface Plan {
  readonly size: number;
  readonly checkpoint: string;
}

/** How far a sink has come. */
export interface Progress {
  /** Events that it has: of an archive also the index of the next leaf. */
  readonly position: number;
  /** Where a sink of lines reads the feed on from; `null` for its beginning. */
  readonly cursor: string | null;
  readonly plan: Plan | null;
  /** The time of the newest event that it has, ms. */
  readonly newest: number | null;
  /** When it took something last, ms. */
  readonly tookAt: number | null;
  /** What went wrong last, and `null` since something was taken. */
  readonly error: { readonly text: string; readonly at: number } | null;
  readonly version: number;
}

export const NOTHING: Progress = { position: 0, cursor: null, plan: null, newest: null, tookAt: null, error: null, version: 0 };

const idOf = (name: string): string => `sink#${name}`;

/** The write that keeps a sink's progress, where it is still the one that `next.version - 1` was. */
export function progressWrite(name: string, next: Progress): Write {
  const { position, cursor, plan, newest, tookAt, error, version } = next;
  const item: Item = {
    id: idOf(name),
    position,
    cursor,
    plan: plan === null ? null : { ...plan },
    newest,
    took_at: tookAt,
    error: error === null ? null : { ...error },
    version,
  };
  return { op: "put", table: SINKS_TABLE, item, condition: version === 1 ? "absent" : { version: version - 1 } };
}

/** How far a sink has come. @throws StoreUnavailableError */
export async function readProgress(store: Store, name: string): Promise<Progress> {
  const item = await store.get(SINKS_TABLE, { hash: idOf(name) });
  if (item === undefined) return NOTHING;
  const { position, cursor, plan, newest, took_at, error, version } = item;
  invariant(typeof position === "number" && typeof version === "number", "a sink's progress is malformed");
  return {
    position,
    cursor: typeof cursor === "string" ? cursor : null,
    plan: plan === null || plan === undefined ? null : (plan as unknown as Plan),
    newest: typeof newest === "number" ? newest : null,
    tookAt: typeof took_at === "number" ? took_at : null,
    error: error === null || error === undefined ? null : (error as unknown as Progress["error"]),
    version,
  };
}
