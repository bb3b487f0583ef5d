import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Random, unitInterval } from "#kernel/random.ts";
import type { FeedCursor, Item, Store } from "../port.ts";
import { FEED_TABLE } from "../tables.ts";
import { READ_LIMIT } from "../validate-commit.ts";
import { account, distinct, drainUntil, event, eventId, putAbsent, putEvent, textOf } from "./harness.ts";

/**
 * Kills a process that commits as fast as it can with SIGKILL, opens its data again and looks whether
 * everything acknowledged is there and nothing is there by half. An engine writes two things:
 *
 * A child script (`<engine>-crash-child.ts`, beside its tests):
 * ```ts
 * import { commitUntilKilled } from "../conformance/crash.ts";
 *
 * const [path = "", first = ""] = process.argv.slice(2);
 * await commitUntilKilled(await openSqliteStore({ path }), Number(first));
 * ```
 * And a test:
 * ```ts
 * await crashRounds({
 *   script: new URL("./sqlite-crash-child.ts", import.meta.url),
 *   args: [path],
 *   rounds: 5,
 *   reopen: () => openSqliteStore({ path }),
 *   random: systemRandom(),
 * });
 * ```
 */
export interface CrashOptions {
  /** The child's script; its arguments are `args` and then the first number to commit. */
  readonly script: URL;
  readonly args: readonly string[];
  readonly rounds: number;
  /** Opens the data in this process after a kill; closed again before the next round. */
  readonly reopen: () => Promise<Store>;
  /** Where the moments of the kills come from. */
  readonly random: Random;
  /** The latest a child is killed after its first acknowledgement, in milliseconds. Default 250. */
  readonly maxMs?: number;
  /** How long the feed may lag, in milliseconds. Default 5,000. */
  readonly lagMs?: number;
}

export interface CrashReport {
  /** Commits that were acknowledged before a kill. */
  readonly acknowledged: number;
  /** Commits that were there after a kill without having been acknowledged. */
  readonly unacknowledged: number;
}

const LANES = 8;
const MAX_COMMITS = 1_000_000;
const FIRST_ANSWER_MS = 30_000;
const PARTITION = "crash";

/** Where a commit's event is, kept in its transaction. */
const eventKey = (audit: Item): string[] => [textOf(audit, "partition"), eventId(audit)];
const nameOf = (n: number): string => `crash_${String(n).padStart(9, "0")}`;

/**
 * The child's half: commits three items per number from `first` on, several commits in flight, and prints
 * each number once its commit is acknowledged. Does not return before it is killed.
 */
export async function commitUntilKilled(store: Store, first: number): Promise<void> {
  let next = first;
  const lane = async (): Promise<void> => {
    while (next < first + MAX_COMMITS) {
      const n = next++;
      const audit = event({ n });
      const result = await store.commit([
        putAbsent("smartfinance-accounts", account(nameOf(n), 1, { n })),
        putAbsent("smartfinance-transactions", { partition: PARTITION, id: nameOf(n), event: eventKey(audit) }),
        putEvent(audit),
      ]);
      assert.equal(result.outcome, "committed");
      // Waited for, so that no lane runs ahead of what it has told: the search after the kill relies on it.
      await new Promise<void>((resolve) => process.stdout.write(`${n}\n`, () => resolve()));
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

/** Runs the child once and kills it at a random moment; gives the numbers it acknowledged. */
async function killOnce(options: CrashOptions, first: number): Promise<number[]> {
  const child = spawn(process.execPath, [fileURLToPath(options.script), ...options.args, String(first)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  let killed = false;
  const kill = (): void => {
    killed = true;
    child.kill("SIGKILL");
  };
  const started = new Promise<void>((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
      resolve();
    });
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => resolve());
  });
  const patience = new AbortController();
  try {
    await Promise.race([started, ended, sleep(FIRST_ANSWER_MS, undefined, { signal: patience.signal })]);
    assert.ok(out !== "", `the child acknowledged nothing: ${err}`);
    await Promise.race([sleep(unitInterval(options.random) * (options.maxMs ?? 250)), ended]);
    assert.equal(child.exitCode, null, `the child ended by itself: ${err}`);
  } finally {
    patience.abort();
    kill();
  }
  await ended;
  assert.ok(killed && child.signalCode === "SIGKILL", `the child was not killed but ended: ${err}`);
  // A last line without its end was not acknowledged whole.
  return out.split("\n").slice(0, -1).map(Number);
}

/** The event ids of the commits among `first` to `last` that are there, by number; fails when one is there by half. */
async function findCommits(store: Store, first: number, last: number): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  for (let from = first; from <= last; from += READ_LIMIT) {
    const numbers = Array.from({ length: Math.min(READ_LIMIT, last - from + 1) }, (_, i) => from + i);
    const accounts = await store.getMany(numbers.map((n) => ({ table: "smartfinance-accounts", key: { hash: nameOf(n) } })));
    const transactions = await store.getMany(
      numbers.map((n) => ({ table: "smartfinance-transactions", key: { hash: PARTITION, range: nameOf(n) } })),
    );
    const there = numbers.flatMap((n, i) => {
      assert.equal(accounts[i] === undefined, transactions[i] === undefined, `commit ${n} is there by half`);
      const [hash, range] = (transactions[i]?.["event"] ?? []) as string[];
      return hash === undefined || range === undefined ? [] : [{ n, key: { hash, range } }];
    });
    const audits = await store.getMany(there.map(({ key }) => ({ table: FEED_TABLE, key })));
    for (const [i, { n, key }] of there.entries()) {
      assert.ok(audits[i] !== undefined, `commit ${n} is there by half`);
      found.set(n, key.range);
    }
  }
  return found;
}

/**
 * Kills, reopens and checks `rounds` times on the same data: every acknowledged commit is there, none by half,
 * the feed holds exactly the events of the commits that are there, in the order it had before, and goes on from
 * the cursor it gave before the kill.
 */
export async function crashRounds(options: CrashOptions): Promise<CrashReport> {
  const lagMs = options.lagMs ?? 5_000;
  const events = new Map<number, string>();
  const acknowledged = new Set<number>();
  let first = 1;
  let order: string[] = [];
  let cursor: FeedCursor | undefined;
  for (let round = 0; round < options.rounds; round++) {
    const numbers = await killOnce(options, first);
    for (const n of numbers) acknowledged.add(n);
    // Beyond the highest acknowledgement every lane may have had one commit running.
    const last = numbers.reduce((a, b) => Math.max(a, b), first) + 2 * LANES;
    const store = await options.reopen();
    try {
      // From the very first number: a kill must not undo an earlier round either.
      const found = await findCommits(store, 1, last);
      for (const n of acknowledged) assert.ok(found.has(n), `round ${round}: commit ${n} was acknowledged and is lost`);
      for (const [n, id] of events) assert.equal(found.get(n), id, `round ${round}: commit ${n} is no longer there`);
      for (const [n, id] of found) events.set(n, id);
      const all: Item[] = (await drainUntil(store, undefined, 500, events.values(), lagMs)).items;
      const now = distinct(all);
      assert.deepEqual(now.toSorted(), [...events.values()].toSorted(), `round ${round}: the feed is not what was committed`);
      assert.deepEqual(now.slice(0, order.length), order, `round ${round}: the feed has another order than before`);
      const news = now.slice(order.length);
      const resumed = await drainUntil(store, cursor, 500, news, lagMs);
      assert.deepEqual(distinct(resumed.items), news, `round ${round}: the feed does not go on from its old cursor`);
      order = now;
      ({ cursor } = resumed);
    } finally {
      await store.close();
    }
    first = last + 1;
  }
  return { acknowledged: acknowledged.size, unacknowledged: events.size - acknowledged.size };
}
