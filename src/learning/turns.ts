import { type Refusal, refuse } from "#kernel/problems.ts";

/** Lets heavy work of requests happen one after the other, so that however many come the payments keep the machine. */
export interface Turns {
  /** Runs `work` when it is its turn; refuses as `overloaded` when too many wait already. Rejects as `work` does. */
  take<T>(work: () => Promise<T>): Promise<{ readonly ok: true; readonly value: T } | Refusal>;
}

/** @param maxWaiting besides the one whose turn it is */
export function createTurns(maxWaiting = 4): Turns {
  let last: Promise<unknown> = Promise.resolve();
  let open = 0;
  return {
    async take(work) {
      if (open > maxWaiting) return refuse("overloaded", undefined, "Other models are being read or judged; try again in a minute.");
      open += 1;
      const turn = last.then(work);
      last = turn.catch(() => undefined);
      try {
        return { ok: true, value: await turn };
      } finally {
        open -= 1;
      }
    },
  };
}
