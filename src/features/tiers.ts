import type { Tier } from "./buckets.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
export const DAY_MS = 24 * HOUR;

/** Buckets of a payer's payments. A window reads the coarsest tier that still tells it well. */
export const payerTiers = {
  minutes: { ms: MINUTE, back: 10 },
  short: { ms: 5 * MINUTE, back: 12 },
  hours: { ms: 2 * HOUR, back: 12 },
  days: { ms: DAY_MS, back: 30 },
} as const satisfies Record<string, Tier>;

/** Days before today whose frauds are mostly not known yet; the handbook's delay. */
export const LABEL_DELAY_DAYS = 7;

/** Buckets of what a payee received: days reach back far enough to hold known frauds against the payments of their own time. */
export const payeeTiers = {
  short: { ms: 5 * MINUTE, back: 12 },
  hours: { ms: 3 * HOUR, back: 8 },
  days: { ms: DAY_MS, back: 30 + LABEL_DELAY_DAYS },
} as const satisfies Record<string, Tier>;

/** Buckets of what one payer paid one payee: coarse, because a payer's profile holds several of them. */
export const pairTiers = {
  short: { ms: 10 * MINUTE, back: 6 },
  hours: { ms: 8 * HOUR, back: 3 },
  weeks: { ms: 7.5 * DAY_MS, back: 4 },
} as const satisfies Record<string, Tier>;

/** Frauds by the day their label arrived, and a payer's outlying amounts by the day they were paid. */
export const dayTier: Tier = { ms: DAY_MS, back: 30 };

/** Epochs of a payee's distinct payers. */
export const distinctEpochs = { day: DAY_MS, month: 30 * DAY_MS } as const;

/** How many of each a profile remembers. */
export const remembered = { pairs: 8, devices: 5, networks: 4, countries: 4, users: 8 } as const;
