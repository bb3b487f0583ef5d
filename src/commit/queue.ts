import type { BuiltEvent } from "#audit/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import type { ProblemCode } from "#kernel/problems.ts";
import { outageOf } from "#kernel/problems.ts";
import type { Random } from "#kernel/random.ts";
import type { Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import type { Command, Executed } from "./command.ts";
import { decideGroup } from "./decide-group.ts";
import type { KeptElsewhere, ReplyBox, ShowReply } from "./idempotency.ts";
import { loadGroup } from "./load-group.ts";
import type { Pending } from "./pending.ts";
import type { Settled } from "./settle.ts";
import { backoff, settle } from "./settle.ts";
import type { Loaded } from "./slot.ts";
import { createSpeculation } from "./speculation.ts";

export interface CommitQueue {
  /**
   * Runs one command through load, decide, commit. Never rejects for what a client or the store does;
   * rejects only when the decision itself is broken (InvariantError).
   */
  execute(command: Command): Promise<Executed>;
  /** Commands accepted and not yet answered. */
  depth(): number;
  /** What these commands weigh: one each, and more for what a batch carries. */
  load(): number;
  /** Resolves when no command is waiting or in flight. */
  drain(): Promise<void>;
}

export interface CommitQueueOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  /** Told the events of each commit after it is durable. */
  readonly onCommitted?: (events: readonly BuiltEvent[]) => void;
  /** Seals kept replies of commands with `privateReply`; without it they are kept as they are (tests). */
  readonly replyBox?: ReplyBox;
  /** Shows again what replies that are kept as references refer to. */
  readonly showReply?: ShowReply;
  /** Told when `onCommitted` throws. */
  readonly onListenerError?: (error: unknown) => void;
  /** The load above which further commands are refused as overloaded. */
  readonly maxWaiting?: number;
}

/** How often a group is decided anew after a conflict before its commands are refused as `contention`. */
const MAX_ATTEMPTS = 8;
/** The most commands one group takes. */
const MAX_GROUP = 512;
/**
 * On an ordered store a group takes no further command once it writes so much. What one group is decided with lives until its commit is
 * durable; larger ones outlive the young generation, and then collecting garbage takes as long as everything else. The store puts
 * several commits into one transaction anyway.
 */
const GROUP_WRITES = 1_024;
/** On an ordered store so many waiting commands are committed at once, without waiting for the rest of the turn's sockets. */
const EAGER_GROUP = 16;
/** What a command adds to a commit beside the records it locks: a new object, its event, its idempotency record. */
const USUAL_APPENDS = 3;
/** New items of a batch that take as long as one command of its own: five transfers, measured. */
const ITEMS_PER_WEIGHT = 15;
/** How long idempotency records are looked for after a commit that found one, ms. */
const LOOK_MS = 5_000;
/** How far the waiting line is searched for commands whose records are free. */
const MAX_SCAN = 4096;

/** The records a command may write, as the texts they are locked by inside the process. */
function locksOf(command: Command): string[] {
  const locks: string[] = [];
  for (const { collection, key, mode } of command.needs)
    if (mode === "write") locks.push(`${collection.table}/${key.hash}/${key.range ?? ""}`);
  return locks;
}

/** How long a command keeps the others waiting, in units of an ordinary one. */
function weightOf({ appends = USUAL_APPENDS, followers = 0 }: Command): number {
  return 1 + Math.ceil(Math.max(0, appends + followers - USUAL_APPENDS) / ITEMS_PER_WEIGHT);
}

/** When the first command of a group came; groups are in order of arrival. */
const arrivalOf = (group: readonly Pending[]): number => group[0]?.arrival ?? 0;

/**
 * The commit queue: one per process. Commands at one account never lose to each other inside a process.
 *
 * Where the store applies commits in order, the next group is decided on what the commits in flight will
 * make (`speculation.ts`). Elsewhere commands whose records are part of a commit in flight wait for the next group,
 * and disjoint groups fly in parallel. Either way up to the store's own limit of commits, in order of arrival per record.
 */
export function createCommitQueue(options: CommitQueueOptions): CommitQueue {
  const { store, clock, random, onCommitted } = options;
  const maxWaiting = options.maxWaiting ?? 10_000;
  let waiting: Pending[] = [];
  const ordered = store.limits.ordered === true;
  const mostWrites = ordered ? Math.min(GROUP_WRITES, store.limits.writesPerCommit) : store.limits.writesPerCommit;
  const speculation = createSpeculation();
  const locked = new Set<string>();
  /** Arrival of the earliest group that failed, which later ones may have been decided upon: none begins before all in flight have ended. */
  let failedFrom = Infinity;
  const claims = new Set<string>();
  /** Until then idempotency records are read before anything is decided. */
  let lookUntil = 0;
  let inFlight = 0;
  let depth = 0;
  let load = 0;
  let arrivals = 0;
  let scheduled = false;
  let idle: (() => void)[] = [];

  /** Takes from the line the commands that can be decided together now. */
  function takeGroup(): Pending[] {
    const group: Pending[] = [];
    const passed: Pending[] = [];
    const blocked = new Set<string>();
    const scan = Math.min(waiting.length, MAX_SCAN);
    const own = new Set<string>();
    let writes = 0;
    let next = 0;
    for (; next < scan && group.length < MAX_GROUP; next++) {
      const pending = waiting[next];
      if (pending === undefined) break;
      if (!ordered && pending.locks.some((lock) => locked.has(lock) || blocked.has(lock))) {
        for (const lock of pending.locks) blocked.add(lock);
        passed.push(pending);
        continue;
      }
      // What would not fit into the commit is left free for the next group, which may fly at the same time.
      const fresh = pending.locks.filter((lock) => !own.has(lock));
      const cost = (pending.command.appends ?? USUAL_APPENDS) + (ordered ? pending.command.needs.length : fresh.length);
      if (group.length > 0 && writes + cost > mostWrites) break;
      writes += cost;
      for (const lock of fresh) own.add(lock);
      group.push(pending);
    }
    if (group.length > 0) waiting = passed.length === 0 && next === waiting.length ? [] : passed.concat(waiting.slice(next));
    if (!ordered) for (const lock of own) locked.add(lock);
    return group;
  }

  function pump(): void {
    if (failedFrom < Infinity && inFlight > 0) return;
    failedFrom = Infinity;
    while (waiting.length > 0 && inFlight < store.limits.commitsInFlight) {
      const group = takeGroup();
      if (group.length === 0) return;
      inFlight += 1;
      void runGroup(group).then((deferred) => {
        inFlight -= 1;
        if (!ordered) for (const pending of group) for (const lock of pending.locks) locked.delete(lock);
        // What goes back came before what waits, and so it comes first again.
        if (deferred.length > 0) waiting = deferred.concat(waiting).sort((a, b) => a.arrival - b.arrival);
        pump();
      });
    }
  }

  function failed(group: readonly Pending[]): void {
    if (ordered) failedFrom = Math.min(failedFrom, arrivalOf(group));
  }

  /** Runs a group to its end; returns the commands that did not fit. Never rejects. */
  async function runGroup(group: readonly Pending[]): Promise<Pending[]> {
    let open = group;
    try {
      for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
        // Where one of them was refused before, all are looked at: a group that is sent again must not fail for the same reason.
        const optimistic = ordered && clock.now() >= lookUntil && open.every(({ attempts }) => attempts === 0);
        let loaded: Loaded | undefined;
        try {
          loaded = await loadGroup(store, open, optimistic);
        } catch (error) {
          failed(group);
          if (open.length === 1) throw error;
          // Not back into the line with the others: whoever comes again and again with such a record would be among theirs each time.
          open = await failUnreadable(open);
          continue;
        }
        if (loaded === undefined) {
          failed(group);
          return end(open, "store_unavailable");
        }
        // One before this group has failed while both were read for: whoever asked for it has to hear of that first.
        if (arrivalOf(group) > failedFrom) return open.slice();
        if (ordered) speculation.lay(loaded);
        const decided = decideGroup(open, loaded, store.limits, clock.now());
        const forget = ordered ? speculation.add(decided.assumed) : undefined;
        let settled: Settled = "committed";
        try {
          if (decided.writes.length > 0) settled = await settle(store, clock, random, decided.writes);
        } finally {
          forget?.();
        }
        if (settled === "committed") {
          for (const { pending, executed, kept } of decided.answers) pending.answer(executed, kept);
          tell(decided.events);
          return decided.deferred;
        }
        failed(group);
        if (settled === "unavailable") return end(open, "store_unavailable");
        if (settled === "unknown") {
          // Only what was part of the doubtful commit is in doubt; replays wrote nothing, and the rest was never sent.
          for (const { pending, executed, kept, passing, unwritten } of decided.answers) {
            const answered = !executed.ok || executed.replayed || passing === true;
            pending.answer(answered ? executed : { ok: false, code: unwritten === true ? "store_unavailable" : "outcome_unknown" }, kept);
          }
          return decided.deferred;
        }
        // Where kept replies are asked for, one look for each command is cheaper than groups that fail.
        if (optimistic) lookUntil = clock.now() + LOOK_MS;
        open = open.filter((pending) => !pending.settled);
        if (ordered) return again(open);
        if (attempt < MAX_ATTEMPTS) await clock.sleep(backoff(attempt, random));
      }
      return end(open, "contention");
    } catch (error) {
      failed(group);
      for (const pending of group) pending.fail(error);
      return [];
    }
  }

  /** Fails those of a group for whom a record cannot be read (it is damaged), and nobody else; returns the others. */
  async function failUnreadable(group: readonly Pending[]): Promise<Pending[]> {
    const others: Pending[] = [];
    for (const pending of group) {
      try {
        await loadGroup(store, [pending], false);
        others.push(pending);
      } catch (error) {
        pending.fail(error);
      }
    }
    return others;
  }

  /** Those of a failed group that may be decided anew; the others have tried often enough. */
  function again(group: readonly Pending[]): Pending[] {
    for (const pending of group) pending.attempts += 1;
    end(
      group.filter(({ attempts }) => attempts >= MAX_ATTEMPTS),
      "contention",
    );
    return group.filter(({ attempts }) => attempts < MAX_ATTEMPTS);
  }

  /** Whoever listens has no say in what was committed, so its failure is its own. */
  function tell(events: readonly BuiltEvent[]): void {
    if (events.length === 0 || onCommitted === undefined) return;
    try {
      onCommitted(events);
    } catch (error) {
      options.onListenerError?.(error);
    }
  }

  function end(group: readonly Pending[], code: ProblemCode): Pending[] {
    for (const pending of group) pending.answer({ ok: false, code });
    return [];
  }

  return {
    execute(command) {
      if (load >= maxWaiting && command.follows !== true) return Promise.resolve({ ok: false, code: "overloaded" });
      const claim = command.idempotency?.id;
      if (claim !== undefined) {
        if (claims.has(claim)) return Promise.resolve({ ok: false, code: "idempotency_key_in_use" });
        claims.add(claim);
      }
      const weight = weightOf(command);
      depth += 1;
      load += weight;
      return new Promise<Executed>((resolve, reject) => {
        const pending: Pending = {
          command,
          // On an ordered store nothing waits for a lock; they are only counted, as the writes they become.
          locks: ordered ? [] : locksOf(command),
          arrival: ++arrivals,
          attempts: 0,
          settled: false,
          seal: command.sealReply,
          answer(executed, kept) {
            if (!release()) return;
            if (kept === undefined || claim === undefined || !executed.ok) {
              leave(weight);
              resolve(executed);
              return;
            }
            // Until its reply has been gotten it is not answered, and the store that it is gotten from is not to be closed.
            void getReply(command, claim, executed, kept)
              .finally(() => leave(weight))
              .then(resolve, reject);
          },
          fail(error) {
            if (!release()) return;
            leave(weight);
            reject(error);
          },
        };
        function release(): boolean {
          if (pending.settled) return false;
          pending.settled = true;
          if (claim !== undefined) claims.delete(claim);
          return true;
        }
        if (command.privateReply === true && claim !== undefined && options.replyBox !== undefined) {
          options.replyBox.sealer(command.actor.organisationId, claim).then(
            (seal) => {
              pending.seal = seal;
              enqueue(pending);
            },
            (error: unknown) =>
              error instanceof StoreUnavailableError ? pending.answer({ ok: false, code: outageOf(error) }) : pending.fail(error),
          );
        } else enqueue(pending);
      });
    },
    depth: () => depth,
    load: () => load,
    drain() {
      if (depth === 0) return Promise.resolve();
      return new Promise((resolve) => idle.push(resolve));
    },
  };

  /** A command has been answered, in whatever way: also one that never came to wait for a commit. */
  function leave(weight: number): void {
    depth -= 1;
    load -= weight;
    invariant(depth >= 0, "more commands ended than began");
    if (depth > 0 || idle.length === 0) return;
    for (const resolve of idle) resolve();
    idle = [];
  }

  function enqueue(pending: Pending): void {
    waiting.push(pending);
    if (ordered && waiting.length >= EAGER_GROUP && failedFrom === Infinity && inFlight < store.limits.commitsInFlight) {
      // Enough for a commit: the store writes these while this thread reads and decides the next ones.
      pump();
    } else if (!scheduled) {
      scheduled = true;
      // After this turn's sockets have been read, so that what arrived together is committed together.
      setImmediate(() => {
        scheduled = false;
        pump();
      });
    }
  }

  /** Gets the body of a kept reply that is opened, or shown from what it showed. */
  async function getReply(
    { actor: { organisationId } }: Command,
    claim: string,
    executed: Executed & { readonly ok: true },
    kept: KeptElsewhere,
  ): Promise<Executed> {
    const { replyBox, showReply } = options;
    try {
      if (kept.kind === "shown") {
        invariant(showReply !== undefined, "a reply is kept as a reference, and nothing shows it");
        return withBody(executed, await showReply(organisationId, kept.shows, kept.digest));
      }
      invariant(replyBox !== undefined, "a sealed reply is kept, and nothing opens it");
      return withBody(executed, await replyBox.open(organisationId, claim, kept.sealed));
    } catch (error) {
      // What was answered before stands: to say that the store or a key cannot be had would be to say that nothing was done.
      if (error instanceof StoreUnavailableError) return { ok: false, code: "outcome_unknown" };
      throw error;
    }
  }
}

function withBody(executed: Executed & { readonly ok: true }, body: string): Executed {
  return { ...executed, reply: { ...executed.reply, body } };
}
