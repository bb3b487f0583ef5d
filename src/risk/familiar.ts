import { SETTLE_MINUTES } from "./factors-config.ts";

/**
 * Things a customer has used, most recently used first, as flat pairs: key, and the minute (since 1970) it
 * was first seen in. Minute 0 marks what came with a new customer and is trusted at once. Flat numbers keep
 * the profile small and cheap to copy.
 */
export type Familiar = readonly number[];

/**
 * - `known`: the customer's own for at least a day.
 * - `new`: not (yet) the customer's own, while others are.
 * - `first`: the customer has none that is.
 * - `withheld`: not given, although the customer has some.
 * - `absent`: not given, and the customer has none.
 */
export type Familiarity = "known" | "new" | "first" | "withheld" | "absent";

/** Clocks of several nodes may differ, so a first sight in the future is not settled rather than an error. */
export function isSettled(since: number, minute: number): boolean {
  return since === 0 || minute - since >= SETTLE_MINUTES;
}

/** What the profile says of `key` (0: not given). */
export function familiarity(list: Familiar, key: number, minute: number): Familiarity {
  let any = false;
  for (let i = 0; i < list.length; i += 2) {
    if (!isSettled(list[i + 1] ?? minute, minute)) continue;
    if (list[i] === key) return "known";
    any = true;
  }
  if (key === 0) return any ? "withheld" : "absent";
  return any ? "new" : "first";
}

/** The pair to give up when the list is full: the longest unused one that is not settled, else the longest unused. */
function evictable(list: Familiar, minute: number): number {
  // Were it always the longest unused, a burst of made-up devices would push out the customer's own.
  for (let i = list.length - 2; i >= 0; i -= 2) if (!isSettled(list[i + 1] ?? minute, minute)) return i;
  return list.length - 2;
}

/**
 * The list after `key` was used (0: unchanged).
 * @param founding whether a first entry is trusted at once, because the customer is new.
 * @param capacity how many keys the list may hold.
 */
export function remember(list: Familiar, key: number, minute: number, founding: boolean, capacity: number): Familiar {
  if (key === 0) return list;
  let from = -1;
  for (let i = 0; i < list.length; i += 2) if (list[i] === key) from = i;
  // The earlier of two first sights is the true one, also when a clock ran ahead for a while.
  const stamp = Math.max(minute, 1);
  const since = from < 0 ? (founding && list.length === 0 ? 0 : stamp) : Math.min(list[from + 1] ?? stamp, stamp);
  if (from === 0 && list[1] === since) return list;
  const without = from >= 0 ? from : list.length >= 2 * capacity ? evictable(list, minute) : list.length;
  const next = [key, since];
  for (let i = 0; i < list.length; i++) if (i !== without && i !== without + 1) next.push(list[i] ?? 0);
  return next;
}
