import { type Refusal, refuse } from "#kernel/problems.ts";
import { BINS_MAX } from "./bins.ts";

/** How a model is trained. Every number is bounded, so training is. */
export interface TrainOptions {
  /** Trees of each member at most; early stopping may take fewer. */
  readonly rounds: number;
  readonly learningRate: number;
  readonly maxDepth: number;
  readonly maxLeaves: number;
  readonly l2: number;
  /** The least sum of second derivatives on either side of a split. */
  readonly minChildWeight: number;
  readonly minSplitGain: number;
  /** Share of the rows, and of the features, that each tree sees. */
  readonly rowSample: number;
  readonly columnSample: number;
  /** What one fraud weighs against one honest payment. */
  readonly positiveWeight: number;
  readonly maxBins: number;
  /** Members of the ensemble, each with a seed of its own; their margins are averaged. */
  readonly members: number;
  readonly seed: number;
  /** The last part in time, held back for early stopping and calibration. */
  readonly validationShare: number;
  /** Stop after so many rounds in which the validation loss did not fall. */
  readonly patience: number;
  /** Train once more on all rows, with as many rounds as were best. */
  readonly refit: boolean;
}

export const defaultTrainOptions: TrainOptions = {
  rounds: 400,
  learningRate: 0.03,
  maxDepth: 5,
  maxLeaves: 32,
  l2: 1,
  minChildWeight: 1,
  minSplitGain: 0,
  rowSample: 0.8,
  columnSample: 0.8,
  positiveWeight: 1,
  maxBins: 4096,
  members: 1,
  seed: 1,
  validationShare: 0.2,
  patience: 60,
  refit: true,
};

interface Bound {
  readonly least: number;
  readonly most: number;
  readonly whole?: boolean;
}

const bounds: Readonly<Record<Exclude<keyof TrainOptions, "refit">, Bound>> = {
  rounds: { least: 1, most: 1000, whole: true },
  learningRate: { least: 0.001, most: 1 },
  maxDepth: { least: 1, most: 12, whole: true },
  maxLeaves: { least: 2, most: 1024, whole: true },
  l2: { least: 0, most: 1e6 },
  minChildWeight: { least: 1e-6, most: 1e9 },
  minSplitGain: { least: 0, most: 1e9 },
  rowSample: { least: 0.05, most: 1 },
  columnSample: { least: 0.05, most: 1 },
  positiveWeight: { least: 1e-3, most: 1e4 },
  maxBins: { least: 2, most: BINS_MAX, whole: true },
  members: { least: 1, most: 50, whole: true },
  seed: { least: 0, most: Number.MAX_SAFE_INTEGER, whole: true },
  validationShare: { least: 0.05, most: 0.5 },
  patience: { least: 1, most: 1000, whole: true },
};

/** The most trees one model may have, over all members. */
export const TREES_MAX = 5000;

/** The refusal of the first option out of bounds (`invalid_request` with its name), or undefined when all are good. */
export function checkTrainOptions(options: TrainOptions): Refusal | undefined {
  for (const [name, { least, most, whole }] of Object.entries(bounds)) {
    const value = options[name as keyof typeof bounds];
    const good = value >= least && value <= most && (whole !== true || Number.isInteger(value));
    if (!good) return refuse("invalid_request", name, `must be ${whole === true ? "an integer " : ""}from ${least} to ${most}`);
  }
  if (options.members * options.rounds > TREES_MAX)
    return refuse("invalid_request", "members", `members x rounds must be at most ${TREES_MAX}`);
  return undefined;
}
