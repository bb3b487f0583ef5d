import type { Working } from "#commit/index.ts";
import { type Refusal, refuse } from "#kernel/problems.ts";
import { piecesOf, pieces } from "./content.ts";
import type { RiskModel } from "./model-record.ts";
import { MAX_MODELS, riskModels } from "./model-record.ts";
import type { ModelRegistry } from "./registry.ts";
import { registries } from "./registry.ts";

/** What a new model is before it has a number. */
export type NewModel = Omit<RiskModel, "number" | "state" | "stateSince" | "promotedBy" | "evaluation" | "pieces" | "version">;

/** Writes a candidate with its content, all in the commit under way, or refuses (`limit_reached`). The registry is written with it. */
export function addModel(
  work: Working,
  registry: ModelRegistry,
  fresh: NewModel,
  packed: readonly string[],
): { readonly ok: true; readonly model: RiskModel } | Refusal {
  if (registry.lastNumber >= MAX_MODELS) return refuse("limit_reached", undefined, `At most ${MAX_MODELS} models.`);
  const model: RiskModel = {
    ...fresh,
    number: registry.lastNumber + 1,
    state: "candidate",
    stateSince: fresh.createdAt,
    promotedBy: null,
    evaluation: null,
    pieces: packed.length,
    version: 1,
  };
  work.put(riskModels, model);
  for (const piece of piecesOf(model.id, packed)) work.put(pieces, piece);
  work.put(registries, { ...registry, lastNumber: model.number, version: registry.version + 1 });
  return { ok: true, model };
}

/** What an audit event tells of a model. */
export function factsOf({ number, origin, hash, featuresHash }: Pick<RiskModel, "number" | "origin" | "hash" | "featuresHash">) {
  return { number, origin, sha256: hash, features_sha256: featuresHash };
}
