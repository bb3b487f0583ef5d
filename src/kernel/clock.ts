/** Time as it is handed to everything below the composition root. */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  now(): number;
  /** Resolves after `ms` milliseconds of this clock. */
  sleep(ms: number): Promise<void>;
}

/** The machine's own clock. Only the composition root may use it. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

/**
 * Whether what was read `forMs` before `until`, and is good until then, is good now. A clock that went back to before the reading must not
 * make it good for longer.
 */
export function isGood(until: number, forMs: number, now: number): boolean {
  return now < until && now >= until - forMs;
}

/**
 * Whether somebody works on what is leased until then, for `leaseMs` at a time. Other clocks may be ahead a little; a lease of hours was
 * written before the clock was set back, and by nobody who is alive.
 */
export function isLeased(until: number, leaseMs: number, now: number): boolean {
  return isGood(until, 2 * leaseMs, now);
}

const TIMESTAMP = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})?(?:Z|[+-](\d{2}):(\d{2}))$/;

/**
 * The milliseconds of an RFC 3339 timestamp; NaN for text that is none, and for days that do not exist
 * (`Date.parse` takes 31 February for 3 March).
 */
export function parseTimestamp(text: string): number {
  const match = TIMESTAMP.exec(text);
  if (match === null) return Number.NaN;
  const [, year, month, day] = match.map(Number);
  const date = new Date(Date.UTC(year ?? 0, (month ?? 0) - 1, day));
  return date.getUTCMonth() + 1 === month && date.getUTCDate() === day ? Date.parse(text) : Number.NaN;
}

let lastMs = Number.NaN;
let lastText = "";

/** RFC 3339 UTC with milliseconds, e.g. `2026-11-22T18:31:00.123Z`. */
export function toTimestamp(ms: number): string {
  // Many records of one commit carry the same millisecond, so the last rendering is kept.
  if (ms !== lastMs) {
    lastText = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastText;
}
