import type { OrganisationId } from "#kernel/ids.ts";

/** What a model adds up to for one payment: a feature, and what it added to the log-odds (above 0 towards fraud). */
export interface ModelContribution {
  readonly feature: string;
  readonly contribution: number;
}

/** One version of a model, ready to score. Pure and synchronous: the same vector gives the same score for as long as it is kept. */
export interface ModelSnapshot {
  readonly id: string;
  /** `FEATURES_HASH` of the features it was trained on; it scores nothing else. */
  readonly featuresHash: string;
  /** The calibrated probability of fraud, 0 to 1. */
  score(vector: Float64Array): number;
  /** Exact Shapley values, largest first. Slower than a decision can bear: for readers. */
  explain(vector: Float64Array): readonly ModelContribution[];
}

export interface ModelsInForce {
  /** Decides in the place of the factors. */
  readonly champion: ModelSnapshot | undefined;
  /** Scores beside whatever decides, and changes nothing. `undefined` also while it is being read: no payment waits for it. */
  readonly shadow: ModelSnapshot | undefined;
}

export interface Models {
  /**
   * What an organisation has in force, at most some seconds old; synchronous when it is in memory. Rejects with
   * StoreUnavailableError: without knowing who decides, nothing must be decided.
   */
  of(organisationId: OrganisationId): ModelsInForce | Promise<ModelsInForce>;
  /** A version by its id, also one that is in force no more; `undefined` where it is not kept any longer. */
  find(organisationId: OrganisationId, id: string): ModelSnapshot | undefined | Promise<ModelSnapshot | undefined>;
}

const NONE: ModelsInForce = { champion: undefined, shadow: undefined };

/** The factors decide for everybody. */
export const noModels: Models = { of: () => NONE, find: () => undefined };
