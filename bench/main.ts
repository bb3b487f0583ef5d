import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDynamoServer } from "../test/support/dynamodb-server.ts";
import { startServer, type StoreChoice } from "../test/crash/server-process.ts";
import type { Opening } from "../test/crash/verify-ledger.ts";
import { catchUp } from "./catch-up.ts";
import { copyData, createWorkDirectory, verifyData } from "./data.ts";
import { machine } from "./machine.ts";
import { describeProfiles, type Measured, measureRow, profileOptions, runScript } from "./measure-row.ts";
import { type Options, readOptions, USAGE, type WorkerRowName, workerRowNames } from "./options.ts";
import { drawResults } from "./picture.ts";
import { describeResult, rounded } from "./print.ts";
import { type LoadRow, loadRows, type Result } from "./rows.ts";
import type { SeedTask } from "./seed.ts";
import { measureSealing } from "./sealing-row.ts";
import { measureStartUp } from "./start-up.ts";
import { measureStreams } from "./stream-row.ts";
import { measureWebhooks } from "./webhook-row.ts";
import { workerResult } from "./worker-result.ts";

/** Above this many cores used by others, a row is marked as measured on a busy machine. */
const BUSY_ABOVE = 0.1;
const MS_BEFORE = 1_000;
const MOST_SEALING_SECONDS = 120;

const tell = (text: string): void => void process.stderr.write(`${text}\n`);

/** Seeded data, and the state that a row's fold begins with. */
interface Data {
  readonly store: StoreChoice;
  readonly dataDir: string;
  readonly seedDir: string;
  openings: ReadonlyMap<string, Opening>;
}

async function seedData(options: Options, store: StoreChoice, workDir: string): Promise<Data> {
  const dataDir = join(workDir, "seeded");
  const seedDir = join(workDir, "seed");
  mkdirSync(seedDir, { recursive: true });
  const { accounts } = options;
  tell(`seeding ${accounts} funded accounts`);
  const order: SeedTask = { dataDir, seedDir, store, accounts, users: Math.ceil(accounts / 2) };
  await runScript("./seed.ts", order);
  const report = await verifyData({ store, dataDir, seedDir });
  if (report.violations.length > 0) throw new Error(`the seeded data is wrong: ${report.violations.join("; ")}`);
  return { store, dataDir, seedDir, openings: report.closings };
}

function resultOf(row: LoadRow, options: Options, { load, shares }: Measured, violations: readonly string[]): Result {
  const reads = row.name.startsWith("read_");
  const others = shares?.others;
  return {
    name: row.variant === "" ? row.name : `${row.name}/${row.variant}`,
    value: load.perSecond,
    unit: reads ? "reads/s" : "transfers/s",
    p50_ms: load.p50,
    p95_ms: load.p95,
    p99_ms: load.p99,
    mean_ms: load.mean,
    max_ms: load.max,
    errors: load.errors,
    ...(load.errors === 0 ? {} : { error_statuses: load.errorStatuses }),
    counts: {
      requests: load.requests,
      limit_checked: load.limitChecked,
      ...(reads ? {} : { posted: load.posted, reviewed: load.reviewed, refused: load.refused, unanswered: load.unknown }),
    },
    conditions: {
      ...conditionsOf(options),
      connections: row.connections,
      ...(row.batch > 1 ? { transfers_per_request: row.batch, mode: "independent" } : {}),
      skew: row.name === "transfer_hot_account" ? "one payee" : row.zipf === 0 ? "uniform" : `zipf ${row.zipf}`,
      ...(reads ? {} : { metadata: true, context: true }),
      seconds: options.seconds,
      warm_up_seconds: options.warmUpSeconds,
      loop: "closed",
      ...(shares === undefined
        ? {}
        : {
            // What a busy machine changes least: compare this when the rate cannot be compared.
            server_cpu_us_each: Math.round((1e6 * shares.server) / Math.max(load.perSecond, 1)),
            server_cores: hundredths(shares.server),
            load_cores: hundredths(shares.load),
            // The DynamoDB server is one of the others, so there nothing can be told from it.
            [options.store === "sqlite" ? "other_cores" : "other_cores_and_dynamodb"]: hundredths(shares.others),
          }),
      ...(options.store === "sqlite" ? { busy_machine: others !== undefined && others > BUSY_ABOVE } : {}),
    },
    violations,
  };
}

const hundredths = (value: number): number => Math.round(value * 100) / 100;

function conditionsOf({ store, accounts }: Options): Result["conditions"] {
  return {
    store,
    durability: store === "sqlite" ? "WAL, synchronous=FULL, fsync before every answer" : "local server, fsync each commit",
    accounts,
    audit_log: "written to the null device",
    ...machine(),
    load_generator: "same machine, own process",
  };
}

/** One row on data of its own (SQLite) or on the shared data as the last row left it (DynamoDB). */
async function runRow(row: LoadRow, options: Options, data: Data, workDir: string): Promise<Result> {
  const label = row.variant === "" ? row.name : `${row.name}/${row.variant}`;
  const fresh = data.store.kind === "sqlite";
  const dataDir = fresh ? join(workDir, "row") : data.dataDir;
  const profiles = join(workDir, "profiles", label.replace("/", "-"));
  tell(`${label}: measuring`);
  if (fresh) copyData(data.dataDir, dataDir);
  const since = Date.now() - (fresh ? 0 : MS_BEFORE);
  const server = await startServer({
    store: data.store,
    dataDir,
    settings: { SMARTFINANCE_DEMO: "false" },
    nodeOptions: profileOptions(options, profiles),
  });
  const measured = await measureRow(row, options, server, data.seedDir, since.toString(36));
  await server.stop();
  tell(`${label}: verifying`);
  const { openings } = data;
  const report = await verifyData({ ...data, dataDir, since, openings });
  const violations = [...report.violations];
  const { posted, reviewed, unknown } = measured.load;
  const acknowledged = posted + reviewed;
  if (report.transactions < acknowledged || report.transactions > acknowledged + unknown)
    violations.push(`${acknowledged} transfers were acknowledged, ${unknown} not answered, ${report.transactions} are there`);
  if (fresh) rmSync(dataDir, { recursive: true, force: true });
  else data.openings = report.closings;
  if (options.profile) tell(describeProfiles(profiles));
  return resultOf(row, options, measured, violations);
}

/** One row of what runs behind the payments, on a copy of data. */
async function runWorkerRow(name: WorkerRowName, options: Options, from: string, seedDir: string, workDir: string): Promise<Result> {
  const dataDir = join(workDir, "row");
  const conditions = conditionsOf(options);
  const { seconds, warmUpSeconds } = options;
  const run = Date.now().toString(36);
  tell(`${name}: measuring`);
  copyData(from, dataDir);
  try {
    switch (name) {
      case "audit_sealing":
        return workerResult(await measureSealing(dataDir, seedDir, MOST_SEALING_SECONDS), conditions);
      case "webhook_deliveries":
        return workerResult(await measureWebhooks(dataDir, seedDir, seconds, run), { ...conditions, seconds });
      case "open_streams":
        return await measureStreams(dataDir, seedDir, { seconds, warmUpSeconds, run }, { ...conditions, seconds });
      default:
        return name satisfies never;
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function main(args: readonly string[]): Promise<void> {
  if (args[0] === "--draw") {
    const [, from, to] = args;
    if (from === undefined || to === undefined) throw new Error(USAGE);
    const rows = readFileSync(from, "utf8")
      .split("\n")
      .filter((line) => line.startsWith("{"));
    writeFileSync(to, drawResults(rows.map((line) => JSON.parse(line) as Result)));
    return;
  }
  if (args.includes("--help")) {
    process.stdout.write(USAGE);
    return;
  }
  const options = readOptions(args);
  const workDir = createWorkDirectory();
  const dynamo = options.store === "dynamodb" ? await startDynamoServer() : undefined;
  if (options.store === "dynamodb" && dynamo === undefined) throw new Error("there is no DynamoDB API server");
  const store: StoreChoice =
    dynamo === undefined ? { kind: "sqlite" } : { kind: "dynamodb", endpoint: dynamo.endpoint, tablePrefix: `bench-${process.pid}-` };
  let failed = false;
  const print = (result: Result): void => {
    process.stdout.write(options.json ? `${JSON.stringify(rounded(result))}\n` : describeResult(result));
    failed ||= result.violations.length > 0 || result.errors > 0;
  };
  try {
    const data = await seedData(options, store, workDir);
    const behind = join(workDir, "behind");
    if (options.only.includes("audit_sealing")) copyData(data.dataDir, behind);
    tell("letting the workers behind the payments catch up");
    await catchUp(data.store, data.dataDir, data.seedDir);
    for (const row of loadRows(options)) print(await runRow(row, options, data, workDir));
    if (options.only.includes("start_up")) {
      const conditions = conditionsOf(options);
      const existing = join(workDir, "start");
      tell("start_up: measuring");
      copyData(data.dataDir, existing);
      print(await measureStartUp(workDir, existing, conditions));
      print(await measureStartUp(workDir, undefined, conditions));
    }
    for (const name of workerRowNames)
      if (options.only.includes(name))
        print(await runWorkerRow(name, options, name === "audit_sealing" ? behind : data.dataDir, data.seedDir, workDir));
  } finally {
    await dynamo?.stop();
  }
  // Refusals and broken connections make the figures those of something else.
  if (failed) process.exitCode = 1;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  tell(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
}
