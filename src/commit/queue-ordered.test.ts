import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { change } from "./command.ts";
import type { Command } from "./command.ts";
import type { Executed } from "./queue.ts";
import type { Fate } from "./test-kit.ts";
import { adding, bench, counters, gate, turns } from "./test-kit.ts";

const ordered = { ordered: true, commitsInFlight: 3 } as const;

/** A commit that waits at the gate and then turns out not to have happened. */
const failsBehind =
  (first: ReturnType<typeof gate>): Fate =>
  () =>
    first.fate(async () => ({ outcome: "unavailable", cause: "disk full" }));

const valueOf = (executed: Executed): unknown => (executed.ok ? (JSON.parse(executed.reply.body) as unknown) : executed.code);

/** Adds `amount`, unless the sum would be above `limit`: then it is refused, which is kept under the key. */
function addingUpTo(name: string, amount: number, limit: number, key: string): Command {
  const inner = adding([name], { key });
  return {
    ...inner,
    decide(view, at) {
      const before = view.get(counters, { hash: name }) ?? { id: name, value: 0, version: 0 };
      if (before.value + amount > limit) return { reply: { status: 422, body: JSON.stringify(before.value) }, changes: [], events: [] };
      const after = { id: name, value: before.value + amount, version: before.version + 1 };
      return { ...inner.decide(view, at), reply: { status: 201, body: JSON.stringify(after.value) }, changes: [change(counters, after)] };
    },
  };
}

void describe("the commit queue over a store that keeps the order of commits", () => {
  void it("decides the next groups on what is in flight, and answers none before it is durable", async () => {
    const { queue, script, flying, commits } = bench({ limits: ordered });
    const gates = [gate(), gate(), gate()];
    script.push(...gates.map(({ fate }) => fate));
    const answers: unknown[] = [];
    const running: Promise<unknown>[] = [];
    for (let n = 1; n <= 3; n++) {
      running.push(queue.execute(adding(["hot"])).then((executed) => answers.push(valueOf(executed))));
      await turns(20);
      assert.equal(commits.length, n, "a commit flies though the record is in flight");
    }
    assert.equal(flying.most, 3);
    assert.deepEqual(answers, []);
    for (const each of gates) each.open();
    await Promise.all(running);
    assert.deepEqual(answers, [[1], [2], [3]]);
  });

  void it("decides anew, in order, what was decided on a commit that failed", async () => {
    const { queue, script } = bench({ limits: ordered });
    const first = gate();
    script.push(failsBehind(first));
    const failing = queue.execute(adding(["hot"]));
    await turns(20);
    const second = queue.execute(adding(["hot"]));
    await turns(20);
    const third = queue.execute(adding(["hot"]));
    await turns(20);
    first.open();
    assert.equal(valueOf(await failing), "store_unavailable");
    assert.deepEqual([valueOf(await second), valueOf(await third)], [[1], [2]]);
    await queue.drain();
    assert.equal(queue.depth, 0);
  });

  void it("keeps no refusal that rests on a commit which failed", async () => {
    const { queue, script } = bench({ limits: ordered });
    const first = gate();
    script.push(failsBehind(first));
    const taking = queue.execute(addingUpTo("limited", 10, 10, "taking"));
    await turns(20);
    const refused = queue.execute(addingUpTo("limited", 1, 10, "one"));
    await turns(20);
    first.open();
    assert.equal(valueOf(await taking), "store_unavailable");
    const answer = await refused;
    assert.ok(answer.ok);
    assert.equal(answer.reply.status, 201, "the funds were never taken");
  });

  void it("loses nothing under many commands and failures at random places", async () => {
    const { queue, script } = bench({ limits: { ...ordered, writesPerCommit: 12 } });
    for (let n = 0; n < 60; n++) {
      script.push(n % 7 === 3 ? async () => ({ outcome: "unavailable", cause: "throttled" }) : (apply) => apply());
    }
    const results = await Promise.all(Array.from({ length: 200 }, (_, n) => queue.execute(adding(["hot", `cold-${n % 5}`]))));
    const done = results.filter((executed) => executed.ok).length;
    const last = await queue.execute(adding(["hot"]));
    assert.deepEqual(valueOf(last), [done + 1], "what was acknowledged is what was added");
    assert.ok(results.every((executed) => executed.ok || executed.code === "store_unavailable"));
    assert.equal(queue.depth, 0);
  });
});
