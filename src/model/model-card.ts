import { calibrated } from "./calibration.ts";
import type { Model } from "./model.ts";
import { modelText } from "./model.ts";
import { depthOf, LEAF } from "./tree.ts";

export interface FeatureImportance {
  readonly name: string;
  readonly unit: string;
  /** The feature's share of what all splits gained; shares sum to one. */
  readonly share: number;
}

/** What somebody must know of a model who answers for it. */
export interface ModelCard {
  readonly hash: string;
  readonly bytes: number;
  readonly source: Model["training"]["source"];
  readonly from: string | null;
  readonly to: string | null;
  readonly rows: number;
  readonly positives: number;
  readonly trees: number;
  readonly nodes: number;
  readonly depth: number;
  readonly calibration: string;
  /** The margin above which the calibrated probability is above 0.8; null where none is. */
  readonly review_margin: number | null;
  readonly options: Model["training"]["options"];
  readonly metrics: Model["metrics"];
  readonly features: readonly FeatureImportance[];
}

/** How much of the trees' gain each feature brought, most first. Without any gain all shares are 0. */
export function featureImportance({ features, trees }: Model): FeatureImportance[] {
  const gains = new Float64Array(features.length);
  for (const { feature, gain } of trees) {
    for (const [node, split] of feature.entries()) if (split !== LEAF) gains[split] = (gains[split] as number) + (gain[node] as number);
  }
  const total = gains.reduce((sum, gain) => sum + gain, 0) || 1;
  return features
    .map(({ name, unit }, index) => ({ name, unit, share: (gains[index] as number) / total }))
    .sort((a, b) => b.share - a.share);
}

/** The least margin (to 1e-6) above which the probability exceeds `level`. */
function marginAbove(model: Model, level: number): number | null {
  let low = -50;
  let high = 50;
  if (calibrated(model.calibration, high) <= level) return null;
  while (high - low > 1e-6) {
    const middle = (low + high) / 2;
    if (calibrated(model.calibration, middle) > level) high = middle;
    else low = middle;
  }
  return Math.round(high * 1e6) / 1e6;
}

export function modelCard(model: Model): ModelCard {
  const { text, hash } = modelText(model);
  const { source, from, to, rows, positives, options } = model.training;
  return {
    hash,
    bytes: Buffer.byteLength(text),
    source,
    from,
    to,
    rows,
    positives,
    trees: model.trees.length,
    nodes: model.trees.reduce((sum, { feature }) => sum + feature.length, 0),
    depth: model.trees.reduce((deepest, tree) => Math.max(deepest, depthOf(tree)), 0),
    calibration: model.calibration.kind,
    review_margin: marginAbove(model, 0.8),
    options,
    metrics: model.metrics,
    features: featureImportance(model),
  };
}

const row = (...cells: readonly (string | number)[]): string => `| ${cells.join(" | ")} |`;

/** The card as a page of Markdown. */
export function modelCardMarkdown(card: ModelCard): string {
  const { metrics, features, options } = card;
  return [
    `# Model ${card.hash.slice(0, 12)}`,
    "",
    `Gradient-boosted trees (${card.source}): ${card.trees} trees, ${card.nodes} nodes, at most ${card.depth} deep, calibration ${card.calibration}.`,
    `SHA-256 ${card.hash}, ${card.bytes} bytes.`,
    "",
    `Learnt from ${card.rows} rows, ${card.positives} of them fraud, from ${card.from ?? "unknown"} to ${card.to ?? "unknown"}.`,
    "",
    row("metric", "value"),
    row("---", "---:"),
    ...Object.entries(metrics).map(([name, value]) => row(name, value.toFixed(4))),
    "",
    row("feature", "unit", "share of gain"),
    row("---", "---", "---:"),
    ...features.map(({ name, unit, share }) => row(name, unit, share.toFixed(4))),
    "",
    row("option", "value"),
    row("---", "---"),
    ...Object.entries(options).map(([name, value]) => row(name, String(value))),
    "",
  ].join("\n");
}
