import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import { isLeased } from "#kernel/clock.ts";
import type { Ids } from "#kernel/ids.ts";
import type { Dataset, TrainHooks, TrainInput, TrainOutcome, TrainProgress } from "#model/index.ts";
import type { CommitQueue } from "#commit/index.ts";
import type { Store } from "#storage/index.ts";
import { InvalidCursorError, StoreUnavailableError } from "#storage/index.ts";
import { packContent } from "./content.ts";
import type { TrainingEnd } from "./end-training.ts";
import { endTraining } from "./end-training.ts";
import { MODEL_FEATURES } from "./map-features.ts";
import { PAYMENT_PARTS, visitPast } from "./past-payments.ts";
import type { ModelReader } from "./read-in-worker.ts";
import { createRows } from "./rows.ts";
import type { Training } from "./training.ts";
import { MAX_ROWS, readTraining, RUNNING, trainings, TRAININGS_TABLE } from "./training.ts";

export interface TrainingWorkerDeps {
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly read: ModelReader;
  /** Trains in a worker thread: `trainInWorker`. */
  readonly train: (input: TrainInput, hooks: TrainHooks) => Promise<TrainOutcome>;
  /** Told what went wrong; the work is tried again with the next call. */
  readonly onError: (error: unknown) => void;
  /** Payments read at once. Default 200. */
  readonly pageSize?: number;
  /** Payments one training learns from. Default `MAX_ROWS`. */
  readonly maxRows?: number;
}

export interface TrainingWorker {
  /**
   * Takes up every training under way and carries it to its end, one at a time, and resolves; whoever calls meanwhile waits for the same.
   * Never rejects: what failed is told to `onError` and tried again by the next call.
   */
  work(): Promise<void>;
  /** Gives the training under way back, to be begun anew by whoever comes next; later calls do nothing. */
  stop(): Promise<void>;
}

/** Trainings taken up in one call. */
const MAX_TRAININGS = 20;
/** A training that brings the process down each time must end. */
const MAX_ATTEMPTS = 3;
/** Pages after which the progress is written down while reading. */
const PAGES_PER_NOTE = 25;
/** How often it is written down while training, ms: also how soon a cancel is heard. */
const BEAT_MS = 1_000;
/** How long a worker that says nothing is taken for alive. */
const LEASE_MS = 30_000;
/** Characters of what is told of a failure. */
const MAX_REASON = 500;

/** Canceled, taken up by somebody else, or given back: nothing more is to be done. */
class Ended extends Error {
  override readonly name = "Ended";
}

interface Gathered {
  readonly training: Training;
  readonly dataset: Dataset;
}

/**
 * The background part of training. A crash loses what was read and learnt and nothing else: the training is begun anew, up to three
 * times, by whoever finds its lease run out. The model and its content are written in one commit with the end of the training.
 */
export function createTrainingWorker(deps: TrainingWorkerDeps): TrainingWorker {
  const { store, queue, clock, ids, read, train, onError, pageSize = 200, maxRows = MAX_ROWS } = deps;
  const name = ids.next("request");
  const end = (training: Training, came: TrainingEnd): Promise<void> => endTraining({ queue, ids }, training, name, came);
  const stopping = new AbortController();
  let running: Promise<void> | undefined;

  const work = async (): Promise<void> => {
    try {
      const index = "RunningTrainingsIndex";
      const page = await store.query({ table: TRAININGS_TABLE, index, hash: RUNNING, order: "ascending", limit: MAX_TRAININGS });
      for (const item of page.items) {
        if (stopping.signal.aborted) return;
        // One training that cannot go on must not hold up those of other organisations.
        await advance(trainings.fromItem(item)).catch((error: unknown) => {
          if (!(error instanceof Ended)) onError(error);
        });
      }
    } catch (error) {
      onError(error);
    }
  };

  const advance = async (listed: Training): Promise<void> => {
    const found = await readTraining(store, listed.organisationId, listed.id);
    if (found === undefined || found.status !== "running") return;
    if (found.worker !== name && isLeased(found.leasedUntil, LEASE_MS, clock.now())) return;
    if (found.worker !== name && found.attempts >= MAX_ATTEMPTS)
      return end(found, { ok: false, reason: `It was begun ${MAX_ATTEMPTS} times and never ended.` });
    // The same process may try again after a fault of the store: only what ends a process counts.
    const attempts = found.worker === name ? found.attempts : found.attempts + 1;
    const begun = await note({ ...found, attempts, phase: "reading", stepsDone: 0, stepsTotal: PAYMENT_PARTS, rows: 0, frauds: 0 });
    try {
      const { training, dataset } = await gather(begun);
      const learnt = await learn(training, dataset);
      await end(learnt.training, await finish(learnt.training, learnt.outcome));
    } catch (error) {
      if (!(error instanceof InvalidCursorError)) throw error;
      await end(begun, { ok: false, reason: "The payments could not be read on." });
    }
  };

  const gather = async (begun: Training): Promise<Gathered> => {
    const { organisationId, from, to } = begun;
    const rows = createRows(MODEL_FEATURES.length);
    let training = begun;
    let pages = 0;
    const reader = { store, sleep: (ms: number) => clock.sleep(ms), pageSize };
    const counts = await visitPast(reader, { organisationId, from, to, maxRows }, rows.add, async ({ usable, frauds }, part) => {
      pages += 1;
      training = { ...training, stepsDone: part + 1, rows: usable, frauds };
      if (stopping.signal.aborted) return false;
      if (pages % PAGES_PER_NOTE === 0) training = await note(training);
      return true;
    });
    if (counts === undefined) return giveBack(training);
    return { training, dataset: rows.dataset() };
  };

  /** Trains in the thread, and writes down how far it is until it ends. */
  const learn = async (gathered: Training, dataset: Dataset): Promise<{ readonly training: Training; readonly outcome: TrainOutcome }> => {
    let training = await note({ ...gathered, phase: "training", stepsDone: 0, stepsTotal: gathered.options.rounds });
    const ending = new AbortController();
    let latest: TrainProgress | undefined;
    let outcome: TrainOutcome | undefined;
    const learning = train(
      { features: MODEL_FEATURES, dataset, options: training.options },
      { signal: AbortSignal.any([ending.signal, stopping.signal]), onProgress: (progress) => void (latest = progress) },
    ).then((ended) => void (outcome = ended));
    try {
      while (outcome === undefined) {
        await Promise.race([learning, clock.sleep(BEAT_MS)]);
        if (stopping.signal.aborted) return await giveBack(training);
        if (outcome === undefined) training = await note({ ...training, stepsDone: stepsOf(latest) });
      }
    } finally {
      // However it ended, the thread must not go on.
      ending.abort();
      await learning;
    }
    return { training, outcome };
  };

  /** What is handed back by a clean stop was no attempt. */
  const giveBack = async (training: Training): Promise<never> => {
    await note({ ...training, attempts: Math.max(0, training.attempts - 1), phase: "waiting" }, 0);
    throw new Ended();
  };

  /** Writes the progress down. @throws Ended when somebody else has changed the record, who then has it. */
  const note = async (training: Training, leaseMs = LEASE_MS): Promise<Training> => {
    const now = clock.now();
    const noted: Training = {
      ...training,
      worker: leaseMs === 0 ? null : name,
      leasedUntil: leaseMs === 0 ? 0 : now + leaseMs,
      updatedAt: Math.max(now, training.updatedAt),
      version: training.version + 1,
    };
    // Progress is no change that anybody is accountable for, so there is no event and no command for it.
    const { outcome } = await store.commit([
      { op: "put", table: TRAININGS_TABLE, item: trainings.toItem(noted), condition: { version: training.version } },
    ]);
    if (outcome === "committed") return noted;
    if (outcome === "conflict") throw new Ended();
    throw new StoreUnavailableError(`the progress of ${training.id} was not written`);
  };

  /** What there is to keep of an outcome. */
  const finish = async ({ frauds }: Training, outcome: TrainOutcome): Promise<TrainingEnd> => {
    const failed = (reason: string): TrainingEnd => ({ ok: false, reason: reason.slice(0, MAX_REASON) });
    if (!outcome.ok) {
      if (frauds === 0) return failed("No payment of the window that can be learnt from is labelled as fraud.");
      return failed("reason" in outcome ? outcome.reason : (outcome.detail ?? outcome.code));
    }
    const made = await read({ kind: "smartfinance", text: outcome.text, features: {} });
    // That says nothing of the model, so the training has not failed.
    if (!made.ok && made.code === "overloaded") throw new StoreUnavailableError("there is no thread in which a model could be read");
    if (!made.ok) return failed(made.detail ?? made.code);
    const { hash, card } = made;
    invariant(card !== undefined, "what was made just now has its card");
    const packed = await packContent(made.text);
    if (packed === undefined) return failed("The model is too large to be kept; fewer rounds or less depth make it smaller.");
    return { ok: true, hash, card, packed };
  };

  return {
    work() {
      if (stopping.signal.aborted) return running ?? Promise.resolve();
      running ??= work().finally(() => {
        running = undefined;
      });
      return running;
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

/** Rounds done, over both passes: those of the search, or all of them once it trains again on everything. */
function stepsOf(progress: TrainProgress | undefined): number {
  if (progress === undefined) return 0;
  return progress.phase === "refit" ? progress.rounds : progress.round;
}
