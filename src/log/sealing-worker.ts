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
  /** The log has another key by now: the one that `signer` keeps is to be forgotten. */
  readonly onKeyChanged?: () => void;
  /** Told what went wrong; the next call tries again. */
  readonly onError: (error: unknown) => void;
}

/** Why nothing is sealed: the clock cannot be believed, or what is stored is not what the log signed. */
export type SealingTrouble = "clock_skew" | "tampered";

export interface SealingWorker {
  /** Seals what the feed has, and resolves. At most one run at a time; whoever calls during one waits for it. Never rejects. */
  work(): Promise<void>;
  /** Why nothing is sealed, where it is for one of these reasons; `undefined` once a step has ended well. */
  readonly trouble: SealingTrouble | undefined;
  /** Ends the run under way after its present step; later calls do nothing. */
  stop(): Promise<void>;
}

/** Steps of one run: half a million events. */
const MAX_STEPS = 1_000;

/** A run that takes longer has events behind it that somebody could still change, ms. */
const STANDSTILL_MS = 60_000;

const TROUBLES: Readonly<Record<string, SealingTrouble>> = { ClockSkewError: "clock_skew", LogTamperedError: "tampered" };

/** The name of an error; one that comes from another thread has it before its message. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  return error.name === "Error" ? (/^([A-Za-z]+Error): /.exec(error.message)?.[1] ?? "") : error.name;
}

/** Runs the sealer whenever it is called. */
export function createSealingWorker({
  signer,
  sealer,
  blocked,
  onBlocked,
  onSealed,
  clock,
  onKeyChanged,
  onError,
}: SealingWorkerDeps): SealingWorker {
  let made: { step(): Promise<Sealed> } | undefined;
  let running: Promise<void> | undefined;
  let stopped = false;
  /** When a step ended last, or that was last said to be long ago. */
  let movedAt = 0;
  let trouble: SealingTrouble | undefined;

  const work = async (): Promise<void> => {
    let events = 0;
    try {
      for (let n = 0; n < MAX_STEPS && !stopped; n++) {
        const why = blocked?.();
        if (why !== undefined) {
          onBlocked?.();
          throw why;
        }
        made ??= sealer(await signer());
        const sealed = await made.step();
        events += sealed.events;
        movedAt = clock?.now() ?? 0;
        trouble = undefined;
        if (!sealed.more) break;
      }
    } catch (error) {
      // What this process believes of the log may be what is wrong.
      made = undefined;
      const name = nameOf(error);
      if (name === "LogKeyChangedError") onKeyChanged?.();
      else {
        trouble = TROUBLES[name];
        onError(error);
      }
    }
    if (events > 0) onSealed?.();
  };

  return {
    get trouble() {
      return trouble;
    },
    work() {
      if (stopped) return running ?? Promise.resolve();
      const now = clock?.now() ?? 0;
      if (running === undefined) {
        movedAt = now;
        running = work().finally(() => {
          running = undefined;
        });
        return running;
      }
      // A clock that went back does not tell how long it is: it is measured anew.
      movedAt = Math.min(movedAt, now);
      if (now - movedAt >= STANDSTILL_MS) {
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
