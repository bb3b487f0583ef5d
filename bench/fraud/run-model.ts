import {
  createScorer,
  logLoss,
  type Model,
  type ModelFeature,
  modelText,
  precisionRecall,
  reliability,
  takeRows,
  type TrainOptions,
  trainModel,
} from "#model/index.ts";
import { evaluate, type Scores, type Week } from "./protocol.ts";
import { DATA_START, type Payments } from "./read-data.ts";

/** Features of every payment, column by column. */
export interface FeatureColumns {
  readonly features: readonly ModelFeature[];
  readonly columns: readonly Float64Array[];
  /** What computing them cost, a payment. */
  readonly microsecondsEach: number;
}

/** One row of figures. */
export interface Result extends Scores {
  readonly name: string;
  readonly conditions: Readonly<Record<string, string | number | boolean>>;
}

/** What the pictures are drawn from. */
export interface Curves {
  readonly model?: Model;
  readonly precisionRecall: ReturnType<typeof precisionRecall>;
  readonly reliability: ReturnType<typeof reliability>;
}

const REVIEW_ABOVE = 0.8;
const RELIABILITY_BINS = 10;
const TIMED_ROWS = 20_000;
const EXPLAINED_ROWS = 200;

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));

/** Mean microseconds of `work` a row, after one round to warm up. */
function timed(rows: readonly Float64Array[], work: (row: Float64Array) => unknown): number {
  for (const row of rows) work(row);
  const started = performance.now();
  for (const row of rows) work(row);
  return ((performance.now() - started) * 1000) / Math.max(rows.length, 1);
}

/** Trains on the training week, scores the test week. */
export function runModel(
  name: string,
  payments: Payments,
  week: Week,
  given: FeatureColumns,
  options: TrainOptions,
): { readonly result: Result; readonly curves: Curves } {
  const { features, columns } = given;
  const times = payments.seconds.map((seconds) => DATA_START + seconds * 1000);
  const all = { columns, labels: payments.frauds, times };
  const started = performance.now();
  const trained = trainModel({ features, dataset: takeRows(all, week.train), options });
  const trainSeconds = (performance.now() - started) / 1000;
  if (!trained.ok) throw new Error(`training was refused: ${trained.param ?? ""} ${trained.detail ?? ""}`);
  const { model } = trained;

  const scorer = createScorer(model);
  const vectors = Array.from(week.test, (row) => Float64Array.from(columns, (column) => column[row] as number));
  const margins = Float64Array.from(vectors, (vector) => scorer.margin(vector));
  const probabilities = Float64Array.from(vectors, (vector) => scorer.probability(vector));
  const labels = Uint8Array.from(week.test, (row) => payments.frauds[row] as number);
  const above = probabilities.reduce((count, p) => count + Number(p > REVIEW_ABOVE), 0);
  const caught = probabilities.reduce((count, p, i) => count + (p > REVIEW_ABOVE ? (labels[i] as number) : 0), 0);
  const text = modelText(model);
  return {
    result: {
      name,
      ...evaluate(payments, week.test, margins),
      conditions: {
        features: features.length,
        train_rows: week.train.length,
        test_rows: week.test.length,
        test_frauds: labels.reduce((sum, label) => sum + label, 0),
        trees: model.trees.length,
        calibration: model.calibration.kind,
        log_loss: rounded(logLoss(labels, probabilities), 5),
        above_0_8: above,
        frauds_above_0_8: caught,
        train_seconds: rounded(trainSeconds, 2),
        feature_us_each: rounded(given.microsecondsEach, 2),
        score_us_each: rounded(
          timed(vectors.slice(0, TIMED_ROWS), (vector) => scorer.probability(vector)),
          2,
        ),
        explain_us_each: rounded(
          timed(vectors.slice(0, EXPLAINED_ROWS), (vector) => scorer.explain(vector)),
          1,
        ),
        model_bytes: Buffer.byteLength(text.text),
        model_hash: text.hash,
        seed: options.seed,
      },
    },
    curves: {
      model,
      precisionRecall: precisionRecall(labels, margins),
      reliability: reliability(labels, probabilities, RELIABILITY_BINS),
    },
  };
}
