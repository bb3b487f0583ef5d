import { invariant } from "#kernel/assert.ts";
import { createWindow } from "./sliding-window.ts";
import type { SlidingWindow } from "./sliding-window.ts";

/** How many windows are looked at when room is wanted for one more. */
const MAX_EVICTION_STEPS = 8;

/** The windows of many spenders, a bounded number of them. */
export interface Windows {
  /** The window of `name` under this limit, brought up to `now`. */
  of(name: string, limit: number, now: number): SlidingWindow;
  /** The same if there is one and something was used of it; otherwise it is forgotten. */
  known(name: string, now: number): SlidingWindow | undefined;
  readonly size: number;
}

export function createWindows(windowMs: number, max: number): Windows {
  invariant(Number.isInteger(max) && max >= 1, "the most windows is a positive integer");
  const windows = new Map<string, SlidingWindow>();

  /** Drops a window that is idle, or else, among the few looked at, the one that has been idle longest. */
  const makeRoom = (now: number): void => {
    let stalest: string | undefined;
    let stalestAt = Infinity;
    let steps = 0;
    for (const [name, window] of windows) {
      if (window.newest() < stalestAt) {
        stalest = name;
        stalestAt = window.newest();
      }
      if (stalestAt <= now - windowMs || ++steps === MAX_EVICTION_STEPS) break;
      // Busy ones go to the back, so that the next search begins with others.
      windows.delete(name);
      windows.set(name, window);
    }
    if (stalest !== undefined) windows.delete(stalest);
  };

  return {
    of(name, limit, now) {
      let window = windows.get(name);
      if (window === undefined) {
        if (windows.size >= max) makeRoom(now);
        window = createWindow(limit, windowMs);
        windows.set(name, window);
      } else if (window.limit !== limit) {
        // The quota was changed: what was used stays used.
        window = window.withLimit(limit);
        windows.set(name, window);
      }
      window.advance(now);
      return window;
    },
    known(name, now) {
      const window = windows.get(name);
      if (window === undefined) return undefined;
      window.advance(now);
      if (window.used() > 0) return window;
      windows.delete(name);
      return undefined;
    },
    get size() {
      return windows.size;
    },
  };
}
