import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import { createWindow } from "./sliding-window.ts";
import type { SlidingWindow } from "./sliding-window.ts";

export const RATE_LIMIT_WINDOW_SECONDS = 60;
const WINDOW_MS = RATE_LIMIT_WINDOW_SECONDS * 1000;
/** How many keys are looked at when room is wanted for one more. */
const MAX_EVICTION_STEPS = 8;

/** What one request was told. Times are whole seconds, rounded up. */
export interface RateLimitResult {
  readonly allowed: boolean;
  /** The quota of any 60 seconds. */
  readonly limit: number;
  /** What is left of it now. */
  readonly remaining: number;
  /** Until the oldest counted request leaves the window, so that `remaining` grows. */
  readonly resetSeconds: number;
  /** 0 when allowed; otherwise until the same request would be allowed if nothing else came. Never below `resetSeconds`. */
  readonly retryAfterSeconds: number;
}

export interface RateLimiter {
  /**
   * Counts a request of `cost` units against the key, unless it would exceed the quota: refused requests cost nothing.
   * A request whose cost is above the quota is never allowed.
   */
  take(principal: { readonly apiKeyId: string; readonly rateLimitPerMinute: number }, cost?: number): RateLimitResult;
}

/**
 * A limiter in memory: at most the quota in any 60 seconds, per key and process. Several processes each
 * grant the quota; counting together would cost a store write per request.
 *
 * Our own, because `rate-limiter-flexible` in memory reads `Date.now()` itself, so that neither the simulation nor a
 * test can hand it a clock; answers by a promise, and a refusal by a rejected one; sets a timer per key; keeps any number
 * of keys; and counts in fixed windows, which grant twice the quota around a window's edge.
 */
export function createRateLimiter(deps: { readonly clock: Clock; readonly maxKeys?: number }): RateLimiter {
  const { clock, maxKeys = 100_000 } = deps;
  invariant(Number.isInteger(maxKeys) && maxKeys >= 1, "maxKeys is a positive integer");
  const windows = new Map<string, SlidingWindow>();

  /** Drops a key that is idle, or else, among the few looked at, the one that has been idle longest. */
  const makeRoom = (now: number): void => {
    let stalest: string | undefined;
    let stalestAt = Infinity;
    let steps = 0;
    for (const [key, window] of windows) {
      if (window.newest() < stalestAt) {
        stalest = key;
        stalestAt = window.newest();
      }
      if (stalestAt <= now - WINDOW_MS || ++steps === MAX_EVICTION_STEPS) break;
      // Busy keys go to the back, so that the next search begins with others.
      windows.delete(key);
      windows.set(key, window);
    }
    if (stalest !== undefined) windows.delete(stalest);
  };

  return {
    take({ apiKeyId, rateLimitPerMinute: limit }, cost = 1) {
      invariant(Number.isSafeInteger(cost) && cost >= 1, "a cost is a positive integer");
      const now = clock.now();
      let window = windows.get(apiKeyId);
      if (window === undefined) {
        if (windows.size >= maxKeys) makeRoom(now);
        window = createWindow(limit, WINDOW_MS);
        windows.set(apiKeyId, window);
      } else if (window.limit !== limit) {
        // The quota was changed: what was used stays used.
        window = window.withLimit(limit);
        windows.set(apiKeyId, window);
      }
      const at = window.advance(now);
      const allowed = window.used() + cost <= limit;
      if (allowed) window.add(at, cost);
      const reset = seconds(window.untilFreed(now, 1));
      return {
        allowed,
        limit,
        remaining: Math.max(0, limit - window.used()),
        resetSeconds: reset,
        retryAfterSeconds: allowed ? 0 : Math.max(1, reset, seconds(window.untilFreed(now, window.used() + cost - limit))),
      };
    },
  };
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1000);
}
