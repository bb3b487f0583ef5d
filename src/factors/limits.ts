import type { FactorType } from "./factor.ts";
import type { FactorSet } from "./factor-set.ts";
import { isAlive } from "./present-factor.ts";

/** The most factors of one type a subject may have, pending and flagged ones included. */
const MOST: Readonly<Record<FactorType, number>> = { passkey: 10, totp: 3, recovery_code: 1, email_code: 3, sms_code: 3 };
/** Challenges one subject may have out at once; a further one voids the oldest. */
export const MAX_CHALLENGES = 5;
/** How long a factor may wait for its first code, ms. */
export const PENDING_LIFE_MS = 10 * 60_000;

/** How many factors of a type a subject may have, where it has as many. */
export function fullOf(set: FactorSet, type: FactorType, at: number): number | undefined {
  const count = set.factors.filter((factor) => factor.type === type && isAlive(factor, at)).length;
  return count >= MOST[type] ? MOST[type] : undefined;
}
