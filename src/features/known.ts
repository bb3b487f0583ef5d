/**
 * Things a payer has used, most recently used first, as flat triples: key, minute (since 1970) of the first use and of
 * the last. Only payments that were posted get in.
 */
export type Known = readonly number[];

export const NOTHING_KNOWN: Known = [];

/** A day passes before something counts as the payer's own: else the first payments of a takeover vouch for the next. */
export const SETTLE_MINUTES = 24 * 60;

/**
 * How foreign something is: `own` for at least a day, `recent` for less, `first` (or absent) where the payer
 * has none yet, `foreign` when it is another than the payer's own or withheld by a payer who has one.
 */
export const familiarity = { own: 0, recent: 1, first: 2, foreign: 3 } as const;

export function isSettled(since: number, minute: number): boolean {
  return minute - since >= SETTLE_MINUTES;
}

/** Where `key` stands in the list, or -1; 0 (absent) stands nowhere. */
export function findKnown(list: Known, key: number): number {
  if (key !== 0) for (let i = 0; i < list.length; i += 3) if (list[i] === key) return i;
  return -1;
}

/** @param found what `findKnown` said of it. */
export function familiarityOf(list: Known, found: number, minute: number): number {
  if (found >= 0) return isSettled(list[found + 1] ?? minute, minute) ? familiarity.own : familiarity.recent;
  for (let i = 0; i < list.length; i += 3) if (isSettled(list[i + 1] ?? minute, minute)) return familiarity.foreign;
  return familiarity.first;
}

/**
 * The list after `key` was used (0: unchanged). A full list gives up the longest unused entry that is not settled, else
 * the longest unused: were it always the latter, a burst of made-up devices would push out the payer's own.
 */
export function remember(list: Known, key: number, minute: number, capacity: number): Known {
  if (key === 0) return list;
  const found = findKnown(list, key);
  if (found === 0 && list[2] === minute) return list;
  const without = found >= 0 ? found : list.length >= 3 * capacity ? evictable(list, minute) : list.length;
  const next = [key, found >= 0 ? (list[found + 1] ?? minute) : minute, minute];
  for (let i = 0; i < list.length; i += 3) if (i !== without) next.push(list[i] ?? 0, list[i + 1] ?? 0, list[i + 2] ?? 0);
  return next;
}

function evictable(list: Known, minute: number): number {
  for (let i = list.length - 3; i >= 0; i -= 3) if (!isSettled(list[i + 1] ?? minute, minute)) return i;
  return list.length - 3;
}
