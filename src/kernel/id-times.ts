import type { IdKind } from "./ids.ts";
import { firstIdAt } from "./ids.ts";

/** Ids are drawn when a request arrives, times are those of the commit: how far the two may lie apart, ms. */
export const ID_SLACK_MS = 120_000;

/** Where the ids of `kind` begin among which everything of the time `from` (ms) or later is. */
export function oldestIdOf(kind: IdKind, from: number): string {
  return firstIdAt(kind, Math.max(0, from - ID_SLACK_MS));
}

/** Where the ids of `kind` end among which everything of the time `to` (ms) or earlier is. */
export function newestIdOf(kind: IdKind, to: number): string {
  return firstIdAt(kind, Math.max(0, to + ID_SLACK_MS));
}

/**
 * The end that a list to `to` (ms) has. Ids stand still while a clock that was set back catches up with them, so a list up to now has
 * none: nothing else is newer. Nor has a further page, which begins where the one before has ended.
 */
export function listEnd(to: number | undefined, cursor: string | undefined, now: number): number | undefined {
  return to === undefined || cursor !== undefined || to + ID_SLACK_MS >= now ? undefined : to;
}

/** The same as an id of `kind`. */
export function listEndId(kind: IdKind, to: number | undefined, cursor: string | undefined, now: number): string | undefined {
  const end = listEnd(to, cursor, now);
  return end === undefined ? undefined : newestIdOf(kind, end);
}
