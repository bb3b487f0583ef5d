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
  /** Drops what is known of an organisation. To be called in the process that changed it, after the commit. */
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
  /** How long a payment waits for its models, in ms, before it is refused; the reading goes on. Default 10,000. */
  readonly maxWaitMs?: number;
  /** Payments that wait for models in line; more are refused. Default 500, half of the requests that a node works on. */
  readonly maxWaiting?: number;
}

interface Known {
  readonly inForce: ModelsInForce;
  readonly championId: RiskModelId | null;
  readonly shadowId: RiskModelId | null;
  /** Nodes of the trees of both. */
  readonly nodes: number;
  /** When a model that could not be used is looked at again. */
  readonly retryAt: number;
  /** Until when it counts, and from when on it is read anew beside the payments. */
  readonly goodUntil: number;
  readonly renewAt: number;
}

interface Loaded {
  readonly snapshot: ModelSnapshot;
  readonly nodes: number;
}

/** How often the registry is read again where models took longer to read than it is good. */
const MAX_ANEW = 2;
/** What is broken is megabytes to read again. */
const RETRY_FAULT_MS = 60_000;

/** Whether what could not be used is to be looked at again. */
function isDue({ retryAt }: Known, now: number): boolean {
  return retryAt !== Number.POSITIVE_INFINITY && !isGood(retryAt, RETRY_FAULT_MS, now);
}

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
  const reads = new Map<OrganisationId, Promise<ModelsInForce>>();

  let nodes = 0;
  let storeReads = 0;
  let waiting = 0;
  /** Organisations whose models are being read, or are in line to be. */
  const inLine = new Set<OrganisationId>();

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

  const load = async (model: RiskModel | undefined): Promise<Loaded | undefined> => {
    if (model === undefined) return undefined;
    try {
      return { snapshot: snapshotOf(model, await cache.load(model, "payment")), nodes: model.card.nodes };
    } catch (error) {
      // Without the model the factors decide; without knowing which model it is, nothing may.
      if (error instanceof BrokenContentError) return tell(model.organisationId, model.id, error.message);
      throw error;
    }
  };

  /** Which models are in force, and their records, where they are others than before. */
  const readRecords = async (id: OrganisationId, before: Known | undefined, now: number) => {
    storeReads += 1;
    try {
      const { championId, shadowId } = await readRegistry(store, id);
      const same = before?.championId === championId && before.shadowId === shadowId && !isDue(before, now);
      if (same) return { championId, shadowId, same: before, champion: undefined, shadow: undefined };
      const [champion, shadow] = await Promise.all([usable(id, championId), usable(id, shadowId)]);
      return { championId, shadowId, same: undefined, champion, shadow };
    } finally {
      storeReads -= 1;
    }
  };

  const readOnce = async (id: OrganisationId, before: Known | undefined): Promise<Known> => {
    // The age counts from before the reads: what was changed after this moment may not be in the answer.
    const now = clock.now();
    const times = { goodUntil: now + ttlMs, renewAt: now + ttlMs / 2 };
    const { championId, shadowId, same, ...records } = await readRecords(id, before, now);
    if (same !== undefined) return { ...same, ...times };
    // Those in memory are found there by their hash, so only the records are read again. Both at once, so that they come one after the
    // other in the line, and an organisation has all it needs before the next one.
    inLine.add(id);
    const [champion, shadow] = await Promise.all([load(records.champion), load(records.shadow)]).finally(() => inLine.delete(id));
    const faulty = (championId !== null && champion === undefined) || (shadowId !== null && shadow === undefined);
    return {
      inForce: { champion: champion?.snapshot, shadow: shadow?.snapshot },
      championId,
      shadowId,
      nodes: (champion?.nodes ?? 0) + (shadow?.nodes ?? 0),
      // From now on: what could not be read in a minute must not be read again at once, and all the time.
      retryAt: faulty ? clock.now() + RETRY_FAULT_MS : Number.POSITIVE_INFINITY,
      ...times,
    };
  };

  const read = async (id: OrganisationId, before: Known | undefined): Promise<Known> => {
    let fresh = await readOnce(id, before);
    // Where there was a line, others may be in force by now. What was read is at hand, so this is one read of one key as a rule.
    for (let times = 0; times < MAX_ANEW && !isGood(fresh.goodUntil, ttlMs, clock.now()); times++) fresh = await readOnce(id, fresh);
    return fresh;
  };

  const drop = (id: OrganisationId): void => {
    nodes -= known.get(id)?.nodes ?? 0;
    known.delete(id);
  };

  const keep = (id: OrganisationId, fresh: Known): void => {
    drop(id);
    known.set(id, fresh);
    nodes += fresh.nodes;
    // Those read longest ago go first.
    for (const oldest of known.keys()) {
      if (known.size <= maxOrganisations || oldest === id) break;
      drop(oldest);
    }
    // An organisation larger than the bound still has its own, and a few large ones do not cost the small ones theirs.
    while (nodes > maxNodes && dropLargest(id));
  };

  /** Drops another organisation that has the most nodes. Among equals the one read last: else those that pay in turn would all find nothing. */
  const dropLargest = (spared: OrganisationId): boolean => {
    let largest: OrganisationId | undefined;
    let size = 1;
    for (const [id, { nodes: held }] of known)
      if (id !== spared && held >= size) {
        largest = id;
        size = held;
      }
    if (largest !== undefined) drop(largest);
    return largest !== undefined;
  };

  const renew = (id: OrganisationId): Promise<ModelsInForce> => {
    const shared = reads.get(id);
    if (shared !== undefined) return shared;
    if (storeReads >= maxReads || reads.size >= maxOrganisations)
      return Promise.reject(new StoreUnavailableError("the models of too many organisations are being read"));
    const started: Promise<ModelsInForce> = read(id, known.get(id)).then(
      (fresh) => {
        // Not when they were changed meanwhile: whoever asks from now on must see the change.
        if (reads.get(id) === started) {
          reads.delete(id);
          keep(id, fresh);
        }
        return fresh.inForce;
      },
      (error: unknown) => {
        if (reads.get(id) === started) reads.delete(id);
        throw error;
      },
    );
    reads.set(id, started);
    return started;
  };

  /** A payment waits, but so that it is told in time that nothing was done, and so that those which need not wait find room. */
  const waitFor = (id: OrganisationId): Promise<ModelsInForce> => {
    // They are being read already, whoever is refused here.
    if (inLine.has(id) && reads.has(id) && waiting >= maxWaiting)
      return Promise.reject(new StoreUnavailableError("too many payments wait for models to be read"));
    const reading = renew(id);
    waiting += 1;
    return new Promise<ModelsInForce>((resolve, reject) => {
      // The client's patience is in the machine's time, so this timer is too.
      const late = setTimeout(() => reject(new StoreUnavailableError("the models are still being read")), maxWaitMs);
      void reading.then(resolve, reject).finally(() => clearTimeout(late));
    }).finally(() => {
      waiting -= 1;
    });
  };

  return {
    of(id) {
      const found = known.get(id);
      const now = clock.now();
      if (found === undefined || !isGood(found.goodUntil, ttlMs, now)) return waitFor(id);
      // What fails now is tried again by the next payment, at the latest when nothing good is known any more.
      if (now >= found.renewAt && storeReads < maxReads) renew(id).catch(() => undefined);
      return found.inForce;
    },
    async find(organisationId, id) {
      const model = await readModel(store, organisationId, id);
      if (model === undefined || !isUsable(model)) return undefined;
      try {
        return snapshotOf(model, await cache.load(model));
      } catch (error) {
        if (error instanceof BrokenContentError) return undefined;
        throw error;
      }
    },
    forget(id) {
      drop(id);
      reads.delete(id);
    },
  };
}
