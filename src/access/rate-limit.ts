import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import type { SlidingWindow } from "./sliding-window.ts";
import { createWindows } from "./windows.ts";

/** The policies in the order in which they are told, with the seconds of their windows. */
export const POLICIES = { burst: 1, default: 60, organisation: 60 } as const;
export type PolicyName = keyof typeof POLICIES;

/** Who spends, and what from. */
export interface Spender {
  readonly apiKeyId: string | null;
  /** The operator who is signed in, where no key calls: further sessions bring nobody more. */
  readonly operatorId?: string;
  readonly organisationId: string;
  readonly burstPerSecond: number;
  readonly rateLimitPerMinute: number;
  readonly organisation: { readonly rateLimitPerMinute: number };
}

/** What is left of one policy. Times are whole seconds, rounded up. */
export interface PolicyState {
  readonly name: PolicyName;
  /** The quota of any window of this policy. */
  readonly limit: number;
  /** What is left of it now. */
  readonly remaining: number;
  /** Until the oldest counted request leaves the window, so that `remaining` grows. */
  readonly resetSeconds: number;
}

/** What one request was told. */
export interface RateLimitResult {
  readonly allowed: boolean;
  readonly policies: readonly PolicyState[];
  /** The policies that had not enough; empty when allowed. */
  readonly refusedBy: readonly PolicyName[];
  /** 0 when allowed; otherwise until the same request would be allowed if nothing else came. Never below the reset of what refused it. */
  readonly retryAfterSeconds: number;
}

export interface RateLimiter {
  /**
   * Draws `cost` units from all three quotas, or from none when one of them has not enough: refused requests cost nothing.
   * A cost above a quota counts as all of it, so that an expensive operation is rare under a small quota and not impossible.
   */
  take(spender: Spender, cost?: number): RateLimitResult;
}

export interface RateLimiterDeps {
  readonly clock: Clock;
  /** How many nodes share each quota: every node grants its part of it. Default 1. */
  readonly nodes?: number;
  /** Keys, and as many organisations, that are remembered. */
  readonly maxKeys?: number;
}

/**
 * A limiter in memory: exact within one process, over sliding windows of a second per key, a minute per key and a minute per
 * organisation. Counting together with other nodes would cost a store write per request; instead each of `nodes` grants
 * `limit / nodes`, rounded down but at least 1, so that all of them together never grant more than the larger of the quota and
 * the number of nodes in any window.
 *
 * Our own, because `rate-limiter-flexible` in memory reads `Date.now()` itself, so that neither the simulation nor a
 * test can hand it a clock; answers by a promise, and a refusal by a rejected one; sets a timer per key; keeps any number
 * of keys; and counts in fixed windows, which grant twice the quota around a window's edge.
 */
export function createRateLimiter(deps: RateLimiterDeps): RateLimiter {
  const { clock, nodes = 1, maxKeys = 100_000 } = deps;
  invariant(Number.isInteger(nodes) && nodes >= 1, "nodes is a positive integer");
  const share = (limit: number): number => (nodes === 1 ? limit : Math.max(1, Math.floor(limit / nodes)));
  const bursts = createWindows(POLICIES.burst * 1000, maxKeys);
  const minutes = createWindows(POLICIES.default * 1000, maxKeys);
  const organisations = createWindows(POLICIES.organisation * 1000, maxKeys);

  return {
    take(spender, cost = 1) {
      invariant(Number.isSafeInteger(cost) && cost >= 1, "a cost is a positive integer");
      const now = clock.now();
      const spends = spender.apiKeyId ?? spender.operatorId ?? "";
      const burst = bursts.of(spends, share(spender.burstPerSecond), now);
      const minute = minutes.of(spends, share(spender.rateLimitPerMinute), now);
      const organisation = organisations.of(spender.organisationId, share(spender.organisation.rateLimitPerMinute), now);
      const allowed = fits(burst, cost) && fits(minute, cost) && fits(organisation, cost);
      let wait = 0;
      let refusedBy: readonly PolicyName[] = [];
      if (allowed) {
        draw(burst, now, cost);
        draw(minute, now, cost);
        draw(organisation, now, cost);
      } else {
        const windows = { burst, default: minute, organisation };
        refusedBy = (Object.keys(windows) as PolicyName[]).filter((name) => !fits(windows[name], cost));
        wait = Math.max(1, waitOf(burst, now, cost), waitOf(minute, now, cost), waitOf(organisation, now, cost));
      }
      return {
        allowed,
        policies: [stateOf("burst", burst, now), stateOf("default", minute, now), stateOf("organisation", organisation, now)],
        refusedBy,
        retryAfterSeconds: wait,
      };
    },
  };
}

const unitsOf = (window: SlidingWindow, cost: number): number => Math.min(cost, window.limit);

function fits(window: SlidingWindow, cost: number): boolean {
  return window.used() + unitsOf(window, cost) <= window.limit;
}

function draw(window: SlidingWindow, now: number, cost: number): void {
  window.add(window.advance(now), unitsOf(window, cost));
}

/** Whole seconds until the window has room for the cost, but not before its own reset; 0 when it has. */
function waitOf(window: SlidingWindow, now: number, cost: number): number {
  const lacking = window.used() + unitsOf(window, cost) - window.limit;
  return lacking <= 0 ? 0 : seconds(Math.max(window.untilFreed(now, 1), window.untilFreed(now, lacking)));
}

function stateOf(name: PolicyName, window: SlidingWindow, now: number): PolicyState {
  return {
    name,
    limit: window.limit,
    remaining: Math.max(0, window.limit - window.used()),
    resetSeconds: seconds(window.untilFreed(now, 1)),
  };
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1000);
}
