import { type Refusal, refuse } from "#kernel/problems.ts";
import type { Model, ModelCard } from "#model/index.ts";
import { importXgboost, modelCard, modelText, parseModel } from "#model/index.ts";
import { mapFeatures } from "./map-features.ts";

/**
 * A model's text to be read. `kept`: as this room has kept it, nothing is changed. The others come from outside and are mapped to the
 * product's features.
 */
export type ReadJob =
  | { readonly kind: "kept"; readonly text: string }
  | { readonly kind: "xgboost" | "smartfinance"; readonly text: string; readonly features: Readonly<Record<string, string>> };

export interface ReadModel {
  readonly ok: true;
  readonly model: Model;
  /** The canonical text, by which it is kept. Empty for one that is kept already. */
  readonly text: string;
  readonly hash: string;
  readonly card: ModelCard | undefined;
}

/** Reads and checks a model. What is wrong with it is refused with its place; `content` comes before the place. Pure. */
export function readModelText(job: ReadJob): ReadModel | Refusal {
  if (job.kind === "kept") {
    const parsed = parseModel(job.text);
    return parsed.ok ? { ok: true, model: parsed.value.model, text: "", hash: parsed.value.hash, card: undefined } : parsed;
  }
  const parsed = parsedFrom(job.kind, job.text);
  if (!parsed.ok) return { ...parsed, param: "content", detail: `${parsed.param ?? "model"}: ${parsed.detail ?? parsed.code}` };
  const mapped = mapFeatures(parsed.model, job.features);
  if (!mapped.ok) return mapped;
  const { text, hash } = modelText(mapped.value);
  // What is written must be readable: the bounds of the format are narrower than those of an import.
  const again = parseModel(text);
  if (!again.ok) return refuse("invalid_request", "content", `${again.param ?? "model"}: ${again.detail ?? again.code}`);
  return { ok: true, model: again.value.model, text, hash, card: modelCard(again.value.model) };
}

function parsedFrom(kind: "xgboost" | "smartfinance", text: string): { readonly ok: true; readonly model: Model } | Refusal {
  if (kind === "xgboost") {
    const imported = importXgboost(text);
    return imported.ok ? { ok: true, model: imported.value } : imported;
  }
  const parsed = parseModel(text);
  return parsed.ok ? { ok: true, model: parsed.value.model } : parsed;
}
