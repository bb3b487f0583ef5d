import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createFeatureStream, labelledVectors } from "#features/index.ts";
import { simulateFraud } from "#fraud-simulator/index.ts";
import { parseTimestamp, systemClock } from "#kernel/clock.ts";
import { isId } from "#kernel/ids.ts";
import { createRows, MODEL_FEATURES, readModelText, visitPast } from "#learning/index.ts";
import type { Dataset } from "#model/index.ts";
import { defaultTrainOptions, modelCardMarkdown, trainInWorker } from "#model/index.ts";
import { quantise } from "#risk/index.ts";
import { openSqliteReadOnly } from "#storage/sqlite/index.ts";
import { programOptions } from "./program-options.ts";

/*
 * Trains a fraud model beside the product and writes its file and its card; POST /v1/risk/models/import takes the file. Ends with 0 when
 * there is a model, 1 when there is none.
 */

const USAGE = `npm run fraud:train -- one of
  --data <folder> --organisation <org_…>   the payments and labels in the SQLite file of a folder
  --simulate                               invented customers: shows how it works, and is of no use against real fraud
further:
  --out <folder>                where fraud-model.json and fraud-model.md are written (default: here)
  --from, --to <RFC 3339 time>  which payments; by default the newest 90 days older than the label delay (not with --simulate)
  --label-delay-days <n>        how long a fraud may take to be reported (default 7)
  --customers <n> --days <n>    how many are invented, for how long (default 800, 90)
  --seed, --rounds <n>          of the training, and of the inventing (default 1, ${defaultTrainOptions.rounds})
  --quiet                       no progress
`;

const DAY_MS = 86_400_000;
const MAX_ROWS = 1_000_000;
const PAGE_SIZE = 1_000;
const DEFAULT_DAYS = 90;
/** The first day of what is invented. */
const INVENTED_FROM = Date.UTC(2026, 0, 1);

const values = programOptions(USAGE, {
  data: { type: "string" },
  organisation: { type: "string" },
  simulate: { type: "boolean" },
  out: { type: "string", default: "." },
  from: { type: "string" },
  to: { type: "string" },
  "label-delay-days": { type: "string", default: "7" },
  customers: { type: "string", default: "800" },
  days: { type: "string", default: "90" },
  seed: { type: "string", default: "1" },
  rounds: { type: "string", default: String(defaultTrainOptions.rounds) },
  quiet: { type: "boolean" },
});

try {
  await run();
} catch (error) {
  process.stderr.write(`fraud:train: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function run(): Promise<void> {
  if ((values.data === undefined) === (values.simulate !== true)) throw new Error(`\n${USAGE}`);
  const labelDelayDays = integer("label-delay-days", 0, 90);
  const dataset = values.data === undefined ? invented(labelDelayDays) : await kept(values.data, labelDelayDays);
  const frauds = dataset.labels.reduce((sum, label) => sum + label, 0);
  tell(`${dataset.labels.length} payments, ${frauds} of them fraud`);
  if (frauds === 0) throw new Error("no payment of the window that can be learnt from is labelled as fraud");
  const options = { ...defaultTrainOptions, seed: integer("seed", 0, Number.MAX_SAFE_INTEGER), rounds: integer("rounds", 1, 1_000) };
  let told = 0;
  const outcome = await trainInWorker(
    { features: MODEL_FEATURES, dataset, options },
    {
      onProgress({ phase, round, rounds }) {
        if (round - told >= 50 || round < told) tell(`${phase}: tree ${round} of ${rounds} at most`);
        if (round - told >= 50 || round < told) told = round;
      },
    },
  );
  if (!outcome.ok) throw new Error("reason" in outcome ? outcome.reason : `${outcome.param ?? ""} ${outcome.detail ?? outcome.code}`);
  const made = readModelText({ kind: "smartfinance", text: outcome.text, features: {} });
  if (!made.ok || made.card === undefined) throw new Error("the model made cannot be read again");
  mkdirSync(values.out, { recursive: true });
  const file = join(values.out, "fraud-model.json");
  writeFileSync(file, made.text);
  writeFileSync(join(values.out, "fraud-model.md"), modelCardMarkdown(made.card));
  process.stdout.write(`${file} ${made.hash}\n`);
}

/** The payments and labels of an organisation, as its decisions saw them. */
async function kept(folder: string, labelDelayDays: number): Promise<Dataset> {
  const organisationId = values.organisation;
  if (!isId("organisation", organisationId)) throw new Error("--data needs --organisation with the organisation's id");
  const latest = systemClock.now() - labelDelayDays * DAY_MS;
  const to = time("to") ?? latest;
  if (to > latest) throw new Error(`--to must be ${labelDelayDays} days ago at least, as --label-delay-days says`);
  const from = time("from") ?? to - DEFAULT_DAYS * DAY_MS;
  const rows = createRows(MODEL_FEATURES.length);
  const store = openSqliteReadOnly(join(folder, "smartfinance.db"));
  try {
    const reader = { store, sleep: async () => {}, pageSize: PAGE_SIZE };
    await visitPast(reader, { organisationId, from, to, maxRows: MAX_ROWS }, rows.add, ({ examined }, part) => {
      tell(`part ${part + 1}: ${examined} payments so far`);
      return true;
    });
  } finally {
    await store.close();
  }
  return rows.dataset();
}

/** Payments of an invented population, with what would have been known of them by the end. */
function invented(labelDelayDays: number): Dataset {
  const days = integer("days", 1, 730);
  const customers = integer("customers", 1, 100_000);
  const until = INVENTED_FROM + days * DAY_MS;
  const history = simulateFraud({
    seed: integer("seed", 0, Number.MAX_SAFE_INTEGER),
    customers,
    payees: Math.max(10, Math.ceil(customers / 4)),
    days,
    startAt: INVENTED_FROM,
  });
  const rows = createRows(MODEL_FEATURES.length);
  let count = 0;
  for (const { entry, vector } of labelledVectors(createFeatureStream(), history)) {
    const { payment, label } = entry;
    if (payment.at >= until - labelDelayDays * DAY_MS) break;
    count += 1;
    if (count > MAX_ROWS) throw new Error(`more than ${MAX_ROWS} payments are too many; fewer --customers or --days make fewer`);
    rows.add({ vector: quantise(vector), fraud: label !== undefined && label.at < until, at: payment.at });
  }
  return rows.dataset();
}

type Named = "label-delay-days" | "customers" | "days" | "seed" | "rounds";

function integer(name: Named, least: number, most: number): number {
  const value = Number(values[name]);
  if (/^\d{1,16}$/.test(values[name]) && value >= least && value <= most) return value;
  throw new Error(`--${name} must be an integer from ${least} to ${most}`);
}

function time(name: "from" | "to"): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const ms = parseTimestamp(text);
  if (Number.isNaN(ms)) throw new Error(`--${name} must be an RFC 3339 time`);
  return ms;
}

function tell(text: string): void {
  if (values.quiet !== true) process.stderr.write(`${text}\n`);
}
