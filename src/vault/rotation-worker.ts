import type { CommitQueue } from "#commit/index.ts";
import { workOn } from "#commit/index.ts";
import type { Working } from "#commit/index.ts";
import type { Ids } from "#kernel/ids.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import type { Item } from "#storage/index.ts";
import { keyRotations, readRotation, rotationPointers, ROTATIONS_TABLE, RUNNING } from "./key-rotation.ts";
import type { KeyRotation, Progress, RotationFault } from "./key-rotation.ts";
import type { Rewrite, Step, StepDeps } from "./sweep-steps.ts";
import { createSteps, MAX_SKEW_MS } from "./sweep-steps.ts";
import { outageOf } from "#kernel/problems.ts";

export interface RotationWorkerDeps extends StepDeps {
  readonly queue: CommitQueue;
  readonly ids: Ids;
  /** Told what went wrong, of each rotation once until something else does; the work is tried again with the next call. */
  readonly onError: (error: unknown) => void;
  /**
   * Milliseconds after a worker has met a rotation, and after it has seen that the pass before is over, until it begins a pass that may be
   * the last: longer than any node seals with a key it holds in memory, and than an index lags. Default ten seconds.
   */
  readonly settleMs?: number;
}

export interface RotationWorker {
  /**
   * Does what can be done now for every rotation under way, and resolves. At most one run at a time; whoever calls during
   * one waits for it. Never rejects: what failed is told to `onError` and tried again by the next call.
   */
  work(): Promise<void>;
  /** Ends the run under way after its present batch; later calls do nothing. */
  stop(): Promise<void>;
}

/** Records looked at and changed in one commit: half of what a DynamoDB transaction takes. */
const BATCH = 45;
/** Pages without anything to do that are passed over before the progress is written down. */
const MAX_IDLE_PAGES = 40;
/** Rotations taken up in one run: 10,000. */
const ROTATIONS_PER_PAGE = 100;
const MAX_LIST_PAGES = 100;
/** Batches of one rotation until it is the turn of the others: one of a compromised key must not wait for hours behind another. */
const TURN = 20;
/** Turns in one run: 45 million records of one rotation. */
const MAX_TURNS = 50_000;
/** How long a worker that says nothing is taken for alive. */
const LEASE_MS = 30_000;
/** When one that could not go on has its turn again, while others are at work for hours. */
const RETRY_MS = 5_000;
/** A breath between batches, so that requests come first. */
const PAUSE_MS = 2;

/** Rotations whose last fault is remembered, so that it is not told with every call. */
const MAX_FAULTS = 10_000;
/** Rotations of which it is remembered when they were met; one that is forgotten takes some seconds longer. */
const MAX_MET = 10_000;

const MAX_DETAIL = 500;

/** What one batch is to do: computed outside of the decision, which then is pure. */
interface Batch {
  readonly rewrites: readonly Rewrite[];
  readonly next: Progress;
  readonly finished: boolean;
}

/**
 * The background part of a rotation. Every batch is one command of the commit queue: the records it changes, the rotation's
 * own progress and an audit event are one commit, under the versions that were read. So a kill loses nothing, a change of a
 * record in between wins (and its record is looked at again in the next pass), and two workers cannot undo each other.
 */
export function createRotationWorker(deps: RotationWorkerDeps): RotationWorker {
  const { store, vault, queue, clock, ids, onError, settleMs = 10_000 } = deps;
  const name = ids.next("request");
  /**
   * Since when this worker knows that a rotation has come to a pass, by its own clock: that of the node where it was started, or that ended
   * the pass before, may be another. Users get their new keys during the passes, and other nodes seal under those of before for some seconds more.
   */
  const met = new Map<string, { readonly pass: number; readonly at: number }>();
  /** The last fault of each rotation. */
  const faults = new Map<string, string>();
  /** The fault of looking for rotations that was told last. */
  let silence = "";
  let running: Promise<void> | undefined;
  let stopped = false;

  /** Gives every rotation under way its turn, but not those that could not go on just now. @returns whether any of them has more to do at once */
  const turn = async (stuck: Map<string, number>): Promise<boolean> => {
    const list = { table: ROTATIONS_TABLE, index: "RunningKeyRotationsIndex", hash: RUNNING, order: "ascending" } as const;
    let cursor: string | undefined;
    let more = false;
    for (let pages = 0; pages < MAX_LIST_PAGES; pages++) {
      const page = await store.query({ ...list, limit: ROTATIONS_PER_PAGE, ...(cursor === undefined ? {} : { cursor }) });
      for (const item of page.items) {
        // One rotation that cannot go on (its KMS key is disabled) must not hold up those of other organisations.
        const rotation = keyRotations.fromItem(item);
        const stuckFor = clock.now() - (stuck.get(rotation.id) ?? Number.NEGATIVE_INFINITY);
        if (stuckFor >= 0 && stuckFor < RETRY_MS) continue;
        try {
          if (await advance(rotation)) more = true;
        } catch (error) {
          stuck.set(rotation.id, clock.now());
          await stumbled(rotation, error);
        }
      }
      cursor = page.cursor;
      if (cursor === undefined) break;
    }
    return more;
  };

  const work = async (): Promise<void> => {
    try {
      const stuck = new Map<string, number>();
      for (let turns = 0; turns < MAX_TURNS && !stopped; turns++) if (!(await turn(stuck))) break;
      silence = "";
    } catch (error) {
      const text = String(error);
      if (text !== silence) onError(error);
      silence = text;
    }
  };

  /** Tells a fault and has the rotation show it; one that only an operator can mend ends the rotation. */
  const stumbled = async (listed: KeyRotation, error: unknown): Promise<void> => {
    const fault = faultOf(error);
    const known = faults.get(listed.id);
    if (known !== fault.detail) {
      onError(error);
      if (faults.size >= MAX_FAULTS) faults.clear();
      faults.set(listed.id, fault.detail);
    }
    try {
      const rotation = await readRotation(store, listed.organisationId, listed.id);
      if (rotation?.status !== "running") return;
      const failed = fault.code === "key_blocked";
      if (failed || rotation.fault?.detail !== fault.detail) await fail(rotation, fault, failed);
    } catch {
      // It cannot be written down now; the next call meets the same fault.
    }
  };

  const fail = async (rotation: KeyRotation, fault: RotationFault, failed: boolean): Promise<void> => {
    const { id, organisationId } = rotation;
    const key = { hash: id };
    const pointerKey = { hash: organisationId };
    const eventId = ids.next("event");
    await queue.execute({
      actor: { organisationId, apiKeyId: null, ip: null, userAgent: null, requestId: null },
      needs: [
        { collection: keyRotations, key, mode: "write" },
        { collection: rotationPointers, key: pointerKey, mode: "write" },
      ],
      appends: 1,
      decide(view, at) {
        const work = workOn(view);
        if (work.get(keyRotations, key)?.version !== rotation.version) return { reply: { status: 204, body: "" }, changes: [], events: [] };
        const updatedAt = Math.max(at, rotation.updatedAt);
        const status = failed ? "failed" : "running";
        work.put(keyRotations, { ...rotation, status, fault, worker: null, leasedUntil: 0, updatedAt, version: rotation.version + 1 });
        if (failed) release(work, rotation);
        const type = failed ? "key_rotation.failed" : "key_rotation.interrupted";
        work.tell({ id: eventId, type, objectId: id, details: { code: fault.code } });
        return work.outcome({ status: 204, body: "" });
      },
    });
  };

  /** @returns whether its turn is over before its work */
  const advance = async (listed: KeyRotation): Promise<boolean> => {
    for (let batches = 0; batches < TURN && !stopped; batches++) {
      const rotation = await readRotation(store, listed.organisationId, listed.id);
      if (rotation === undefined || rotation.status !== "running") return false;
      const now = clock.now();
      const { pass } = rotation.progress;
      const known = met.get(rotation.id);
      // Met later than it is now: the clock was set back, and whatever was measured by it is measured anew.
      if (known?.pass !== pass || known.at > now) {
        if (met.size >= MAX_MET) met.clear();
        met.set(rotation.id, { pass, at: now });
      }
      // Further ahead than clocks differ it is of one that was wrong: nobody waits for that.
      const leased = rotation.leasedUntil - now;
      if (rotation.worker !== name && leased > 0 && leased <= LEASE_MS + MAX_SKEW_MS) return false;
      const batch = await collect(rotation, now);
      if (batch === undefined) return false;
      await commit(rotation, batch);
      await clock.sleep(PAUSE_MS);
    }
    return true;
  };

  /** Reads on from where the rotation stands until there is something to write; `undefined` while it has to wait. */
  const collect = async (rotation: KeyRotation, now: number): Promise<Batch | undefined> => {
    const steps = createSteps(deps, rotation);
    let progress = rotation.progress;
    // Only the first pass begins at once. A later one begins when the time has come by the clock of the node that begins it, so it may
    // be the last one whichever node ends it.
    const begins = progress.step === 0 && progress.cursor === null;
    if (begins && progress.phase === "sweep" && progress.pass > 1 && (met.get(rotation.id)?.at ?? now) + settleMs > now) return undefined;
    for (let pages = 0; pages < MAX_IDLE_PAGES; pages++) {
      const step = steps[progress.step];
      if (step === undefined) return passed(progress);
      const page = await read(step, progress.cursor);
      const { rewrites, unreadable, kept = 0 } = await step.look(page.items);
      progress = {
        ...progress,
        ...(page.cursor === undefined ? { step: progress.step + 1, cursor: null } : { cursor: page.cursor }),
        examined: progress.examined + page.items.length,
        found: progress.found + rewrites.length,
        unreadable: progress.unreadable + unreadable,
        kept: (progress.kept ?? 0) + kept,
      };
      if (rewrites.length > 0) return { rewrites, next: progress, finished: false };
    }
    return { rewrites: [], next: progress, finished: false };
  };

  /** The next records, fewer where they are so large that no commit would take as many. */
  const read = async (step: Step, cursor: string | null): Promise<{ readonly items: readonly Item[]; readonly cursor?: string }> => {
    const most = store.limits.commitBytes === undefined ? Infinity : store.limits.commitBytes / 2;
    for (let limit = BATCH; ; limit = Math.ceil(limit / 2)) {
      const page = await store.query({ ...step.range, order: "ascending", limit, ...(cursor === null ? {} : { cursor }) });
      if (limit === 1 || most === Infinity || Buffer.byteLength(JSON.stringify(page.items)) <= most) return page;
    }
  };

  /** What follows a whole pass. */
  const passed = (progress: Progress): Batch => {
    if (progress.phase === "retire") return { rewrites: [], next: progress, finished: true };
    if (progress.found === 0 && progress.pass > 1)
      return { rewrites: [], next: { ...progress, phase: "retire", step: 0, cursor: null }, finished: false };
    // Only the first two passes try to give users new keys: what the second one has told holds on.
    const kept = progress.pass > 1 ? (progress.kept ?? 0) : 0;
    const start = { step: 0, cursor: null, examined: 0, found: 0, unreadable: 0, kept };
    return {
      rewrites: [],
      next: { ...progress, ...start, pass: progress.pass + 1 },
      finished: false,
    };
  };

  const commit = async (rotation: KeyRotation, { rewrites, next, finished }: Batch): Promise<void> => {
    const { id, organisationId } = rotation;
    const eventId = ids.next("event");
    const key = { hash: id };
    const pointerKey = { hash: organisationId };
    const fault = finished ? keptFault(next.kept ?? 0) : null;
    const executed = await queue.execute({
      actor: { organisationId, apiKeyId: null, ip: null, userAgent: null, requestId: null },
      needs: [
        { collection: keyRotations, key, mode: "write" },
        ...(finished ? [{ collection: rotationPointers, key: pointerKey, mode: "write" as const }] : []),
        ...rewrites.map((rewrite) => ({ collection: rewrite.collection, key: rewrite.key, mode: "write" as const })),
      ],
      appends: 1,
      decide(view, at) {
        const work = workOn(view);
        // Somebody else went on with it: what was computed here is thrown away.
        if (work.get(keyRotations, key)?.version !== rotation.version) return { reply: { status: 204, body: "" }, changes: [], events: [] };
        let rewritten = 0;
        for (const rewrite of rewrites) {
          const record = work.get(rewrite.collection, rewrite.key);
          const changed = record === undefined ? undefined : rewrite.apply(record);
          if (changed === undefined) continue;
          work.put(rewrite.collection, changed);
          rewritten += 1;
        }
        work.put(keyRotations, {
          ...rotation,
          // Retired keys are no records that were sealed anew.
          progress: { ...next, rewritten: next.rewritten + (rotation.progress.phase === "sweep" ? rewritten : 0) },
          status: fault !== null ? "failed" : finished ? "completed" : "running",
          fault,
          worker: name,
          leasedUntil: at + LEASE_MS,
          updatedAt: Math.max(at, rotation.updatedAt),
          completedAt: finished && fault === null ? Math.max(at, rotation.createdAt) : null,
          version: rotation.version + 1,
        });
        if (finished) release(work, rotation);
        const details = {
          ...(finished ? { rewritten: next.rewritten, unreadable: next.unreadable } : { rewritten }),
          ...(fault === null ? {} : { code: fault.code, kept: next.kept }),
        };
        const type = fault !== null ? "key_rotation.failed" : finished ? "key_rotation.completed" : "key_rotation.advanced";
        work.tell({ id: eventId, type, objectId: id, details });
        return work.outcome({ status: 204, body: "" });
      },
    });
    if (!executed.ok) throw new StoreUnavailableError(`a batch of ${id} was not written: ${executed.code}`);
  };

  return {
    work() {
      // Not a part of any rotation, but this is what every process calls every few seconds.
      vault.sweep();
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

/** Lets the organisation start another rotation of this target. */
function release(work: Working, { id, organisationId, target }: KeyRotation): void {
  const pointer = work.get(rotationPointers, { hash: organisationId });
  if (pointer?.running[target] !== id) return;
  work.put(rotationPointers, { ...pointer, running: { ...pointer.running, [target]: null }, version: pointer.version + 1 });
}

/** What a rotation ends with that could not give every user a new key, though it has done all else; `null` where it could. */
function keptFault(kept: number): RotationFault | null {
  if (kept === 0) return null;
  const what = `${kept} sealed text${kept === 1 ? "" : "s"} of users stay under the key of before`;
  return { code: "too_many_keys", detail: `${what}: they have as many keys as one user may have. All else is sealed anew.` };
}

/** What is shown of an error: its own words where it is one of ours, which name keys by their ids and nothing else. */
function faultOf(error: unknown): RotationFault {
  if (!(error instanceof StoreUnavailableError))
    return { code: "store_unavailable", detail: "The work was interrupted; the log tells why." };
  return { code: outageOf(error), detail: error.message.slice(0, MAX_DETAIL) };
}
