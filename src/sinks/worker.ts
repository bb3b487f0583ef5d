import type { Clock } from "#kernel/clock.ts";
import type { Random } from "#kernel/random.ts";
import type { Store, Write } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { drainArchive, drainLines } from "./drain.ts";
import type { Advance } from "./drain.ts";
import type { Sink } from "./port.ts";
import type { Progress } from "./progress.ts";
import { progressWrite, readProgress } from "./progress.ts";
import { backoff } from "./retry.ts";
import type { SealedLog } from "./sealed-log.ts";

/** Which of several nodes works, as `createLeader` of the webhooks has it. */
export interface SinkLeader {
  fence(): Write | undefined;
  keep(): Promise<boolean>;
  lost(): void;
  resign(): Promise<void>;
}

export interface SinkWorkerDeps {
  readonly store: Store;
  readonly log: SealedLog;
  readonly clock: Clock;
  readonly random: Random;
  readonly leader: SinkLeader;
  readonly sinks: readonly Sink[];
  /** Told what a sink did not take; it is tried again. */
  readonly onError: (error: unknown, sink: string) => void;
}

export interface SinkWorker {
  /** Keeps the lease and begins what can be done; does not wait for a sink. To be called about once a second. Never rejects. */
  work(): Promise<void>;
  /** Begins nothing more, waits a moment for what is under way, and lets another node take over. */
  stop(): Promise<void>;
}

/** Steps of one run: a sink that is far behind gives way to nothing, so this only bounds it. */
const STEPS = 10_000;
/** After failures: from a second up to a minute. */
const PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** How often an error that stays the same is written down, ms. */
const NOTE_EVERY_MS = 30_000;
const STOP_MS = 3_000;

class Fenced extends Error {}

/**
 * Feeds the audit sinks. One node of all does; each sink has its own pace, and one that hangs delays neither requests nor sealing nor
 * another sink. What a sink has is kept in the store with a fenced, conditional write after it was taken: nothing is lost over a kill.
 */
export function createSinkWorker(deps: SinkWorkerDeps): SinkWorker {
  const { store, clock, random, leader, sinks, onError } = deps;
  const running = new Map<string, Promise<void>>();
  const pausedUntil = new Map<string, number>();
  const failures = new Map<string, number>();
  let stopped = false;
  let keeping: Promise<void> | undefined;

  const save = async (sink: Sink, known: Progress, change: NonNullable<Advance>): Promise<Progress> => {
    const fence = leader.fence();
    if (fence === undefined) throw new Fenced();
    const next = { ...known, ...change, version: known.version + 1 };
    const result = await store.commit([fence, progressWrite(next)]);
    if (result.outcome === "committed") return next;
    if (result.outcome === "conflict" && result.writes.includes(0)) leader.lost();
    // Not known, or somebody else's: the next run reads what became of it.
    if (result.outcome === "conflict") throw new Fenced();
    throw new StoreUnavailableError("the progress of a sink cannot be written", { cause: result.cause });
  };

  const run = async (sink: Sink): Promise<void> => {
    let known = await readProgress(store, sink);
    for (let step = 0; step < STEPS && !stopped && leader.fence() !== undefined; step++) {
      const change = sink.takes === "lines" ? await drainLines(deps, sink, known) : await drainArchive(deps, sink, known);
      if (change === undefined) return;
      known = await save(sink, known, change);
      if (change.tookAt !== undefined) failures.delete(sink.name);
    }
  };

  const fail = async (sink: Sink, error: unknown): Promise<void> => {
    if (error instanceof Fenced) return;
    const count = (failures.get(sink.name) ?? 0) + 1;
    failures.set(sink.name, count);
    pausedUntil.set(sink.name, clock.now() + backoff(count - 1, random, PAUSE_MS, LONGEST_PAUSE_MS));
    onError(error, sink.name);
    // Our own store, or the service of its keys, says nothing of the other side: a sink that has all there is would be told as failing until the next event.
    if (error instanceof StoreUnavailableError) return;
    try {
      const known = await readProgress(store, sink);
      const text = error instanceof Error ? error.message : String(error);
      const at = clock.now();
      if (known.error?.text === text && at - known.error.at < NOTE_EVERY_MS) return;
      await save(sink, known, { error: { text, at } });
    } catch {
      // That it failed is in the log; where the store is away nothing can be written down.
    }
  };

  const begin = (sink: Sink): void => {
    // More than the longest pause is left where the clock was set back: that is no reason to wait.
    const left = (pausedUntil.get(sink.name) ?? 0) - clock.now();
    if (running.has(sink.name) || (left > 0 && left <= LONGEST_PAUSE_MS)) return;
    const done = run(sink)
      .catch((error: unknown) => fail(sink, error))
      .finally(() => running.delete(sink.name));
    running.set(sink.name, done);
  };

  const keep = async (): Promise<void> => {
    try {
      if (!(await leader.keep())) return;
      for (const sink of sinks) if (!stopped) begin(sink);
    } catch (error) {
      onError(error, "all");
    }
  };

  return {
    work() {
      if (stopped || sinks.length === 0) return Promise.resolve();
      keeping ??= keep().finally(() => {
        keeping = undefined;
      });
      return keeping;
    },
    async stop() {
      stopped = true;
      await keeping;
      if (sinks.length === 0) return;
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, STOP_MS);
      await Promise.race([Promise.all(running.values()), late.promise]);
      clearTimeout(timer);
      await leader.resign().catch((error: unknown) => onError(error, "all"));
      for (const sink of sinks) sink.close();
    },
  };
}
