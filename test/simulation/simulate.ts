import { createHash } from "node:crypto";
import { createMemoryDatabase, type MemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { Store, Write } from "#storage/port.ts";
import { stateHash } from "#storage/state-hash.ts";
import { createOrganisation } from "#bootstrap.ts";
import { createAnswerChecker } from "./answer-check.ts";
import { createClients } from "./clients.ts";
import { createCommitChecker } from "./commit-check.ts";
import { createDice } from "./dice.ts";
import { calm, drawWeather, type Weather } from "./faults.ts";
import { checkFeed, checkTenant, type FinalCheck } from "./final-check.ts";
import { mismatch } from "./journal.ts";
import { createKeptBodies } from "./kept-body.ts";
import { createSimulatedKms } from "./kms.ts";
import { createModel, REVIEW_LIFE_MS } from "./model.ts";
import { type Node, startNode } from "./node.ts";
import { observeDatabase } from "./observed-database.ts";
import type { HttpRequest, Tenant } from "./operations.ts";
import { createVirtualTime, type VirtualTime } from "./virtual-time.ts";

export interface SimulationOptions {
  readonly seed: number;
  /** How many commands the clients have in all. Default 150. */
  readonly commands?: number | undefined;
  /** How many API nodes run at a time; drawn from the seed where left out. */
  readonly nodes?: number | undefined;
  /** Planted bugs, to see that the checks find them. */
  readonly plant?: {
    readonly database?: (database: MemoryDatabase) => MemoryDatabase;
    readonly store?: (store: Store) => Store;
    readonly lie?: (body: string, request: HttpRequest) => string;
  };
  /** Turns of the event loop that count as quiet: for the test that the number does not matter. */
  readonly quietTurns?: number;
}

export interface SimulationResult {
  readonly seed: number;
  /** What was wrong; undefined when nothing was. */
  readonly failure: string | undefined;
  /** The last command that had been begun. */
  readonly step: number;
  /** SHA-256 over everything that happened: equal for equal seeds. */
  readonly traceHash: string;
  readonly commits: number;
  readonly answers: number;
  readonly crashes: number;
  readonly virtualMs: number;
  /** How often each kind of thing was seen. */
  readonly counts: ReadonlyMap<string, number>;
  /** Every commit that happened, in order, and the hash of the state they led to. */
  readonly history: readonly (readonly Write[])[];
  readonly stateHash: string;
}

const DEFAULT_COMMANDS = 150;
/** Virtual time within which everything has to end once the faults have stopped. */
const CALM_LIMIT_MS = 10 * 60 * 1000;
/** How long one run of all nodes over the expired reviews may take. */
const EXPIRY_PATIENCE_MS = 60_000;
const STORM_LIMIT_MS = 40 * 24 * 60 * 60 * 1000;

/** Runs one simulation. The same options give the same run, to the last byte. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  // Node ends a process over a rejected promise that nobody looks at: a fault of the store must never cause one.
  let rejected: unknown;
  const onRejection = (reason: unknown): void => {
    rejected ??= reason;
  };
  process.on("unhandledRejection", onRejection);
  const everyNode: Node[] = [];
  try {
    return await run(options, everyNode, () => {
      if (rejected !== undefined) mismatch(`a rejected promise that nobody looks at would have ended the process: ${String(rejected)}`);
    });
  } finally {
    process.off("unhandledRejection", onRejection);
    // Also those that crashed: many simulations in one process would otherwise fill its memory.
    await Promise.all(everyNode.map((node) => node.close()));
  }
}

async function run(options: SimulationOptions, everyNode: Node[], checkRejections: () => void): Promise<SimulationResult> {
  const { seed, commands = DEFAULT_COMMANDS, plant = {} } = options;
  const dice = createDice(seed, "world");
  const time = createVirtualTime(options.quietTurns);
  const began = time.now;
  const trace = createHash("sha256");
  let failure: string | undefined;
  const fail = (error: unknown): void => {
    failure ??= error instanceof Error ? (error.name === "Mismatch" ? error.message : (error.stack ?? error.message)) : String(error);
  };
  const guarded = (work: () => void): void => {
    try {
      if (failure === undefined) work();
    } catch (error) {
      fail(error);
    }
  };

  const model = createModel();
  const kms = createSimulatedKms(createDice(seed, "kms"));
  const bodies = createKeptBodies(createDice(seed, "reader"), (wrapped) => kms.plaintextOf(wrapped));
  const commits = createCommitChecker(model, bodies);
  const answers = createAnswerChecker(model, commits);
  const inner = plant.database?.(createMemoryDatabase()) ?? createMemoryDatabase();
  const told = new Set<string>();
  const database = observeDatabase(
    inner,
    (commit) => {
      time.touch();
      trace.update(`commit ${time.now} ${JSON.stringify(commit.writes)}\n`);
      guarded(() => commits.follow(commit));
    },
    (write) => guarded(() => mismatch("the database lost a write", undefined, write)),
  );

  let weather: Weather = calm;
  const stormy = drawWeather(dice);
  const limits = { commitsInFlight: dice.pick([1, 2, 4, 8]), batchChunk: dice.pick([2, 5, 14]) };
  const size = options.nodes ?? dice.between(1, 3);
  const nodes: Node[] = [];
  let started = 0;
  let crashes = 0;

  const start = async (): Promise<Node> => {
    started += 1;
    const name = `node-${started}`;
    const node = await startNode({
      name,
      time,
      database,
      dice: createDice(seed, name),
      kms,
      weather: () => weather,
      limits,
      offsetMs: dice.between(-stormy.skewMs, stormy.skewMs),
      onEvents: (ids) =>
        guarded(() => {
          for (const id of ids) {
            if (told.has(id)) mismatch("the audit log was told of an event twice", undefined, id);
            if (!commits.events.some((event) => event.event_id === id))
              mismatch("the audit log was told of what is not committed", undefined, id);
            told.add(id);
          }
        }),
      wrapStore: plant.store,
      lie: plant.lie,
    });
    nodes.push(node);
    everyNode.push(node);
    return node;
  };
  const crash = async (node: Node): Promise<void> => {
    crashes += 1;
    trace.update(`crash ${time.now} ${node.name}\n`);
    node.crash();
    nodes.splice(nodes.indexOf(node), 1);
    await start();
  };

  /** Lets time pass until the work has ended or something was found. */
  const drive = async (what: string, work: () => Promise<void>, limitMs: number): Promise<void> => {
    if (failure !== undefined) return;
    let ended = false;
    work()
      .catch(fail)
      .finally(() => {
        ended = true;
        time.touch();
      });
    const outcome = await time.run(() => {
      guarded(checkRejections);
      return ended || failure !== undefined;
    }, limitMs);
    if (outcome !== "done") fail(new Error(`${what} did not end: ${outcome} after ${Math.round(time.now - began)} virtual ms`));
  };

  const tenants: Tenant[] = [];
  const clients = createClients({
    dice: createDice(seed, "clients"),
    time,
    model,
    commits,
    answers,
    nodes,
    tenants,
    trace,
    fail,
    failed: () => failure !== undefined,
    crash: (node) => crash(node),
    weather: () => weather,
    // The database has its own, settled view of when clocks are: the model is asked with the true time.
  });

  for (let n = 0; n < size; n++) await start();
  await drive(
    "the setting up",
    async () => {
      const [first] = nodes;
      if (first === undefined) return;
      const setupDice = createDice(seed, "setup");
      for (const name of ["North Bank", "South Bank"]) {
        const { app, clock } = first;
        const store = openMemoryStore(database);
        const deps = { store, queue: app.queue, vault: app.vault, ids: app.ids, clock, random: setupDice };
        const made = await createOrganisation(deps, { name, environment: "test", rateLimitPerMinute: 10_000_000 });
        tenants.push({ id: made.organisationId, apiKey: made.apiKey, apiKeyId: made.apiKeyId });
      }
      await clients.setUp();
    },
    CALM_LIMIT_MS,
  );
  weather = stormy;
  await drive("the simulation", () => clients.work(commands), STORM_LIMIT_MS);
  // In the same weather: the time of every open review passes, and all nodes notice at once, twice.
  await drive(
    "the expiry of reviews",
    async () => {
      await time.sleep(REVIEW_LIFE_MS + 2 * stormy.skewMs);
      for (let round = 0; round < 2; round++) await patiently(time, nodes);
    },
    STORM_LIMIT_MS,
  );
  weather = calm;
  await drive("what was begun, after the faults stopped,", () => clients.finish(), CALM_LIMIT_MS);
  database.settle();
  await drive("the expiry of the last reviews", () => patiently(time, nodes), CALM_LIMIT_MS);
  guarded(() => {
    const left = model.reviews
      .all()
      .filter(({ createdAt, status }) => status === "open" && createdAt + REVIEW_LIFE_MS < time.now - stormy.skewMs);
    if (left.length > 0) mismatch("reviews whose time is over were left", [], left);
  });
  await drive("a probe of every account", () => clients.probe(), CALM_LIMIT_MS);
  await drive(
    "the queues",
    async () => {
      // What was sent in the storm may still be on its way: its operations keep the slowness they had then.
      while (nodes.some(({ open }) => open > 0)) await time.sleep(20);
      await Promise.all(nodes.map(({ app }) => app.queue.drain()));
      for (const { app, name } of nodes) if (app.queue.depth() !== 0) mismatch(`${name} still has work`, 0, app.queue.depth());
      answers.checkDenials();
    },
    CALM_LIMIT_MS,
  );
  const check: FinalCheck = {
    dice: createDice(seed, "final"),
    model,
    commits,
    ask: clients.ask,
    times: () => [Math.floor(time.now - stormy.skewMs) - 1, Math.floor(time.now + stormy.skewMs) + 1],
  };
  await drive(
    "the final reading",
    async () => {
      for (const tenant of tenants) await checkTenant(check, tenant);
      await checkFeed(check, openMemoryStore(database));
    },
    CALM_LIMIT_MS,
  );

  const hash = failure === undefined ? await stateHash(database.dump()) : "";
  if (failure === undefined) await replay(commits.history, openMemoryStore(createMemoryDatabase()), hash).catch(fail);
  return {
    seed,
    failure,
    step: clients.begun,
    traceHash: trace.digest("hex"),
    commits: commits.commits,
    answers: clients.answered,
    crashes,
    virtualMs: Math.round(time.now - began),
    counts: commits.counts,
    history: commits.history,
    stateHash: hash,
  };
}

/** Has every node look for expired reviews, and waits as long as any can be expected to take. */
async function patiently(time: VirtualTime, nodes: readonly Node[]): Promise<void> {
  const working = Promise.all(nodes.map(({ app }) => app.reviewExpiry.work()));
  // A node whose store never answers does not end either.
  await Promise.race([working, time.sleep(EXPIRY_PATIENCE_MS)]);
}

/** The same history leads to the same state: applies recorded commits to an empty store and compares. */
export async function replay(
  history: readonly (readonly Write[])[],
  store: Store & { dump(): Parameters<typeof stateHash>[0] },
  expected: string,
): Promise<void> {
  for (const [n, writes] of history.entries()) {
    const result = await store.commit(writes);
    if (result.outcome !== "committed") mismatch(`commit ${n + 1} could not be repeated on another store`, "committed", result.outcome);
  }
  const got = await stateHash(store.dump());
  if (got !== expected) mismatch("the same history led to another state", expected, got);
}
