import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { seededRandom, testClock } from "#test/support/builders.ts";
import type { CommitResult, Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { change } from "./command.ts";
import type { Command } from "./command.ts";
import { createCommitQueue } from "./queue.ts";
import { adding, counters, refusing, turns } from "./test-kit.ts";

const LIMIT = 3;
const HOT = { hash: "hot" };

/** Adds an amount to the one counter, or is refused: a refusal rests on what was decided before as much as an addition does. */
function moving(amount: number, key: string, request: number): Command {
  const inner = adding([HOT.hash], { key });
  return {
    ...inner,
    actor: { ...inner.actor, requestId: `req_${request}` },
    decide(view, at) {
      const { value, version } = view.get(counters, HOT) ?? { value: 0, version: 0 };
      const body = JSON.stringify(value);
      if (value + amount > LIMIT) return { reply: { status: 422, body }, changes: [], events: [] };
      const after = { id: HOT.hash, value: value + amount, version: version + 1 };
      return { ...inner.decide(view, at), reply: { status: 201, body }, changes: [change(counters, after)] };
    },
  };
}

type Fault = "none" | "unavailable" | "written" | "unwritten";
const fault = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Fault>("none") },
  { weight: 3, arbitrary: fc.constantFrom<Fault>("unavailable", "written", "unwritten") },
);
const asked = fc.record({ key: fc.nat(14), wait: fc.nat(6), amount: fc.integer({ min: -LIMIT, max: LIMIT }) });

/** Does one commit after the other, in the order in which they are handed in, with what befalls each. */
function faulty(inner: Store, faults: Fault[], delays: number[]): Store {
  let before: Promise<unknown> = Promise.resolve();
  const carryOut = async (apply: () => Promise<CommitResult>): Promise<CommitResult> => {
    const met = faults.shift() ?? "none";
    await turns(delays.shift() ?? 1);
    if (met === "unavailable") return { outcome: "unavailable", cause: met };
    const result = met === "unwritten" ? undefined : await apply();
    return met === "none" && result !== undefined ? result : { outcome: "unknown", cause: met };
  };
  return {
    ...inner,
    commit(writes) {
      const running = before.then(() => carryOut(() => inner.commit(writes)));
      before = running;
      return running;
    },
  };
}

void it("on an ordered store nothing rests on what did not happen, whatever fails and is repeated", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(asked, { minLength: 5, maxLength: 50, size: "max" }),
      fc.array(fault, { maxLength: 40, size: "max" }),
      fc.array(fc.nat(4), { maxLength: 60, size: "max" }),
      fc.constantFrom(6, 30),
      async (commands, faults, delays, writesPerCommit) => {
        const database = createMemoryDatabase();
        const inner = openMemoryStore(database, { limits: { ordered: true, commitsInFlight: 3, writesPerCommit } });
        const store = faulty(inner, faults, delays);
        const queue = createCommitQueue({ store, clock: testClock(), random: seededRandom(3) });
        // What a key asks for is always the same, as the fingerprint says.
        const amountOf = (key: number): number => commands.find((one) => one.key === key)?.amount ?? 0;
        const ended = [];
        for (const [n, { key, wait }] of commands.entries()) {
          const executed = queue.execute(moving(amountOf(key), `k${key}`, n));
          ended.push(executed.then((answer) => ({ key: `k${key}`, answer })));
          await turns(wait);
        }
        const answers = await Promise.all(ended);
        await queue.drain();

        const table = (name: string) => [...database.dump()].filter((entry) => entry.table === name).map(({ item }) => item);
        const kept = new Map(table("smartfinance-idempotency").map((item) => [item.id, item]));
        for (const { key, answer } of answers) {
          if (answer.ok) assert.equal(kept.get(key)?.body, answer.reply.body, "an answer given is the answer kept");
          const own = answers.filter((other) => other.key === key).map(({ answer: one }) => (one.ok ? "ok" : one.code));
          if (!own.includes("ok") && !own.includes("outcome_unknown")) assert.equal(kept.has(key), false, "nothing was done");
        }
        const done = [...kept.values()].filter(({ status }) => status === 201);
        assert.equal(table("smartfinance-audit-logs").length, done.length, "one event for one effect");
        const sum = done.reduce((total, { id }) => total + amountOf(Number(String(id).slice(1))), 0);
        assert.equal(Number(table("smartfinance-meta")[0]?.value ?? 0), sum, "what the counter says is what was answered");
        assert.deepEqual([queue.depth(), queue.load()], [0, 0]);
      },
    ),
    { numRuns: 150 },
  );
});

void it("on an ordered store no part of a request is done before the one before it, whatever they need and whatever fails", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom("a", "b", "refused"), { minLength: 3, maxLength: 30, size: "max" }),
      fc.array(fault, { maxLength: 30, size: "max" }),
      fc.array(fc.nat(4), { maxLength: 60, size: "max" }),
      fc.constantFrom(4, 5, 30),
      async (parts, faults, delays, writesPerCommit) => {
        const database = createMemoryDatabase();
        const inner = openMemoryStore(database, { limits: { ordered: true, commitsInFlight: 3, writesPerCommit } });
        const queue = createCommitQueue({ store: faulty(inner, faults, delays), clock: testClock(), random: seededRandom(3) });
        const partOf = (what: string, n: number): Command => ({
          ...(what === "refused" ? refusing(`p${n}`) : adding([what], { key: `p${n}` })),
          after: n === 0 ? undefined : `p${n - 1}`,
        });
        for (let sending = 0; sending < 40; sending++) {
          const answers = await Promise.all(parts.map((what, n) => queue.execute(partOf(what, n))));
          const kept = parts.filter((_, n) => database.read("smartfinance-idempotency", { hash: `p${n}` }) !== undefined).length;
          for (const n of parts.keys()) assert.equal(database.read("smartfinance-idempotency", { hash: `p${n}` }) !== undefined, n < kept);
          if (answers.every(({ ok }) => ok)) {
            assert.equal(kept, parts.length);
            return;
          }
        }
        assert.fail("the parts are never done");
      },
    ),
    { numRuns: 150 },
  );
});
