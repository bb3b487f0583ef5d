import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import { isGood } from "#kernel/clock.ts";
import type { OrganisationId, RiskModelId } from "#kernel/ids.ts";
import type { Scorer } from "#model/index.ts";
import type { Models, ModelsInForce, ModelSnapshot } from "#risk/index.ts";
import type { Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { BrokenContentError } from "./content.ts";
import type { ModelCache } from "./model-cache.ts";
import type { RiskModel } from "./model-record.ts";
import { isUsable, readModel } from "./model-record.ts";
import { readRegistry } from "./registry.ts";

export interface LiveModels extends Models {
  /** What is known of an organisation counts no more. To be called in the process that changed it, after the commit. */
  forget(id: OrganisationId): void;
}

/** A model in force that cannot be used, so that the factors decide, or nothing runs in the shadow. */
export interface ModelFault {
  readonly organisationId: OrganisationId;
  readonly modelId: RiskModelId;
  readonly reason: string;
}

export interface ModelsDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly cache: ModelCache;
  /** Told of a model in force that cannot be used, each time it is found so anew. */
  readonly onFault?: (fault: ModelFault) => void;
  /** How long a store read counts, in ms. Default 5,000. */
  readonly ttlMs?: number;
  /** Organisations kept in memory; one takes some hundred bytes. Default 10,000. */
  readonly maxOrganisations?: number;
  /** Nodes of the trees of their models, all together, one that is shared counted each time. Default 10,000,000. */
  readonly maxNodes?: number;
  /** Organisations being read from the store at once; more are refused. Those whose models are in line do not count. Default 200. */
  readonly maxReads?: number;
  /** How long a payment or a reader waits for its models, in ms, before it is refused; the reading goes on. Default 10,000. */
  readonly maxWaitMs?: number;
  /** Payments that wait for models in line; more are refused. Default 500, half of the requests that a node works on. */
  readonly maxWaiting?: number;
}

/** What payments are given. Models that nobody waits for join when they are read. */
interface Ready {
  /** Replaced as a whole: a payment in flight keeps what it was given. */
  inForce: ModelsInForce;
  /** Nodes of the trees of those that are in memory. */
  nodes: number;
  /** When a model that could not be used is looked at again. */
  retryAt: number;
}

interface Known {
  /** One and the same for as long as the same models are in force. */
  readonly ready: Ready;
  readonly championId: RiskModelId | null;
  readonly shadowId: RiskModelId | null;
  /** Until when it counts, and from when on it is read anew beside the payments. */
  readonly goodUntil: number;
  readonly renewAt: number;
}

/** The payments that wait for one reading. */
interface Line {
  /** Whether models are in line to be read; before that it is only the store that is asked. */
  isLong: boolean;
  readonly refusals: Set<(error: StoreUnavailableError) => void>;
}

interface Reading {
  readonly line: Line;
  readonly done: Promise<ModelsInForce>;
}

const NONE: ModelsInForce = { champion: undefined, shadow: undefined };
/** How often the registry is read again where models took longer to read than it is good. */
const MAX_ANEW = 2;
/** What is broken is megabytes to read again. */
const RETRY_FAULT_MS = 60_000;

/** Whether what could not be used is to be looked at again. */
function isDue({ retryAt }: Ready, now: number): boolean {
  return retryAt !== Number.POSITIVE_INFINITY && !isGood(retryAt, RETRY_FAULT_MS, now);
}

/** One of those that were in force before, whose content never changes. */
function heldIn({ champion, shadow }: ModelsInForce, id: string): ModelSnapshot | undefined {
  return champion?.id === id ? champion : shadow?.id === id ? shadow : undefined;
}

const tooMany = (): StoreUnavailableError => new StoreUnavailableError("too many payments wait for models to be read");

/** Makes a model ready for the engine. */
export function snapshotOf({ id, featuresHash }: Pick<RiskModel, "id" | "featuresHash">, scorer: Scorer): ModelSnapshot {
  return {
    id,
    featuresHash,
    score: (vector) => scorer.probability(vector),
    explain: (vector) => scorer.explain(vector).contributions.map(({ feature, adds }) => ({ feature, contribution: adds })),
  };
}

/**
 * The models in force, in memory: at most five seconds old on every node, renewed beside the payments. An organisation without models costs
 * one read of one key in that time.
 */
export function createModels(deps: ModelsDeps): LiveModels {
  const { store, clock, cache, onFault, ttlMs = 5_000, maxOrganisations = 10_000, maxNodes = 10_000_000 } = deps;
  const { maxReads = 200, maxWaitMs = 10_000, maxWaiting = 500 } = deps;
  invariant(ttlMs >= 0 && maxOrganisations >= 1 && maxReads >= 1, "the bounds of the models are wrong");
  const known = new Map<OrganisationId, Known>();
  const reads = new Map<OrganisationId, Reading>();

  let nodes = 0;
  let storeReads = 0;
  /** Payments that wait for models in line. */
  let waiting = 0;

  const tell = (organisationId: OrganisationId, modelId: RiskModelId, reason: string): undefined => {
    onFault?.({ organisationId, modelId, reason });
    return undefined;
  };

  const usable = async (organisationId: OrganisationId, id: RiskModelId | null): Promise<RiskModel | undefined> => {
    if (id === null) return undefined;
    const model = await readModel(store, organisationId, id);
    if (model === undefined) return tell(organisationId, id, "it is not there");
    return isUsable(model) ? model : tell(organisationId, id, "it was made for other features than this version computes");
  };

  /** From now on: what could not be read in a minute must not be read again at once, and all the time. */
  const retryLater = (ready: Ready): void => {
    ready.retryAt = Math.min(ready.retryAt, clock.now() + RETRY_FAULT_MS);
  };

  const join = (place: keyof ModelsInForce, { id, featuresHash, card }: RiskModel, scorer: Scorer, ready: Ready): void => {
    ready.inForce = { ...ready.inForce, [place]: snapshotOf({ id, featuresHash }, scorer) };
    ready.nodes += card.nodes;
  };

  /** Payments wait for it. */
  const load = async (place: keyof ModelsInForce, model: RiskModel, ready: Ready): Promise<void> => {
    try {
      join(place, model, await cache.load(model, "payment"), ready);
    } catch (error) {
      // Without the model the factors decide; without knowing which model it is, nothing may.
      if (!(error instanceof BrokenContentError)) throw error;
      retryLater(ready);
      tell(model.organisationId, model.id, error.message);
    }
  };

  /** No payment waits for it, or is refused for it: it joins once it is read. */
  const loadBeside = (place: keyof ModelsInForce, model: RiskModel, ready: Ready): void => {
    const { organisationId, id } = model;
    cache.load(model).then(
      (scorer) => {
        const isKept = known.get(organisationId)?.ready === ready;
        join(place, model, scorer, ready);
        if (!isKept) return;
        nodes += model.card.nodes;
        shrink(organisationId);
      },
      (error: unknown) => {
        // What the store does not give just now is asked for with the next renewal.
        if (error instanceof BrokenContentError) retryLater(ready);
        else ready.retryAt = clock.now();
        tell(organisationId, id, error instanceof Error ? error.message : String(error));
      },
    );
  };

  /** Which models are in force, and their records, where they are others than before. */
  const readRecords = async (id: OrganisationId, before: Known | undefined, now: number) => {
    storeReads += 1;
    try {
      const { championId, shadowId } = await readRegistry(store, id);
      const same = before?.championId === championId && before.shadowId === shadowId && !isDue(before.ready, now);
      if (same) return { championId, shadowId, same: before, champion: undefined, shadow: undefined };
      const [champion, shadow] = await Promise.all([usable(id, championId), usable(id, shadowId)]);
      return { championId, shadowId, same: undefined, champion, shadow };
    } finally {
      storeReads -= 1;
    }
  };

  const readOnce = async (id: OrganisationId, before: Known | undefined, line: Line): Promise<Known> => {
    // The age counts from before the reads: what was changed after this moment may not be in the answer.
    const now = clock.now();
    const times = { goodUntil: now + ttlMs, renewAt: now + ttlMs / 2 };
    const { championId, shadowId, same, ...records } = await readRecords(id, before, now);
    if (same !== undefined) return { ...same, ...times };
    const ready: Ready = { inForce: NONE, nodes: 0, retryAt: Number.POSITIVE_INFINITY };
    const missing: Partial<Record<keyof ModelsInForce, RiskModel>> = {};
    for (const [place, modelId] of [
      ["champion", championId],
      ["shadow", shadowId],
    ] as const) {
      if (modelId === null) continue;
      const record = records[place];
      const held = before === undefined ? undefined : heldIn(before.ready.inForce, modelId);
      const scorer = record === undefined || held !== undefined ? undefined : cache.atHand(record);
      if (record === undefined) retryLater(ready);
      else if (held !== undefined) {
        ready.inForce = { ...ready.inForce, [place]: held };
        ready.nodes += record.card.nodes;
      } else if (scorer !== undefined) join(place, record, scorer, ready);
      else missing[place] = record;
    }
    const { champion, shadow } = missing;
    // Where the factors decide in its place already, they go on until it can be read.
    const isRetried = before?.championId === championId;
    const loaded = champion === undefined || isRetried ? undefined : inLine(line, load("champion", champion, ready));
    if (champion !== undefined && isRetried) loadBeside("champion", champion, ready);
    if (shadow !== undefined) loadBeside("shadow", shadow, ready);
    await loaded;
    return { ready, championId, shadowId, ...times };
  };

  const inLine = async (line: Line, loaded: Promise<void>): Promise<void> => {
    line.isLong = true;
    waiting += line.refusals.size;
    const excess = waiting - maxWaiting;
    // Those that asked last, before it was known that there is a line.
    for (const refuse of excess > 0 ? [...line.refusals].slice(-excess) : []) {
      line.refusals.delete(refuse);
      waiting -= 1;
      refuse(tooMany());
    }
    try {
      await loaded;
    } finally {
      line.isLong = false;
      waiting -= line.refusals.size;
    }
  };

  const read = async (id: OrganisationId, before: Known | undefined, line: Line): Promise<Known> => {
    let fresh = await readOnce(id, before, line);
    // Where there was a line, others may be in force by now. What was read is at hand, so this is one read of one key as a rule.
    for (let times = 0; times < MAX_ANEW && !isGood(fresh.goodUntil, ttlMs, clock.now()); times++) fresh = await readOnce(id, fresh, line);
    return fresh;
  };

  const drop = (id: OrganisationId): void => {
    nodes -= known.get(id)?.ready.nodes ?? 0;
    known.delete(id);
  };

  const keep = (id: OrganisationId, fresh: Known): void => {
    drop(id);
    known.set(id, fresh);
    nodes += fresh.ready.nodes;
    // Those read longest ago go first.
    for (const oldest of known.keys()) {
      if (known.size <= maxOrganisations || oldest === id) break;
      drop(oldest);
    }
    shrink(id);
  };

  /** An organisation larger than the bound still has its own, and a few large ones do not cost the small ones theirs. */
  const shrink = (id: OrganisationId): void => {
    while (nodes > maxNodes && dropLargest(id));
  };

  /** Drops another organisation that has the most nodes. Among equals the one read last: else those that pay in turn would all find nothing. */
  const dropLargest = (spared: OrganisationId): boolean => {
    let largest: OrganisationId | undefined;
    let size = 1;
    for (const [id, { ready }] of known)
      if (id !== spared && ready.nodes >= size) {
        largest = id;
        size = ready.nodes;
      }
    if (largest !== undefined) drop(largest);
    return largest !== undefined;
  };

  const renew = (id: OrganisationId): Reading => {
    const shared = reads.get(id);
    if (shared !== undefined) return shared;
    const line: Line = { isLong: false, refusals: new Set() };
    if (storeReads >= maxReads || reads.size >= maxOrganisations)
      return { line, done: Promise.reject(new StoreUnavailableError("the models of too many organisations are being read")) };
    const done = read(id, known.get(id), line).then(
      (fresh) => {
        // Not when they were changed meanwhile: whoever asks from now on must see the change.
        if (reads.get(id) === started) {
          reads.delete(id);
          keep(id, fresh);
        }
        return fresh.ready.inForce;
      },
      (error: unknown) => {
        if (reads.get(id) === started) reads.delete(id);
        throw error;
      },
    );
    const started: Reading = { line, done };
    reads.set(id, started);
    return started;
  };

  /** A payment waits, but so that it is told in time that nothing was done, and so that those which need not wait find room. */
  const waitFor = (id: OrganisationId): Promise<ModelsInForce> => {
    const { line, done } = renew(id);
    // They are being read already, whoever is refused here.
    if (line.isLong && waiting >= maxWaiting) return Promise.reject(tooMany());
    return inTime(done, (refuse) => {
      line.refusals.add(refuse);
      if (line.isLong) waiting += 1;
      return () => {
        if (line.refusals.delete(refuse) && line.isLong) waiting -= 1;
      };
    });
  };

  /** @param waits told how it is refused before its time; gives what is to be done when it waits no more. */
  const inTime = <T>(reading: Promise<T>, waits?: (refuse: (error: StoreUnavailableError) => void) => () => void): Promise<T> => {
    let ends: (() => void) | undefined;
    let late: NodeJS.Timeout | undefined;
    return new Promise<T>((resolve, reject) => {
      ends = waits?.(reject);
      // The client's patience is in the machine's time, so this timer is too.
      late = setTimeout(() => reject(new StoreUnavailableError("the models are still being read")), maxWaitMs);
      reading.then(resolve, reject);
    }).finally(() => {
      clearTimeout(late);
      ends?.();
    });
  };

  return {
    of(id) {
      const found = known.get(id);
      const now = clock.now();
      if (found === undefined || !isGood(found.goodUntil, ttlMs, now)) return waitFor(id);
      // What fails now is tried again by the next payment, at the latest when nothing good is known any more.
      if (now >= found.renewAt && storeReads < maxReads) renew(id).done.catch(() => undefined);
      return found.ready.inForce;
    },
    async find(organisationId, id) {
      const model = await readModel(store, organisationId, id);
      if (model === undefined || !isUsable(model)) return undefined;
      try {
        return snapshotOf(model, await inTime(cache.load(model)));
      } catch (error) {
        if (error instanceof BrokenContentError) return undefined;
        throw error;
      }
    },
    forget(id) {
      // Not dropped: models that stay in force need not be read again, as for a shadow that was started.
      const found = known.get(id);
      if (found !== undefined) known.set(id, { ...found, goodUntil: Number.NEGATIVE_INFINITY, renewAt: Number.NEGATIVE_INFINITY });
      reads.delete(id);
    },
  };
}
