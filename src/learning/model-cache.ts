import { invariant } from "#kernel/assert.ts";
import type { Scorer } from "#model/index.ts";
import { createScorer } from "#model/index.ts";
import type { Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { BrokenContentError, readContent } from "./content.ts";
import type { RiskModel } from "./model-record.ts";
import type { ModelReader } from "./read-in-worker.ts";

/** Models ready to score, in memory, by the hash of their content: organisations with the same model share one. */
export interface ModelCache {
  /** The model where it is in memory. */
  atHand(model: Pick<RiskModel, "hash">): Scorer | undefined;
  /**
   * @param waits who waits for it: those of payments are read first, in the order in which they were asked for.
   * @throws BrokenContentError when what is kept is not what was written; StoreUnavailableError.
   */
  load(model: Pick<RiskModel, "id" | "hash" | "pieces" | "card">, waits?: Waits): Promise<Scorer>;
}

export type Waits = "payment" | "reader";

export interface ModelCacheDeps {
  readonly store: Store;
  readonly read: ModelReader;
  /** Nodes of trees kept in memory, all models together; some 60 bytes each. Default 4,000,000. */
  readonly maxNodes?: number;
}

/**
 * Models being read at once. Each takes a thread with 40 MB at least, and has a minute for itself: when a node begins and hundreds of
 * organisations pay, all of them at once would take its memory, or so long that good models were taken for broken.
 */
const MAX_READING = 2;
/** Of these, those that no payment waits for: a payment finds a place at once, however long a shadow or an explanation takes. */
const MAX_READERS = 1;

export function createModelCache({ store, read, maxNodes = 4_000_000 }: ModelCacheDeps): ModelCache {
  invariant(maxNodes >= 1, "the bound of the models in memory is wrong");
  const known = new Map<string, { readonly scorer: Scorer; readonly nodes: number }>();
  const loading = new Map<string, { readonly id: string; readonly scorer: Promise<Scorer> }>();
  let nodes = 0;
  let reading = 0;
  /** Of those being read, the ones begun for readers. */
  let readers = 0;
  /** By hash, the one asked for first in front. */
  const lines: Readonly<Record<Waits, Map<string, (as: Waits) => void>>> = { payment: new Map(), reader: new Map() };

  /** Begins with the first in a line where it may. */
  const goOn = (waits: Waits): boolean => {
    const [first] = lines[waits];
    if (first === undefined || reading >= MAX_READING || (waits === "reader" && readers >= MAX_READERS)) return false;
    const [hash, go] = first;
    lines[waits].delete(hash);
    reading += 1;
    if (waits === "reader") readers += 1;
    go(waits);
    return true;
  };

  /** Runs `work` when it is its turn; then others have theirs. */
  const inTurn = async <T>(hash: string, waits: Waits, work: () => Promise<T>): Promise<T> => {
    const begun = await new Promise<Waits>((go) => {
      lines[waits].set(hash, go);
      goOn(waits);
    });
    try {
      return await work();
    } finally {
      reading -= 1;
      if (begun === "reader") readers -= 1;
      while (goOn("payment") || goOn("reader"));
    }
  };

  /** What a reader has asked for, a payment waits for now. */
  const putForward = (hash: string): void => {
    const go = lines.reader.get(hash);
    if (go === undefined) return;
    lines.reader.delete(hash);
    lines.payment.set(hash, go);
    // There may be a place that a reader may not have.
    goOn("payment");
  };

  const keep = (hash: string, scorer: Scorer, size: number): void => {
    known.set(hash, { scorer, nodes: size });
    nodes += size;
    // Those used longest ago go first; a model larger than the bound is kept while it is the only one.
    for (const [oldest, entry] of known) {
      if (nodes <= maxNodes || oldest === hash) break;
      known.delete(oldest);
      nodes -= entry.nodes;
    }
  };

  const load = async ({ id, hash, pieces, card }: Parameters<ModelCache["load"]>[0]): Promise<Scorer> => {
    const outcome = await read({ kind: "kept", text: await readContent(store, id, pieces) });
    if (!outcome.ok && outcome.code === "overloaded") throw new StoreUnavailableError("there is no thread in which a model could be read");
    if (!outcome.ok)
      throw new BrokenContentError(`the content of ${id} cannot be read: ${outcome.param ?? ""} ${outcome.detail ?? outcome.code}`);
    // The text names its own hash; what counts is the one that was written down when the model was made.
    if (outcome.hash !== hash) throw new BrokenContentError(`the content of ${id} is another one than was written`);
    const scorer = createScorer(outcome.model);
    keep(hash, scorer, card.nodes);
    return scorer;
  };

  const use = (hash: string): Scorer | undefined => {
    const found = known.get(hash);
    if (found === undefined) return undefined;
    known.delete(hash);
    known.set(hash, found);
    return found.scorer;
  };

  const loadShared: ModelCache["load"] = (model, waits = "reader") => {
    const { id, hash } = model;
    const found = use(hash);
    if (found !== undefined) return Promise.resolve(found);
    if (waits === "payment") putForward(hash);
    const shared = loading.get(hash);
    if (shared === undefined) {
      const scorer = inTurn(hash, waits, () => load(model)).finally(() => loading.delete(hash));
      loading.set(hash, { id, scorer });
      return scorer;
    }
    if (shared.id === id) return shared.scorer;
    // Another copy of the same content: that one cannot be read says nothing of this one.
    return shared.scorer.catch((error: unknown) => {
      if (error instanceof BrokenContentError) return loadShared(model, waits);
      throw error;
    });
  };

  return { atHand: ({ hash }) => use(hash), load: loadShared };
}
