import { FEATURES, FEATURES_HASH } from "#features/index.ts";
import { type Refusal, refuse } from "#kernel/problems.ts";
import type { Model } from "#model/index.ts";

/** The product's features as a model names them, in the order of the vector. */
export const MODEL_FEATURES = FEATURES.map(({ name, unit }) => ({ name, unit: unitText(unit) }));

/** Units of a model's features have a narrow alphabet. */
function unitText(unit: string): string {
  return unit.replaceAll(/[^A-Za-z0-9_%/\- ]/g, "_").slice(0, 40);
}

const places = new Map(MODEL_FEATURES.map(({ name }, index) => [name, index]));
/** The split of a leaf. */
const LEAF = -1;
/** Units that say nothing: formats without units have this one. */
const UNSAID = "imported";
export const FEATURES_HASH_OPTION = "features_hash";

/**
 * The same model over the product's own vector: what splits on a feature reads its place there. Refuses (`invalid_request`) a model
 * that reads something the product does not compute, or reads it in another unit.
 * @param mapping the product's name for a name of the model's, where they differ
 */
export function mapFeatures(
  model: Model,
  mapping: Readonly<Record<string, string>>,
): { readonly ok: true; readonly value: Model } | Refusal {
  const made = model.training.options[FEATURES_HASH_OPTION];
  if (made !== undefined && made !== FEATURES_HASH)
    return refuse("invalid_request", "content", "The model was made for other features than this version of the product computes.");
  const names = new Set(model.features.map(({ name }) => name));
  for (const name of Object.keys(mapping))
    if (!names.has(name)) return refuse("invalid_request", "features", `The model has no feature ${name}.`);
  const read = new Set<number>();
  for (const { feature } of model.trees) for (const split of feature) if (split !== LEAF) read.add(split);
  const to: number[] = [];
  const taken = new Set<number>();
  for (const [index, { name, unit }] of model.features.entries()) {
    const own = Object.hasOwn(mapping, name) ? mapping[name] : name;
    const place = own === undefined ? undefined : places.get(own);
    to.push(place ?? LEAF);
    // A column that no tree looks at need not be known.
    if (!read.has(index) && !Object.hasOwn(mapping, name)) continue;
    if (place === undefined)
      return refuse("invalid_request", "features", `There is no feature ${own ?? name}; map ${name} to one that there is.`);
    if (taken.has(place)) return refuse("invalid_request", "features", `Two features of the model are mapped to ${own ?? name}.`);
    taken.add(place);
    if (unit !== UNSAID && unit !== MODEL_FEATURES[place]?.unit)
      return refuse("invalid_request", "features", `${own ?? name} is in ${MODEL_FEATURES[place]?.unit ?? ""} here, not in ${unit}.`);
  }
  return {
    ok: true,
    value: {
      ...model,
      features: MODEL_FEATURES,
      trees: model.trees.map((tree) => ({ ...tree, feature: tree.feature.map((split) => (split === LEAF ? LEAF : (to[split] ?? LEAF))) })),
      training: { ...model.training, options: { ...model.training.options, [FEATURES_HASH_OPTION]: FEATURES_HASH } },
    },
  };
}
