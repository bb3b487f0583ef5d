import type { Clock } from "#kernel/clock.ts";
import type { Random } from "#kernel/random.ts";
import { unitInterval } from "#kernel/random.ts";
import { SinkError } from "./port.ts";

/** Attempts of one call. Whoever wants more calls again, later. */
const ATTEMPTS = 4;
const FIRST_MS = 200;
const LONGEST_MS = 5_000;

/** Full jitter: anything up to twice as long as before, so that nodes that were throttled together do not come back together. */
export function backoff(attempt: number, random: Random, firstMs = FIRST_MS, longestMs = LONGEST_MS): number {
  const most = Math.min(longestMs, firstMs * 2 ** Math.min(attempt, 30));
  return Math.round(most / 2 + (most / 2) * unitInterval(random));
}

/**
 * Makes a call, again while it fails with what passes.
 * @throws SinkError of the last attempt; anything else at once
 */
export async function retried<T>(deps: { readonly clock: Clock; readonly random: Random }, call: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof SinkError) || !error.passing || attempt + 1 >= ATTEMPTS) throw error;
      await deps.clock.sleep(backoff(attempt, deps.random));
    }
  }
}
