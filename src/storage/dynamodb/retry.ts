import type { Clock } from "#kernel/clock.ts";
import { type Random, unitInterval } from "#kernel/random.ts";

/** Waits before attempt `attempt` (1 is the second try): full jitter under a doubling ceiling. */
export type Backoff = (attempt: number, baseMs: number, ceilingMs: number) => Promise<void>;

/** "Exponential backoff and jitter" (AWS Architecture Blog): full jitter spreads rivals best. */
export function createBackoff(clock: Clock, random: Random): Backoff {
  return (attempt, baseMs, ceilingMs) => clock.sleep(unitInterval(random) * Math.min(ceilingMs, baseMs * 2 ** attempt));
}

const throttles: ReadonlySet<string> = new Set([
  "ThrottlingException",
  "ThrottlingError",
  "Throttling",
  "ProvisionedThroughputExceededException",
  "ProvisionedThroughputExceeded",
  "RequestLimitExceeded",
  "LimitExceededException",
]);

/** Whether an exception or a cancellation reason says that the request was turned away for its rate: it was not carried out. */
export function isThrottle(code: string): boolean {
  return throttles.has(code);
}

const mistakes: ReadonlySet<string> = new Set([
  "ValidationException",
  "ValidationError",
  "SerializationException",
  "IdempotentParameterMismatchException",
  "ItemCollectionSizeLimitExceeded",
  "DuplicateItem",
]);

/** Whether a code says that the request itself is wrong: a bug of ours. */
export function isMistake(code: string): boolean {
  return mistakes.has(code);
}
