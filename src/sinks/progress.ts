import { invariant } from "#kernel/assert.ts";
import type { Item, Store, Write } from "#storage/index.ts";
import { digestOf } from "./digest.ts";

export const SINKS_TABLE = "smartfinance-audit-sinks";

/** What an archive sink is about to write: a log of this size under this checkpoint. Kept before the first object, so that a repetition writes the same. */
export interface Plan {
  readonly size: number;
  readonly checkpoint: string;
}

/** How far a sink has come. */
export interface Progress {
  /** The row that it is kept in. */
  readonly id: string;
  /** Of an archive that has told it, where the objects are; `null` for a row from before that was kept. */
  readonly place: string | null;
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

const NOTHING = { place: null, position: 0, cursor: null, plan: null, newest: null, tookAt: null, error: null, version: 0 } as const;

/** What is needed of a sink to find out how far it is. */
export interface Placed {
  readonly name: string;
  readonly place?: string;
}

/** The write that keeps a sink's progress, where it is still the one that `next.version - 1` was. */
export function progressWrite(next: Progress): Write {
  const { id, place, position, cursor, plan, newest, tookAt, error, version } = next;
  const item: Item = {
    id,
    ...(place === null ? {} : { place }),
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

/**
 * How far a sink has come. What an archive has told is of its place: an export that began in the middle could not be verified, and one
 * that began again where there is one would have leaves twice, for as long as the objects are locked.
 * @throws StoreUnavailableError
 */
export async function readProgress(store: Store, { name, place }: Placed): Promise<Progress> {
  const first = await readRow(store, `sink#${name}`);
  if (place === undefined || first.place === place) return first;
  // The row of before there were places is of the one that takes something first: the settings may have named another one by a slip.
  if (first.place === null) return first.version === 0 ? { ...first, place } : first;
  return { ...(await readRow(store, `sink#${name}#${digestOf(Buffer.from(place, "utf8"))}`)), place };
}

async function readRow(store: Store, id: string): Promise<Progress> {
  const item = await store.get(SINKS_TABLE, { hash: id });
  if (item === undefined) return { ...NOTHING, id };
  const { place, position, cursor, plan, newest, took_at, error, version } = item;
  invariant(typeof position === "number" && typeof version === "number", "a sink's progress is malformed");
  return {
    id,
    place: typeof place === "string" ? place : null,
    position,
    cursor: typeof cursor === "string" ? cursor : null,
    plan: plan === null || plan === undefined ? null : (plan as unknown as Plan),
    newest: typeof newest === "number" ? newest : null,
    tookAt: typeof took_at === "number" ? took_at : null,
    error: error === null || error === undefined ? null : (error as unknown as Progress["error"]),
    version,
  };
}
