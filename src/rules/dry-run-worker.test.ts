import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, anAccount, aTransaction, EUR, keep, minor, ORG, seededRandom, testClock } from "#test/support/builders.ts";
import { createCommitQueue } from "#commit/index.ts";
import { FEATURES_VERSION } from "#features/index.ts";
import { createIds } from "#kernel/ids.ts";
import type { DryRunId, RuleSetId } from "#kernel/ids.ts";
import type { Transaction } from "#ledger/index.ts";
import { transactions } from "#ledger/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import type { Fault, Operation } from "#storage/memory/memory-store.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { activateRuleSet } from "./activate-rule-set.ts";
import { cancelDryRun, startDryRun } from "./change-dry-run.ts";
import { createRuleSet, updateRuleSet } from "./change-rule-set.ts";
import type { RulesDeps } from "./deps.ts";
import { readDryRun } from "./dry-run.ts";
import type { DryRun } from "./dry-run.ts";
import { createDryRunWorker } from "./dry-run-worker.ts";
import type { DryRunWorkerDeps } from "./dry-run-worker.ts";
import type { Rule } from "./rule.ts";
import { aRule, language } from "./test-kit.ts";

const DAY_MS = 86_400_000;

function bench() {
  const clock = testClock();
  const ids = createIds(clock, seededRandom(9));
  const database = createMemoryDatabase();
  const errors: unknown[] = [];
  const node = (faults: (operation: Operation) => Fault = () => ({ kind: "none" }), options: Partial<DryRunWorkerDeps> = {}) => {
    const store = openMemoryStore(database, { clock, faults });
    const queue = createCommitQueue({ store, clock, random: seededRandom(2) });
    const deps: RulesDeps = { store, queue, ids, clock, language, forget: () => undefined };
    const worker = createDryRunWorker({ ...deps, onError: (error) => errors.push(error), pageSize: 5, ...options });
    return { store, deps, worker };
  };
  const quiet = node();
  const asked = { actor: actorOf(), idempotency: undefined };
  const payer = anAccount();
  const payee = anAccount();
  const pay = (amount: number, at: number, fields: Partial<Transaction> = {}): Transaction => {
    clock.time = at;
    const assessment = { model: "factors-1", score: 9_000, factors: { velocity: 5_000 }, features: { payer_count_24h: amount, amount: 1 } };
    return aTransaction(payer, payee, [], {
      id: ids.next("transaction"),
      amount: minor(amount),
      currency: EUR,
      assessment,
      createdAt: at,
      ...fields,
    });
  };
  const start = async (rules: readonly Rule[], days = 30): Promise<DryRunId> => {
    const set = await createRuleSet(quiet.deps, asked, { rules });
    assert.ok(set.ok);
    const { id } = JSON.parse(set.reply.body) as { id: RuleSetId };
    const run = await startDryRun(quiet.deps, asked, id, days);
    assert.ok(run.ok && run.reply.status === 202, JSON.stringify(run));
    return (JSON.parse(run.reply.body) as { id: DryRunId }).id;
  };
  const read = async (id: DryRunId): Promise<DryRun> => {
    const run = await readDryRun(quiet.store, ORG, id);
    assert.ok(run);
    return run;
  };
  return {
    clock,
    node,
    quiet,
    pay,
    start,
    read,
    errors,
    asked,
    keepAll: (all: readonly Transaction[]) => keep(quiet.store, transactions, all),
  };
}

describe("a dry run", () => {
  it("looks at the assessed payments of its days, by what was stored of them", async () => {
    const { clock, quiet, pay, start, read, errors, keepAll } = bench();
    const now = clock.time;
    await keepAll([
      pay(50, now - 31 * DAY_MS),
      pay(200, now - 29 * DAY_MS),
      pay(300, now - DAY_MS, { status: "rejected", reviewId: "rev_x" as never }),
      pay(20, now - 1_000),
      pay(500, now - 1_000, { type: "deposit", assessment: null }),
    ]);
    clock.time = now;
    const id = await start([
      aRule({ name: "features", expression: "payer_count_24h > 100.0" }),
      aRule({ name: "score", expression: "score == 0.9 && factors.velocity == 0.5 && amount > 1" }),
    ]);
    await quiet.worker.work();
    const { status, tally } = await read(id);
    assert.deepEqual(errors, []);
    assert.deepEqual([status, tally.examined, tally.matched, tally.reviewed, tally.rejected], ["completed", 3, 3, 1, 1]);
    assert.deepEqual(
      tally.rules.map(({ rule, hits, failures, reviewed, rejected, amounts }) => [rule, hits, failures, reviewed, rejected, amounts]),
      [
        ["features", 2, 0, 1, 1, [{ currency: "EUR", amount: 500 }]],
        ["score", 3, 0, 1, 1, [{ currency: "EUR", amount: 520 }]],
      ],
    );
  });

  it("tells of rules over the circumstances that they fail, also where they ask whether something was told", async () => {
    const { clock, quiet, pay, start, read, keepAll } = bench();
    const now = clock.time;
    await keepAll([pay(50, now - 1_000)]);
    clock.time = now;
    const id = await start(
      [
        'has(context.country) && context.country == "AQ"',
        "!has(context.ip)",
        "has(context.ip)",
        "(has(context.ip) || flagged) == true",
        "amount > 10 || has(context.ip)",
      ].map((expression, n) => aRule({ name: `r${n}`, expression })),
    );
    await quiet.worker.work();
    const { tally } = await read(id);
    assert.deepEqual(
      tally.rules.map(({ rule, hits, failures }) => [rule, hits, failures]),
      [
        ["r0", 1, 1],
        ["r1", 1, 1],
        ["r2", 1, 1],
        ["r3", 1, 1],
        ["r4", 1, 0],
      ],
    );
  });

  it("looks at no captures, and calls turned down what a reviewer turned down and nothing else", async () => {
    const { clock, quiet, pay, start, read, keepAll } = bench();
    const now = clock.time;
    const because = (reason: string) => ({ model: "factors-1", score: 9_000, factors: {}, risk_reason: reason });
    const reviewId = "rev_x" as never;
    await keepAll([
      pay(10, now - 1_000, { type: "capture" }),
      pay(20, now - 1_000, { status: "rejected", reviewId, assessment: because("declined_security") }),
      pay(30, now - 1_000, { status: "rejected", reviewId, assessment: because("declined_expired") }),
      pay(40, now - 1_000, { status: "rejected", assessment: because("declined_authentication") }),
      pay(50, now - 1_000, { status: "rejected", assessment: because("declined_expired") }),
    ]);
    clock.time = now;
    const id = await start([aRule({ expression: "amount > 0" })]);
    await quiet.worker.work();
    const { tally } = await read(id);
    assert.deepEqual([tally.examined, tally.reviewed, tally.rejected, tally.rules[0]?.rejected], [4, 2, 1, 1]);
  });

  it("takes features that were declared otherwise under the same version for unknown, and comes to its end", async () => {
    const { clock, quiet, pay, start, read, errors, keepAll } = bench();
    const now = clock.time;
    const assessment = { model: "factors-1", score: 9_000, factors: {}, features: "AB", features_version: FEATURES_VERSION };
    await keepAll([pay(200, now - 1_000), pay(300, now - 1_000, { assessment })]);
    clock.time = now;
    const id = await start([aRule({ expression: "payer_count_24h > 100.0" })]);
    await quiet.worker.work();
    const { status, tally } = await read(id);
    assert.deepEqual([errors, status, tally.examined, tally.rules[0]?.failures], [[], "completed", 2, 1]);
  });

  it("fails when its draft was edited, though it was put in force since; being put in force alone is no change", async () => {
    for (const edited of [true, false]) {
      const { clock, quiet, pay, start, read, keepAll, asked } = bench();
      const now = clock.time;
      await keepAll([pay(200, now - 1_000)]);
      clock.time = now;
      const id = await start([aRule({ expression: "amount > 100" })]);
      const { ruleSetId } = await read(id);
      if (edited)
        assert.ok((await updateRuleSet(quiet.deps, asked, ruleSetId, { rules: [aRule({ expression: "amount > 999" })] }, undefined)).ok);
      const other = { ...asked, actor: { ...asked.actor, apiKeyId: "key_other" } };
      const active = await activateRuleSet(quiet.deps, other, ruleSetId, undefined);
      assert.ok(active.ok && active.reply.status === 200);
      await quiet.worker.work();
      const { status, reason, tally } = await read(id);
      const expected = edited ? ["failed", "The rule set was changed.", 0, 0] : ["completed", null, 1, 1];
      assert.deepEqual([status, reason, tally.examined, tally.matched], expected);
    }
  });

  it("lets others in between the few payments that dear rules are counted over at once", async () => {
    const { clock, node, pay, start, read, errors, keepAll } = bench();
    const now = clock.time;
    await keepAll(Array.from({ length: 640 }, (_, n) => pay(200, now - 1_000 - n)));
    clock.time = now;
    const dear = Array.from({ length: 90 }, (_, n) => aRule({ name: `r${n}`, expression: Array(40).fill("amount > 1").join("||") }));
    let breaths = 0;
    const counting = {
      ...clock,
      now: () => clock.now(),
      sleep: (ms: number) => {
        breaths += 1;
        return clock.sleep(ms);
      },
    };
    const id = await start(dear);
    await node(undefined, { clock: counting, pageSize: 200 }).worker.work();
    const { status, tally } = await read(id);
    assert.deepEqual([errors, status, tally.examined], [[], "completed", 640]);
    // Some four at once, where pages have twenty each.
    assert.ok(breaths > 640 / 6, String(breaths));
  });

  it("counts every payment once, whatever faults come between", async () => {
    const { clock, node, pay, start, read, errors, keepAll } = bench();
    const now = clock.time;
    await keepAll(Array.from({ length: 300 }, (_, n) => pay(n + 1, now - 1_000 - n)).reverse());
    clock.time = now;
    const id = await start([aRule({ expression: "amount > 0" })]);
    const dice = seededRandom(4);
    const faulty = node((operation) => {
      const often = operation === "commit" ? 3 : operation === "query" ? 8 : 0;
      return (dice.bytes(1)[0] ?? 0) < (often * 256) / 20
        ? { kind: operation === "commit" ? "timeout_written" : "unavailable" }
        : { kind: "none" };
    });
    for (let round = 0; round < 200 && (await read(id)).status === "running"; round++) {
      await faulty.worker.work();
      clock.time += 31_000;
    }
    const { status, tally } = await read(id);
    assert.ok(errors.length > 0, "faults came");
    assert.deepEqual([status, tally.examined, tally.rules[0]?.hits], ["completed", 300, 300]);
  });

  it("is bounded, and takes the newest of each part", async () => {
    const { clock, node, pay, start, read, keepAll } = bench();
    const now = clock.time;
    const all = Array.from({ length: 400 }, (_, n) => pay(n + 1, now - 100_000 + n * 100));
    await keepAll(all);
    clock.time = now;
    const id = await start([aRule({ expression: "amount > 200" })]);
    await node(undefined, { maxPayments: 160 }).worker.work();
    const { status, tally } = await read(id);
    assert.deepEqual([status, tally.examined], ["completed", 160]);
    assert.ok((tally.rules[0]?.hits ?? 0) > 120, "the newer half comes first");
  });

  it("hears a cancel, and leaves a run to whoever has it", async () => {
    const { clock, node, quiet, pay, start, read, keepAll, asked, errors } = bench();
    const now = clock.time;
    await keepAll(Array.from({ length: 200 }, (_, n) => pay(1, now - 1_000 - n)).reverse());
    clock.time = now;
    const id = await start([aRule({ expression: "amount > 0" })]);
    let queries = 0;
    const first = node((operation) => {
      queries += operation === "query" ? 1 : 0;
      return queries > 12 && operation === "query" ? { kind: "unavailable" } : { kind: "none" };
    });
    await first.worker.work();
    assert.equal(errors.length, 1);
    const { tally, worker } = await read(id);
    assert.ok(tally.examined > 0 && tally.examined < 200 && worker !== null);
    // The first is taken for alive: another one does not touch its run.
    await quiet.worker.work();
    assert.deepEqual((await read(id)).tally, tally);
    const canceled = await cancelDryRun(quiet.deps, asked, id);
    assert.ok(canceled.ok && canceled.reply.status === 200);
    queries = -1_000;
    await first.worker.work();
    const after = await read(id);
    assert.deepEqual([after.status, after.tally], ["canceled", tally]);
  });

  it("goes on from where it was stopped", async () => {
    const { clock, node, pay, start, read, keepAll } = bench();
    const now = clock.time;
    await keepAll(Array.from({ length: 200 }, (_, n) => pay(1, now - 1_000 - n)).reverse());
    clock.time = now;
    const id = await start([aRule({ expression: "amount > 0" })]);
    const first = node();
    const working = first.worker.work();
    assert.equal(first.worker.work(), working, "one run at a time");
    await clock.sleep(1);
    await first.worker.stop();
    await working;
    const { status, tally } = await read(id);
    assert.deepEqual([status, tally.examined < 200], ["running", true]);
    await first.worker.work();
    assert.equal((await read(id)).status, "running", "a stopped worker stays stopped");
    clock.time += 31_000;
    await node().worker.work();
    const done = await read(id);
    assert.deepEqual([done.status, done.tally.examined], ["completed", 200]);
  });

  it("goes on when its worker is gone and the clock was set back since", async () => {
    const { clock, node, pay, start, read, keepAll } = bench();
    const now = clock.time;
    await keepAll(Array.from({ length: 50 }, (_, n) => pay(1, now - 1_000 - n)).reverse());
    clock.time = now;
    const id = await start([aRule({ expression: "amount > 0" })]);
    const first = node();
    const working = first.worker.work();
    await clock.sleep(1);
    await first.worker.stop();
    await working;
    assert.equal((await read(id)).status, "running");
    clock.time -= 3_600_000;
    await node().worker.work();
    const done = await read(id);
    assert.deepEqual([done.status, done.tally.examined], ["completed", 50]);
  });
});
