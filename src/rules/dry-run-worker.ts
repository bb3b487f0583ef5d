import type { CommitQueue } from "#commit/index.ts";
import { workOn } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import { isLeased } from "#kernel/clock.ts";
import type { Ids } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import { InvalidCursorError, StoreUnavailableError } from "#storage/index.ts";
import type { DryRun } from "./dry-run.ts";
import { DRY_RUNS_TABLE, dryRuns, MAX_PAYMENTS, readDryRun, RUNNING } from "./dry-run.ts";
import type { CompiledRules } from "./evaluate.ts";
import { compileRules } from "./evaluate.ts";
import type { ListSnapshot } from "./facts.ts";
import type { Language } from "./language.ts";
import { loadLists } from "./load-lists.ts";
import { PAYMENT_PARTS, readPastPayments } from "./past-payments.ts";
import { readPolicy, registries, registryKey } from "./policy.ts";
import type { RuleSet } from "./rule-set.ts";
import { readRuleSet, rulesHash } from "./rule-set.ts";
import { count, paymentsAtOnce } from "./tally.ts";

export interface DryRunWorkerDeps {
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly language: Language;
  /** Told what went wrong; the work is tried again with the next call. */
  readonly onError: (error: unknown) => void;
  /** Payments read at once. Default 200; between the few that are counted at once requests are served. */
  readonly pageSize?: number;
  /** Payments one run looks at. Default `MAX_PAYMENTS`. */
  readonly maxPayments?: number;
}

export interface DryRunWorker {
  /**
   * Carries on every dry run under way until it is done, and resolves. At most one run at a time; whoever calls during one
   * waits for it. Never rejects: what failed is told to `onError` and tried again by the next call.
   */
  work(): Promise<void>;
  /** Ends the run under way after its present page; later calls do nothing. */
  stop(): Promise<void>;
}

/** Dry runs taken up in one call. */
const MAX_RUNS = 20;
/** Pages of one run: far more than `MAX_PAYMENTS` make, since each part ends with a page that is not full. */
const MAX_PAGES = 20_000;
/** Pages after which the progress is written down: what is repeated after a kill, and how soon a cancel is heard. */
const PAGES_PER_NOTE = 5;
/** How long a worker that says nothing is taken for alive. */
const LEASE_MS = 30_000;
/** A breath between pages, and between the parts of one that are counted at once, so that requests come first. */
const PAUSE_MS = 2;

/** What a run is counted with. */
interface Means {
  readonly compiled: CompiledRules;
  readonly lists: ListSnapshot;
}

/** Whether the rules may be others than the run was started for. Activating them counts as a version and is no change, unless they were edited before it. */
function isChanged(set: RuleSet, { ruleSetVersion, rulesHash: started }: DryRun): boolean {
  if (set.activatedAt === null) return set.version !== ruleSetVersion;
  return started !== undefined && rulesHash(set.rules) !== started;
}

/**
 * The background part of dry runs. Progress is kept with the figures in one record, under its version: after a kill, or on
 * another node, counting goes on from there and nothing is counted twice; a cancel wins over a note of progress.
 */
export function createDryRunWorker(deps: DryRunWorkerDeps): DryRunWorker {
  const { store, queue, clock, ids, language, onError, pageSize = 200, maxPayments = MAX_PAYMENTS } = deps;
  const maxPerPart = Math.ceil(maxPayments / PAYMENT_PARTS);
  const name = ids.next("request");
  let running: Promise<void> | undefined;
  let stopped = false;

  const work = async (): Promise<void> => {
    try {
      const page = await store.query({
        table: DRY_RUNS_TABLE,
        index: "RunningDryRunsIndex",
        hash: RUNNING,
        order: "ascending",
        limit: MAX_RUNS,
      });
      for (const item of page.items) {
        if (stopped) return;
        // One run that cannot go on must not hold up those of other organisations.
        await advance(dryRuns.fromItem(item)).catch(onError);
      }
    } catch (error) {
      onError(error);
    }
  };

  const advance = async (listed: DryRun): Promise<void> => {
    let run = await readDryRun(store, listed.organisationId, listed.id);
    if (run === undefined || run.status !== "running") return;
    if (run.worker !== name && isLeased(run.leasedUntil, LEASE_MS, clock.now())) return;
    const means = await meansOf(run);
    if (means === undefined) return end(run, "failed", "The rule set was changed.");
    for (let pages = 1; pages <= MAX_PAGES && !stopped; pages++) {
      try {
        run = await step(run, means);
      } catch (error) {
        if (error instanceof InvalidCursorError) return end(run, "failed", "The payments could not be read on.");
        // What was counted before the fault must not be counted anew each time: a store that fails now and then would never let it end.
        await note(run);
        throw error;
      }
      if (run.partition >= PAYMENT_PARTS) return end(run, "completed", null);
      if (pages % PAGES_PER_NOTE === 0) {
        const noted = await note(run);
        if (noted === undefined) return;
        run = noted;
      }
      await clock.sleep(PAUSE_MS);
    }
    await note(run);
  };

  /** `undefined` when the rule set is not the one any more that the run was started for. */
  const meansOf = async (run: DryRun): Promise<Means | undefined> => {
    const set = await readRuleSet(store, run.organisationId, run.ruleSetId);
    if (set === undefined || isChanged(set, run)) return undefined;
    const compiled = compileRules(language, set.rules);
    const { registry } = await readPolicy(store, run.organisationId);
    const { members } = await loadLists(store, registry, compiled.lists);
    return { compiled, lists: members };
  };

  /** Counts one page. */
  const step = async (run: DryRun, { compiled, lists }: Means): Promise<DryRun> => {
    const { organisationId, partition: part, from, to } = run;
    const limit = Math.max(1, Math.min(pageSize, maxPerPart - run.seen));
    const page = await readPastPayments(store, { organisationId, part, from, to, cursor: run.cursor ?? undefined, limit });
    const seen = run.seen + page.payments.length;
    const more = page.cursor !== undefined && seen < maxPerPart;
    let { tally } = run;
    const together = paymentsAtOnce(compiled);
    for (let first = 0; first < page.payments.length; first += together) {
      if (first > 0) await clock.sleep(PAUSE_MS);
      tally = count(tally, compiled, lists, page.payments.slice(first, first + together));
    }
    return { ...run, ...(more ? { cursor: page.cursor, seen } : { partition: part + 1, cursor: null, seen: 0 }), tally };
  };

  /** Writes the progress down; `undefined` when somebody else has changed the record, who then has it. */
  const note = async (run: DryRun): Promise<DryRun | undefined> => {
    const now = clock.now();
    const noted: DryRun = {
      ...run,
      worker: name,
      leasedUntil: now + LEASE_MS,
      updatedAt: Math.max(now, run.updatedAt),
      version: run.version + 1,
    };
    // Figures on the way are no change that anybody is accountable for, so there is no event and no command for them.
    const { outcome } = await store.commit([
      { op: "put", table: DRY_RUNS_TABLE, item: dryRuns.toItem(noted), condition: { version: run.version } },
    ]);
    if (outcome === "committed") return noted;
    if (outcome === "conflict") return undefined;
    throw new StoreUnavailableError(`the progress of ${run.id} was not written`);
  };

  const end = async (run: DryRun, status: "completed" | "failed", reason: string | null): Promise<void> => {
    const { id, organisationId } = run;
    const eventId = ids.next("event");
    const key = { hash: id };
    const registry = registryKey(organisationId);
    const executed = await queue.execute({
      actor: { organisationId, apiKeyId: null, ip: null, userAgent: null, requestId: null },
      needs: [
        { collection: dryRuns, key, mode: "write" },
        { collection: registries, key: registry, mode: "write" },
      ],
      decide(view, at) {
        const work = workOn(view);
        // Canceled, or taken up by somebody else.
        if (work.get(dryRuns, key)?.version !== run.version) return { reply: { status: 204, body: "" }, changes: [], events: [] };
        const endedAt = Math.max(at, run.createdAt);
        work.put(dryRuns, { ...run, status, reason, updatedAt: Math.max(at, run.updatedAt), endedAt, version: run.version + 1 });
        const before = work.get(registries, registry);
        if (before?.dryRunId === id) work.put(registries, { ...before, dryRunId: null, version: before.version + 1 });
        const { examined, matched } = run.tally;
        const details = { rule_set_id: run.ruleSetId, examined, matched, ...(reason === null ? {} : { reason }) };
        work.tell({ id: eventId, type: status === "completed" ? "dry_run.completed" : "dry_run.failed", objectId: id, details });
        return work.outcome({ status: 204, body: "" });
      },
    });
    if (!executed.ok) throw new StoreUnavailableError(`the end of ${id} was not written: ${executed.code}`);
  };

  return {
    work() {
      if (stopped) return running ?? Promise.resolve();
      running ??= work().finally(() => {
        running = undefined;
      });
      return running;
    },
    async stop() {
      stopped = true;
      await running;
    },
  };
}
