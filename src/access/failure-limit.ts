import ipaddr from "ipaddr.js";
import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import { createWindows } from "./windows.ts";

const WINDOW_MS = 60_000;
/** Addresses remembered. Whoever has more of them than this can make old ones forgotten, and gains some guesses at 256-bit secrets by it. */
const MAX_ADDRESSES = 20_000;

export interface FailureLimiter {
  /** Whole seconds until keys from this address are looked at again; 0 when they are. */
  waitSeconds(ip: string): number;
  /** A key from this address was not a good one. */
  note(ip: string): void;
}

/**
 * Counts bad keys per address. Once there were `limitPerMinute` in any minute, requests from there are turned away before their key is
 * looked at, until the oldest of them is a minute old: neither guessing nor a flood of made-up keys costs a hash or a store read.
 * What is turned away is not counted, so that the end of it can be told.
 *
 * An IPv6 address stands for its /64, which is what one customer of a provider is given.
 */
export function createFailureLimiter(deps: { readonly clock: Clock; readonly limitPerMinute: number }): FailureLimiter {
  const { clock, limitPerMinute } = deps;
  invariant(Number.isSafeInteger(limitPerMinute) && limitPerMinute >= 1, "the limit of failures is a positive integer");
  const windows = createWindows(WINDOW_MS, MAX_ADDRESSES);
  return {
    waitSeconds(ip) {
      // Nearly always nobody has failed lately, and then no address is taken apart.
      if (windows.size === 0) return 0;
      const now = clock.now();
      const window = windows.known(networkOf(ip), now);
      if (window === undefined || window.used() < limitPerMinute) return 0;
      return Math.max(1, Math.ceil(window.untilFreed(now, window.used() - limitPerMinute + 1) / 1000));
    },
    note(ip) {
      const now = clock.now();
      const window = windows.of(networkOf(ip), limitPerMinute, now);
      window.add(window.advance(now), 1);
    },
  };
}

/** What stands for an address where addresses are counted. */
export function networkOf(ip: string): string {
  if (!ip.includes(":") || !ipaddr.IPv6.isValid(ip)) return ip;
  return ipaddr.IPv6.parse(ip).parts.slice(0, 4).join(":");
}
