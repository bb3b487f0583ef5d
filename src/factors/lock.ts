import type { LockState } from "./factor-set.ts";
import { NO_LOCK } from "./factor-set.ts";

/** Failures in a row after which nothing is looked at for a while: RTS article 4(3)(b) allows five. */
export const MAX_FAILURES = 5;
/** The first block, ms. Each further one without a success in between lasts twice as long. */
export const FIRST_BLOCK_MS = 15 * 60_000;
/** The block after which nothing but an unblocking helps. Before it the subject is warned. */
export const LAST_BLOCK = 5;

/** What a failure has led to. `warned`: blocked, and the next block is for good. */
export type LockStep = "counted" | "blocked" | "warned" | "blocked_for_good";

/** Whether attempts are refused unseen at `at` (ms). */
export function isBlocked(lock: LockState, at: number): boolean {
  return lock.blocked_for_good || (lock.blocked_until !== null && lock.blocked_until > at);
}

/** One more failure. Not to be called while blocked: what is refused unseen neither counts nor prolongs. */
export function afterFailure(lock: LockState, at: number): { readonly lock: LockState; readonly step: LockStep } {
  const failures = lock.failures + 1;
  if (failures < MAX_FAILURES) return { lock: { ...lock, failures, blocked_until: null }, step: "counted" };
  const blocks = lock.blocks + 1;
  if (blocks >= LAST_BLOCK) return { lock: { failures: 0, blocks, blocked_until: null, blocked_for_good: true }, step: "blocked_for_good" };
  const blocked_until = at + FIRST_BLOCK_MS * 2 ** (blocks - 1);
  return {
    lock: { failures: 0, blocks, blocked_until, blocked_for_good: false },
    step: blocks === LAST_BLOCK - 1 ? "warned" : "blocked",
  };
}

/** A success ends the row. */
export const afterSuccess = (): LockState => NO_LOCK;
