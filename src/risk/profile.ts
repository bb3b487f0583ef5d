import type { PayerProfile } from "#features/index.ts";
import type { AmountHistory } from "./amount-history.ts";
import type { Familiar } from "./familiar.ts";
import type { LastLocation } from "./travel.ts";

/**
 * What is remembered of one payer, bounded in every part, loaded and written with the money. `id` is the
 * owner's: the user's id, or the account's where an account has no user.
 */
export interface RiskProfile {
  readonly id: string;
  readonly version: number;
  /** Times in ms. */
  readonly firstSeen: number;
  readonly lastSeen: number;
  /** Times (ms) of the newest payments of the last 30 minutes, in the order they were decided. */
  readonly recent: readonly number[];
  /** By currency, most recently used first. */
  readonly amounts: readonly AmountHistory[];
  readonly devices: Familiar;
  readonly userAgents: Familiar;
  readonly places: Familiar;
  readonly payees: Familiar;
  readonly lastLocation: LastLocation | undefined;
  /** Payments by hour of the day (UTC): 24 counts, at most one a clock hour. */
  readonly hours: readonly number[];
  /** The clock hour (since 1970) that was counted last; that of `lastSeen` where it is absent. */
  readonly hourSeen?: number | undefined;
  /** What the features remember; absent in records of before they were counted, and after an erasure. */
  readonly features?: PayerProfile | undefined;
}
