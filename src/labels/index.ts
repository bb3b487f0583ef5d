export { judged } from "./judge.ts";
export { labelIdOf, labelSources, labelValues, riskLabels } from "./label.ts";
export type { Judgement, LabelSource, LabelValue, RiskLabel } from "./label.ts";
export { type LabelQuery, labelsOf, listLabels } from "./read.ts";
export { labelRoutes } from "./routes.ts";
