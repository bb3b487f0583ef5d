import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaultTrainOptions, modelCard } from "#model/index.ts";
import { machine } from "../machine.ts";
import { handbookColumns, handbookFeatures } from "./handbook-features.ts";
import { type Options, readOptions, type RowName, USAGE } from "./options.ts";
import { ownColumns } from "./own-features.ts";
import { drawImportance, drawLines, type Line } from "./picture.ts";
import { DAYS_NEEDED, splitWeek, type Week } from "./protocol.ts";
import { DATA_START, type Payments, readPayments, SECONDS_PER_DAY } from "./read-data.ts";
import { runFactors } from "./run-factors.ts";
import { type Curves, type FeatureColumns, type Result, runModel } from "./run-model.ts";
import { simulatedPayments } from "./simulated.ts";

const tell = (text: string): void => void process.stderr.write(`${text}\n`);
const dayText = (day: number): string => new Date(DATA_START + day * SECONDS_PER_DAY * 1000).toISOString().slice(0, 10);

/** AUC, average precision, card precision@100 as the handbook publishes them for this week. */
const PUBLISHED =
  "published for the handbook's features: random forest .867/.658/.287, XGBoost .862/.639/.273, logistic regression .871/.606/.291";

function sameColumns(payments: Payments): FeatureColumns {
  const started = performance.now();
  const columns = handbookColumns(payments);
  return { features: handbookFeatures, columns, microsecondsEach: ((performance.now() - started) * 1000) / payments.seconds.length };
}

function runRow(row: RowName, label: string, payments: Payments, week: Week, { seed, members }: Options) {
  const options = { ...defaultTrainOptions, seed, members };
  switch (row) {
    case "handbook_same_features":
      return runModel(label, payments, week, sameColumns(payments), options);
    case "handbook_own_features":
      return runModel(label, payments, week, ownColumns(payments, Uint32Array.from([...week.train, ...week.test])), options);
    case "handbook_five_factors":
      return runFactors(label, payments, week);
  }
}

function draw(directory: string, drawn: ReadonlyMap<string, Curves>): void {
  mkdirSync(directory, { recursive: true });
  const write = (name: string, text: string): void => writeFileSync(join(directory, name), text);
  const lines = (points: (curves: Curves) => Line["points"], dots: boolean, modelsOnly: boolean): Line[] =>
    [...drawn]
      .filter(([, { model }]) => model !== undefined || !modelsOnly)
      .map(([name, curves]) => ({ name, points: points(curves), dots }));
  const ranking = lines(({ precisionRecall }) => precisionRecall.map(({ precision, recall }) => [recall, precision]), false, false);
  const promises = lines(
    ({ reliability }) => reliability.map(({ meanProbability, fraudShare }) => [meanProbability, fraudShare]),
    true,
    true,
  );
  write("fraud-precision-recall.svg", drawLines("Precision against recall, test week", "recall", "precision", ranking, false));
  write(
    "fraud-calibration.svg",
    drawLines("What was promised against what came, test week", "calibrated probability", "share of frauds", promises, true),
  );
  const best = [...drawn].findLast(([, { model }]) => model !== undefined);
  if (best?.[1].model === undefined) return;
  write("fraud-importance.svg", drawImportance(`Share of gain by feature, ${best[0]}`, modelCard(best[1].model).features, 15));
}

function describe({ name, auc, average_precision, card_precision_100, conditions }: Result): string {
  const pairs = Object.entries(conditions).map(([key, value]) => `${key} ${String(value)}`);
  return `${name.padEnd(34)} AUC ${auc.toFixed(4)}  AP ${average_precision.toFixed(4)}  CP@100 ${card_precision_100.toFixed(4)}\n    ${pairs.join(", ")}\n`;
}

function main(args: readonly string[]): void {
  if (args.includes("--help")) {
    process.stdout.write(USAGE);
    return;
  }
  const options = readOptions(args);
  const read = readPayments(options.data);
  if (read === undefined) {
    const why = existsSync(options.data) ? "has no .csv or .csv.gz file" : "is not there";
    tell(`${options.data} ${why}: measuring on the project's own simulator instead; its figures compare with nothing published`);
  }
  const payments = read ?? simulatedPayments();
  const { from } = options;
  const lastDay = Math.floor((payments.seconds.at(-1) ?? 0) / SECONDS_PER_DAY);
  if (lastDay < from + DAYS_NEEDED - 1) throw new Error(`the data end ${dayText(lastDay)}, before the test week of ${dayText(from)} does`);
  const week = splitWeek(payments, from);
  const conditions = {
    data: read === undefined ? "simulated" : "handbook",
    train: `${dayText(from)}..${dayText(from + 6)}`,
    test: `${dayText(from + 14)}..${dayText(from + 20)}`,
    ...machine(),
  };
  const drawn = new Map<string, Curves>();
  for (const row of options.only) {
    const label = read === undefined ? `simulated_${row.replace("handbook_", "")}` : row;
    tell(`${label}: running`);
    const { result, curves } = runRow(row, label, payments, week, options);
    drawn.set(label, curves);
    const whole = { ...result, conditions: { ...result.conditions, ...conditions } };
    process.stdout.write(options.json ? `${JSON.stringify(whole)}\n` : describe(whole));
  }
  if (!options.json && read !== undefined) process.stdout.write(`${PUBLISHED}\n`);
  if (options.draw !== undefined) draw(options.draw, drawn);
}

try {
  main(process.argv.slice(2));
} catch (error) {
  tell(`bench:fraud: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
}
