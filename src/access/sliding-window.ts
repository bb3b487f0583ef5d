/** The most separate moments one window keeps: exact up to this quota. */
const MAX_ENTRIES = 240;

/** What was used in the last `windowMs`, as a ring of (moment, units), oldest first. */
export interface SlidingWindow {
  readonly limit: number;
  /** Forgets what has left the window. Returns the moment to count at: `now`, but never before the newest entry. */
  advance(now: number): number;
  used(): number;
  /** The moment of the newest entry; -Infinity when there is none. */
  newest(): number;
  /** Counts `units` at `at`, a moment that `advance` returned. */
  add(at: number, units: number): void;
  /** Milliseconds from `now` until `units` of what is used have left the window; the whole window when less is used. */
  untilFreed(now: number, units: number): number;
  /** The same use under another limit. */
  withLimit(limit: number): SlidingWindow;
}

/**
 * Up to a quota of 240 every request's moment is kept, which is exact. Above, requests
 * within 1/240 of the window (250 ms in a minute) share an entry that counts from the last of them. So some
 * leave the window up to 250 ms late, none early: there is never more than the quota in any window.
 */
export function createWindow(limit: number, windowMs: number): SlidingWindow {
  const grainMs = limit <= MAX_ENTRIES ? 0 : windowMs / MAX_ENTRIES;
  // An entry opens at least a grain after the one before: 240 and the two at the edges are the most.
  const size = Math.min(limit, MAX_ENTRIES) + 2;
  const moments = new Float64Array(size);
  const units = new Float64Array(size);
  let head = 0;
  let length = 0;
  let total = 0;
  /** When the newest entry was opened. */
  let openedAt = -Infinity;

  const slot = (index: number): number => (head + index) % size;
  const momentAt = (index: number): number => moments[slot(index)] ?? 0;
  const unitsAt = (index: number): number => units[slot(index)] ?? 0;
  const newest = (): number => (length === 0 ? -Infinity : momentAt(length - 1));

  const window: SlidingWindow = {
    limit,
    used: () => total,
    newest,

    advance(now) {
      let at = Math.max(now, newest());
      if (at - now > windowMs) {
        // The clock was set back by more than a window. Waiting for it to catch up could refuse a key for hours.
        length = 0;
        total = 0;
        at = now;
      }
      while (length > 0 && momentAt(0) + windowMs <= at) {
        total -= unitsAt(0);
        head = slot(1);
        length -= 1;
      }
      return at;
    },

    add(at, count) {
      const shares = length > 0 && (at === newest() || at - openedAt < grainMs || length === size);
      if (!shares) {
        units[slot(length)] = 0;
        length += 1;
        openedAt = at;
      }
      const last = slot(length - 1);
      moments[last] = at;
      units[last] = (units[last] ?? 0) + count;
      total += count;
    },

    untilFreed(now, count) {
      let freed = 0;
      for (let index = 0; index < length; index++) {
        freed += unitsAt(index);
        if (freed >= count) return momentAt(index) + windowMs - now;
      }
      return windowMs;
    },

    withLimit(other) {
      const next = createWindow(other, windowMs);
      for (let index = 0; index < length; index++) next.add(momentAt(index), unitsAt(index));
      return next;
    },
  };
  return window;
}
