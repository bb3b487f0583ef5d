import { invariant } from "#kernel/assert.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import { type BinnedFeature, binDataset } from "./bins.ts";
import { baseMargin, boost } from "./boost.ts";
import { type Calibration, calibrated, chooseCalibration } from "./calibration.ts";
import { checkDataset, type Dataset, type ModelFeature, rowsByTime, takeRows } from "./dataset.ts";
import { createTreeGrower } from "./grow-tree.ts";
import type { Model } from "./model.ts";
import { logLoss } from "./probability-metrics.ts";
import { averagePrecision, rocAuc } from "./rank-metrics.ts";
import { checkForestSize } from "./check-tree.ts";
import { orRefusal } from "./read-json.ts";
import { checkTrainOptions, type TrainOptions } from "./train-options.ts";
import { LEAF, scaleTree, type Tree } from "./tree.ts";

export interface TrainInput {
  readonly features: readonly ModelFeature[];
  readonly dataset: Dataset;
  readonly options: TrainOptions;
}

/** How far a training is. */
export interface TrainProgress {
  readonly phase: "search" | "refit";
  readonly member: number;
  readonly members: number;
  /** Trees of this member so far, and at most. */
  readonly round: number;
  readonly rounds: number;
  /** Log loss on the held-back rows; null while refitting. */
  readonly loss: number | null;
}

/** Rows beyond this would not fit in memory beside the store. */
export const TRAIN_ROWS_MAX = 5_000_000;

interface Searched {
  readonly trees: readonly Tree[];
  readonly margins: Float64Array;
}

type Tell = (progress: TrainProgress) => void;

/** One member on the earlier rows, cut off where the later rows' loss was least. */
function searchMember(
  train: Dataset,
  bins: readonly BinnedFeature[],
  held: Dataset,
  options: TrainOptions,
  member: number,
  tell: Tell,
): Searched {
  const { rounds, patience, members } = options;
  const base = baseMargin(train.labels, options.positiveWeight);
  const margins = new Float64Array(held.labels.length).fill(base);
  let best = { loss: Number.POSITIVE_INFINITY, count: 0, margins: margins.slice() };
  const onTree = (tree: Tree, round: number): boolean => {
    addTree(tree, held, margins);
    // Class weights shift every margin alike; the shift is taken back so that the loss is that of the true shares.
    const loss = weightedLoss(held.labels, margins, options.positiveWeight);
    if (loss < best.loss) best = { loss, count: round + 1, margins: margins.slice() };
    tell({ phase: "search", member, members, round: round + 1, rounds, loss });
    return round + 1 - best.count < patience;
  };
  const trees = boost({ features: bins, labels: train.labels, base, options, member, rounds, onTree }, createTreeGrower(bins));
  return { trees: trees.slice(0, best.count), margins: best.margins };
}

/** Adds what the tree says of every row to its margin. */
function addTree({ feature, value, left, right, defaultLeft }: Tree, { columns }: Dataset, margins: Float64Array): void {
  for (let row = 0; row < margins.length; row++) {
    let node = 0;
    let split = feature[0] as number;
    while (split !== LEAF) {
      const x = (columns[split] as Float64Array)[row] as number;
      const goesLeft = Number.isNaN(x) ? defaultLeft[node] === 1 : x < (value[node] as number);
      node = (goesLeft ? left[node] : right[node]) as number;
      split = feature[node] as number;
    }
    margins[row] = (margins[row] as number) + (value[node] as number);
  }
}

function weightedLoss(labels: Uint8Array, margins: Float64Array, positiveWeight: number): number {
  const shift = Math.log(positiveWeight);
  return logLoss(
    labels,
    margins.map((margin) => calibrated({ kind: "none" }, margin - shift)),
  );
}

function average(members: readonly Searched[]): Float64Array {
  const sum = new Float64Array((members[0] as Searched).margins.length);
  for (const { margins } of members)
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (margins[i] as number) / members.length;
  return sum;
}

function measure(held: Dataset, margins: Float64Array, calibration: Calibration): Record<string, number> {
  const probabilities = margins.map((margin) => calibrated(calibration, margin));
  return {
    validation_auc: rocAuc(held.labels, margins),
    validation_average_precision: averagePrecision(held.labels, margins),
    validation_log_loss: logLoss(held.labels, probabilities),
  };
}

const count = (labels: Uint8Array): number => labels.reduce((sum, label) => sum + label, 0);
const timestamp = (ms: number): string => new Date(ms).toISOString();

/**
 * Trains a model: the last part in time is held back, every member of the ensemble stops where its loss there is least,
 * the calibration is chosen there, and with `refit` every member is trained again on all rows with as many rounds. Pure:
 * the same input gives the same model, bit by bit. Refuses (`invalid_request`) options out of bounds, too many rows, and
 * data in which one of the labels is missing, earlier or later, and a result beyond the bounds of a model (fewer rounds, less depth).
 * @throws InvariantError when columns, labels and times do not fit together
 */
export function trainModel(input: TrainInput, tell: Tell = () => undefined): { readonly ok: true; readonly model: Model } | Refusal {
  const { features, dataset, options } = input;
  checkDataset(dataset);
  invariant(features.length === dataset.columns.length, "model: every column is a feature");
  const refused = checkTrainOptions(options);
  if (refused !== undefined) return refused;
  const total = dataset.labels.length;
  if (total > TRAIN_ROWS_MAX) return refuse("invalid_request", "rows", `at most ${TRAIN_ROWS_MAX} rows can be learnt from`);

  const order = rowsByTime(dataset);
  const split = Math.floor(total * (1 - options.validationShare));
  const train = takeRows(dataset, order.subarray(0, split));
  const held = takeRows(dataset, order.subarray(split));
  for (const part of [train, held]) {
    const positives = count(part.labels);
    if (positives === 0 || positives === part.labels.length) {
      return refuse("invalid_request", "labels", "both labels must occur in the earlier and in the later part of the rows");
    }
  }

  const members: Searched[] = [];
  const bins = binDataset(train, options.maxBins);
  for (let member = 0; member < options.members; member++) members.push(searchMember(train, bins, held, options, member, tell));
  const margins = average(members);
  const calibration = chooseCalibration(margins, held.labels, options.positiveWeight);
  const metrics = measure(held, margins, calibration);

  const learnt = options.refit ? refit(takeRows(dataset, order), members, options, tell) : undefined;
  const trees = learnt?.trees ?? members.flatMap((member) => member.trees.map((tree) => scaleTree(tree, 1 / options.members)));
  // What is learnt has to be readable and explained in time like what is brought along.
  const sized = orRefusal(() => checkForestSize(trees));
  if (!sized.ok) return sized;
  return {
    ok: true,
    model: {
      features,
      base: learnt?.base ?? baseMargin(train.labels, options.positiveWeight),
      trees,
      calibration,
      training: {
        source: "trained",
        from: timestamp(dataset.times[order[0] as number] as number),
        to: timestamp(dataset.times[order[total - 1] as number] as number),
        rows: total,
        positives: count(dataset.labels),
        options: { ...options, rounds_taken: members.map((member) => member.trees.length).join(",") },
      },
      metrics,
    },
  };
}

function refit(all: Dataset, members: readonly Searched[], options: TrainOptions, tell: Tell): { trees: Tree[]; base: number } {
  const features = binDataset(all, options.maxBins);
  const base = baseMargin(all.labels, options.positiveWeight);
  const grower = createTreeGrower(features);
  const trees = members.flatMap(({ trees: { length: rounds } }, member) => {
    const onTree = (_: Tree, round: number): boolean => {
      tell({ phase: "refit", member, members: members.length, round: round + 1, rounds, loss: null });
      return true;
    };
    return boost({ features, labels: all.labels, base, options, member, rounds, onTree }, grower);
  });
  return { trees: trees.map((tree) => scaleTree(tree, 1 / members.length)), base };
}
