/**
 * When the attempts after the first come, in ms after the former: the schedule that Standard Webhooks recommends. After the
 * last one, some three days on, a delivery is dead.
 */
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DELAYS_MS = [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR] as const;

/** Attempts of one delivery, the first included. */
export const MAX_ATTEMPTS = DELAYS_MS.length + 1;
/** How long an endpoint may take nothing at all before it is disabled, ms: longer than the whole schedule. */
export const DISABLE_AFTER_MS = 5 * 24 * HOUR;
/** A tenth, so that what failed together does not come back together. */
const JITTER = 0.1;

/**
 * How long to wait after `attempts` failed ones, ms; `undefined` when that was the last.
 * @param unit in [0, 1)
 */
export function delayAfter(attempts: number, unit: number): number | undefined {
  const delay = DELAYS_MS[attempts - 1];
  return delay === undefined ? undefined : Math.round(delay * (1 + JITTER * unit));
}
