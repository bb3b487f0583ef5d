import type { ModelTrainingId, OrganisationId, RiskModelId } from "#kernel/ids.ts";
import type { Collection, Key, Store, Versioned } from "#storage/index.ts";
import { MODELS_TABLE } from "./model-record.ts";

/** How many steps one can go back. */
export const MAX_FORMER = 10;

/** Which models of an organisation are in force, and what is counted once: the one record that changes of state meet at. `version` 0: nothing yet. */
export interface ModelRegistry extends Versioned {
  readonly organisationId: OrganisationId;
  /** The number of the newest model. */
  readonly lastNumber: number;
  /** Decides. Null: the factors do. */
  readonly championId: RiskModelId | null;
  /** What decided before, the latest first; null stands for the factors. */
  readonly formerIds: readonly (RiskModelId | null)[];
  readonly shadowId: RiskModelId | null;
  /** The training under way: one at a time. */
  readonly trainingId: ModelTrainingId | null;
}

export function emptyRegistry(organisationId: OrganisationId): ModelRegistry {
  return { organisationId, lastNumber: 0, championId: null, formerIds: [], shadowId: null, trainingId: null, version: 0 };
}

export function registryKey(organisationId: OrganisationId): Key {
  return { hash: organisationId };
}

export const registries: Collection<ModelRegistry> = {
  table: MODELS_TABLE,
  keyOf: ({ organisationId }) => registryKey(organisationId),
  // Without `organisation_id`, so that it is no model in the index of models.
  toItem: (registry) => ({
    id: registry.organisationId,
    last_number: registry.lastNumber,
    champion_id: registry.championId,
    former_ids: registry.formerIds,
    shadow_id: registry.shadowId,
    training_id: registry.trainingId,
    version: registry.version,
  }),
  fromItem: (item) => ({
    organisationId: item.id as OrganisationId,
    lastNumber: Number(item.last_number),
    championId: item.champion_id as RiskModelId | null,
    formerIds: item.former_ids as readonly (RiskModelId | null)[],
    shadowId: item.shadow_id as RiskModelId | null,
    trainingId: item.training_id as ModelTrainingId | null,
    version: Number(item.version),
  }),
};

/** Strongly consistent. */
export async function readRegistry(store: Store, organisationId: OrganisationId): Promise<ModelRegistry> {
  const item = await store.get(MODELS_TABLE, registryKey(organisationId));
  return item === undefined ? emptyRegistry(organisationId) : registries.fromItem(item);
}
