import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { seededRandom, testClock } from "#test/support/builders.ts";
import type { Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import type { Fault } from "#storage/memory/memory-store.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { Executed } from "./command.ts";
import { createCommitQueue } from "./queue.ts";
import { adding } from "./test-kit.ts";

const fault: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Fault>({ kind: "none" }) },
  {
    weight: 4,
    arbitrary: fc
      .constantFrom<Fault["kind"]>("throttled", "unavailable", "timeout_written", "timeout_unwritten")
      .map((kind): Fault => ({ kind })),
  },
  { weight: 2, arbitrary: fc.nat(12).map((laterBy): Fault => ({ kind: "timeout_written_later", laterBy })) },
  { weight: 2, arbitrary: fc.nat(40).map((beforeMs): Fault => ({ kind: "none", beforeMs })) },
);

const asked = fc.record({
  node: fc.nat(1),
  key: fc.nat(8),
  names: fc.uniqueArray(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 }),
  /** Whether to wait for the answer before the next command. */
  wait: fc.boolean(),
});

void describe("two nodes over one unreliable store", () => {
  void it("give every key at most one effect and one reply, and every command an end", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(asked, { maxLength: 25, size: "max" }),
        fc.array(fault, { maxLength: 60, size: "max" }),
        async (commands, faults) => {
          const database = createMemoryDatabase();
          const script = faults.slice();
          const clock = testClock();
          const queues = [1, 2].map((seed) => {
            const store = openMemoryStore(database, {
              clock,
              faults: () => script.shift() ?? { kind: "none" },
              limits: { writesPerCommit: 9 },
            });
            return createCommitQueue({ store, clock, random: seededRandom(seed) });
          });
          const ended: { key: string; executed: Promise<Executed> }[] = [];
          for (const { node, key, names, wait } of commands) {
            // What a key asks for is always the same, as the fingerprint says.
            const same = commands.find((other) => other.key === key)?.names ?? names;
            const executed = queues[node]?.execute(adding(same, { key: `k${key}` }));
            assert.ok(executed);
            ended.push({ key: `k${key}`, executed });
            if (wait) await executed;
          }
          const answers = await Promise.all(ended.map(async ({ key, executed }) => ({ key, executed: await executed })));
          database.settle();

          const table = (name: string) => [...database.dump()].filter((entry) => entry.table === name).map(({ item }) => item);
          const kept = new Map(table("smartfinance-idempotency").map((item) => [item.id, item]));
          for (const { key, executed } of answers) {
            if (executed.ok) assert.equal(kept.get(key)?.body, executed.reply.body, "an answer given is the answer kept");
          }
          for (const { key } of answers) {
            const own = answers.filter((answer) => answer.key === key).map(({ executed }) => (executed.ok ? "ok" : executed.code));
            if (!own.includes("ok") && !own.includes("outcome_unknown"))
              assert.equal(kept.has(key), false, `${own.join()}: nothing was done`);
          }
          assert.equal(table("smartfinance-audit-logs").length, kept.size, "one event for one effect");
          const touched = [...kept.values()].map(({ body }) => (JSON.parse(String(body)) as number[]).length);
          const values = table("smartfinance-meta").map(({ value }) => Number(value));
          const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
          assert.equal(sum(values), sum(touched), "what the counters say is what was answered");
          for (const queue of queues) assert.equal(queue.depth(), 0);
        },
      ),
      { numRuns: 200 },
    );
  });
});

for (const ordered of [true, false])
  void it(`a record that cannot be read, asked for again and again, keeps nobody else from being done${ordered ? ", in order" : ""}`, async () => {
    const database = createMemoryDatabase();
    const inner = openMemoryStore(database, { limits: { ordered, commitsInFlight: 4 } });
    const store: Store = {
      ...inner,
      async getMany(refs) {
        if (refs.some(({ key }) => key.hash === "damaged")) throw new SyntaxError("no JSON");
        return inner.getMany(refs);
      },
    };
    const queue = createCommitQueue({ store, clock: testClock(), random: seededRandom(1) });
    let asking = true;
    const hammering = Array.from({ length: 4 }, async () => {
      while (asking) await assert.rejects(queue.execute(adding(["damaged"])), /no JSON/);
    });
    const answers: Executed[] = [];
    for (let n = 1; n <= 20; n++) answers.push(await queue.execute(adding(["sound"])));
    asking = false;
    await Promise.all(hammering);
    assert.deepEqual(
      answers.map((answer) => (answer.ok ? answer.reply.body : answer.code)),
      answers.map((_, n) => `[${n + 1}]`),
    );
    assert.deepEqual([queue.depth(), queue.load()], [0, 0]);
  });
