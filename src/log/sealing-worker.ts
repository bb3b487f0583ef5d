import type { Clock } from "#kernel/clock.ts";
import type { Signer } from "./note-keys.ts";
import type { Sealed } from "./sealer.ts";

export interface SealingWorkerDeps {
  /** The log's key; asked again while it cannot be had. */
  readonly signer: () => Promise<Signer>;
  readonly sealer: (signer: Signer) => { step(): Promise<Sealed> };
  /** Why nothing may be signed now, where something is wrong with the clock. */
  readonly blocked?: () => Error | undefined;
  /** Told with every call that is blocked, to find out whether that is over. Not waited for. */
  readonly onBlocked?: () => void;
  /** Told once events were sealed, to ask the witnesses. Not waited for. */
  readonly onSealed?: () => void;
  /** Tells when a run has stood still for too long; nothing tells of that where absent. */
  readonly clock?: Pick<Clock, "now">;
  /** Told what went wrong; the next call tries again. */
  readonly onError: (error: unknown) => void;
}

export interface SealingWorker {
  /** Seals what the feed has, and resolves. At most one run at a time; whoever calls during one waits for it. Never rejects. */
  work(): Promise<void>;
  /** Ends the run under way after its present step; later calls do nothing. */
  stop(): Promise<void>;
}

/** Steps of one run: half a million events. */
const MAX_STEPS = 1_000;

/** A run that takes longer has events behind it that somebody could still change, ms. */
const STANDSTILL_MS = 60_000;

/** Runs the sealer whenever it is called. */
export function createSealingWorker({ signer, sealer, blocked, onBlocked, onSealed, clock, onError }: SealingWorkerDeps): SealingWorker {
  let made: { step(): Promise<Sealed> } | undefined;
  let running: Promise<void> | undefined;
  let stopped = false;
  /** When a step ended last, or that was last said to be long ago. */
  let movedAt = 0;

  const work = async (): Promise<void> => {
    let events = 0;
    try {
      const why = blocked?.();
      if (why !== undefined) {
        onBlocked?.();
        throw why;
      }
      made ??= sealer(await signer());
      for (let n = 0; n < MAX_STEPS && !stopped; n++) {
        const sealed = await made.step();
        events += sealed.events;
        movedAt = clock?.now() ?? 0;
        if (!sealed.more) break;
      }
    } catch (error) {
      // What this process believes of the log may be what is wrong.
      made = undefined;
      onError(error);
    }
    if (events > 0) onSealed?.();
  };

  return {
    work() {
      if (stopped) return running ?? Promise.resolve();
      const now = clock?.now() ?? 0;
      if (running === undefined) {
        movedAt = now;
        running = work().finally(() => {
          running = undefined;
        });
      } else if (now - movedAt >= STANDSTILL_MS) {
        // A step that fails says so. One that never ends says nothing, and each call only waits for it.
        movedAt = now;
        onError(new Error("sealing stands still: no step has ended for a minute"));
      }
      return running;
    },
    async stop() {
      stopped = true;
      await running;
    },
  };
}
