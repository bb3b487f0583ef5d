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

/**
 * The same where the receiver has said how long it wants to be left alone (`Retry-After` of a 429 or 503): that long, but never
 * sooner than the schedule has it, which would use the attempts up, and never later than the next step of the schedule.
 * @param asked milliseconds, or `undefined` where nothing was said
 */
export function delayAsked(attempts: number, unit: number, asked: number | undefined): number | undefined {
  const delay = delayAfter(attempts, unit);
  if (delay === undefined || asked === undefined) return delay;
  const cap = DELAYS_MS[attempts] ?? DELAYS_MS[DELAYS_MS.length - 1] ?? delay;
  return Math.max(delay, Math.min(asked, cap));
}

/** Statuses with which a receiver may say when to come again, RFC 9110 section 10.2.3 and RFC 6585 section 4. */
const MAY_ASK: ReadonlySet<number> = new Set([429, 503]);

/**
 * What `Retry-After` says, ms from `now`: whole seconds or an HTTP date (RFC 9110 section 5.6.7, the preferred form).
 * @returns `undefined` for other statuses, and for what is malformed, told twice or past
 */
export function retryAfterOf(status: number, value: string | readonly string[] | undefined, now: number): number | undefined {
  if (!MAY_ASK.has(status) || typeof value !== "string") return undefined;
  const text = value.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * SECOND;
  if (
    !/^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)
  )
    return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) || at <= now ? undefined : at - now;
}
