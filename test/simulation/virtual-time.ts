import type { Clock } from "#kernel/clock.ts";

/** Where every simulation's time begins: 2026-11-22T00:00:00Z. */
const BEGINNING = Date.UTC(2026, 10, 22);
/** Turns of the event loop without anything happening after which nothing can happen any more until time goes on. */
const QUIET_TURNS = 6;

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly wake: () => void;
}

/** The one time of a simulation. It stands still while anything can run, and then jumps to the next timer. */
export interface VirtualTime {
  /** Milliseconds since 1970, with fractions. */
  readonly now: number;
  sleep(ms: number): Promise<void>;
  /** The clock of one machine: `offsetMs` wrong; its sleepers never wake once it is no longer `alive`. */
  clockOf(offsetMs: number, alive: () => boolean): Clock;
  /** Something happened: the event loop gets more turns before time goes on. */
  touch(): void;
  /**
   * Lets time pass until `done`, for `limitMs` at most.
   * @returns `stalled` when nothing waits for any time although it is not done.
   */
  run(done: () => boolean, limitMs: number): Promise<"done" | "stalled" | "late">;
}

export function createVirtualTime(quietTurns = QUIET_TURNS): VirtualTime {
  let now = BEGINNING;
  let order = 0;
  let activity = 0;
  const timers: Timer[] = [];

  const add = (at: number, wake: () => void): void => {
    activity += 1;
    const timer = { at, order: order++, wake };
    let low = 0;
    let high = timers.length;
    // Latest first, so that the next one is popped from the end.
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((timers[middle]?.at ?? 0) > at) low = middle + 1;
      else high = middle;
    }
    timers.splice(low, 0, timer);
  };

  const quiet = async (done: () => boolean): Promise<void> => {
    let seen = activity;
    for (let turns = 0; turns < quietTurns; turns++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (done()) return;
      if (activity !== seen) {
        seen = activity;
        turns = -1;
      }
    }
  };

  return {
    get now() {
      return now;
    },
    touch() {
      activity += 1;
    },
    sleep: (ms) => new Promise((resolve) => add(now + Math.max(0, ms), resolve)),
    clockOf: (offsetMs, alive) => ({
      now: () => Math.floor(now + offsetMs),
      sleep: (ms) =>
        new Promise((resolve) => {
          add(now + Math.max(0, ms), () => {
            if (alive()) resolve();
          });
        }),
    }),
    async run(done, limitMs) {
      const end = now + limitMs;
      for (;;) {
        await quiet(done);
        if (done()) return "done";
        const next = timers.pop();
        if (next === undefined) return "stalled";
        if (next.at > end) {
          timers.push(next);
          return "late";
        }
        now = Math.max(now, next.at);
        activity += 1;
        next.wake();
      }
    },
  };
}
