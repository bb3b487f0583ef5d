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
  /** Organisations being read at once; more are refused. Default 200. */
  readonly maxReads?: number;
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

const NONE: ModelsInForce = { champion: undefined, shadow: undefined };
/** What is broken is megabytes to read again. */
const RETRY_FAULT_MS = 60_000;

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
  const { store, clock, cache, onFault, ttlMs = 5_000, maxOrganisations = 10_000, maxNodes = 10_000_000, maxReads = 200 } = deps;
  invariant(ttlMs >= 0 && maxOrganisations >= 1 && maxReads >= 1, "the bounds of the models are wrong");
  const known = new Map<OrganisationId, Known>();
  const reads = new Map<OrganisationId, Promise<ModelsInForce>>();

  let nodes = 0;

  const snapshot = async (organisationId: OrganisationId, id: RiskModelId | null): Promise<Loaded | undefined> => {
    if (id === null) return undefined;
    const fault = (reason: string): undefined => {
      onFault?.({ organisationId, modelId: id, reason });
      return undefined;
    };
    const model = await readModel(store, organisationId, id);
    if (model === undefined) return fault("it is not there");
    if (!isUsable(model)) return fault("it was made for other features than this version computes");
    try {
      return { snapshot: snapshotOf(model, await cache.load(model)), nodes: model.card.nodes };
    } catch (error) {
      // Without the model the factors decide; without knowing which model it is, nothing may.
      if (error instanceof BrokenContentError) return fault(error.message);
      throw error;
    }
  };

  const read = async (id: OrganisationId, before: Known | undefined): Promise<Known> => {
    // The age counts from before the reads: what was changed after this moment may not be in the answer.
    const now = clock.now();
    const times = { goodUntil: now + ttlMs, renewAt: now + ttlMs / 2 };
    const { championId, shadowId } = await readRegistry(store, id);
    if (championId === null && shadowId === null) return { inForce: NONE, championId, shadowId, nodes: 0, retryAt: 0, ...times };
    if (before !== undefined && before.championId === championId && before.shadowId === shadowId && now < before.retryAt)
      return { ...before, ...times };
    // Those in memory are found there by their hash, so only the records are read again.
    const champion = await snapshot(id, championId);
    const shadow = await snapshot(id, shadowId);
    const faulty = (championId !== null && champion === undefined) || (shadowId !== null && shadow === undefined);
    return {
      inForce: { champion: champion?.snapshot, shadow: shadow?.snapshot },
      championId,
      shadowId,
      nodes: (champion?.nodes ?? 0) + (shadow?.nodes ?? 0),
      retryAt: faulty ? now + RETRY_FAULT_MS : Number.POSITIVE_INFINITY,
      ...times,
    };
  };

  const drop = (id: OrganisationId): void => {
    nodes -= known.get(id)?.nodes ?? 0;
    known.delete(id);
  };

  const keep = (id: OrganisationId, fresh: Known): void => {
    drop(id);
    known.set(id, fresh);
    nodes += fresh.nodes;
    // Those read longest ago go first; an organisation larger than the bound still has its own.
    for (const oldest of known.keys()) {
      if ((known.size <= maxOrganisations && nodes <= maxNodes) || oldest === id) break;
      drop(oldest);
    }
  };

  const renew = (id: OrganisationId): Promise<ModelsInForce> => {
    const shared = reads.get(id);
    if (shared !== undefined) return shared;
    if (reads.size >= maxReads) return Promise.reject(new StoreUnavailableError("the models of too many organisations are being read"));
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

  return {
    of(id) {
      const found = known.get(id);
      const now = clock.now();
      if (found === undefined || !isGood(found.goodUntil, ttlMs, now)) return renew(id);
      // What fails now is tried again by the next payment, at the latest when nothing good is known any more.
      if (now >= found.renewAt && reads.size < maxReads) renew(id).catch(() => undefined);
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
