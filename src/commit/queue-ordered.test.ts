import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { change } from "./command.ts";
import type { Command, Executed } from "./command.ts";
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
    assert.equal(queue.depth(), 0);
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

  void it("finds a kept reply although it does not look for one at first, and harms nobody beside it", async () => {
    const { queue, commits } = bench({ limits: ordered });
    const kept = await queue.execute(adding(["hot"], { key: "kept" }));
    assert.ok(kept.ok && !kept.replayed);
    const before = commits.length;
    const [replay, other, beside, reused] = await Promise.all([
      queue.execute(adding(["hot"], { key: "kept" })),
      queue.execute(adding(["hot"], { key: "new" })),
      queue.execute(adding(["cold"])),
      queue.execute(adding(["hot"], { key: "kept-too", fingerprint: "first" })),
    ]);
    assert.deepEqual(replay, { ...kept, replayed: true });
    assert.deepEqual([valueOf(other), valueOf(beside), valueOf(reused)], [[2], [1], [3]]);
    assert.equal(commits.length, before + 2, "the group was sent, refused for the kept record, and sent once more without it");
    const again = await queue.execute(adding(["hot"], { key: "kept-too", fingerprint: "second" }));
    assert.deepEqual(again, { ok: false, code: "idempotency_key_reused" });
    assert.deepEqual(valueOf(await queue.execute(adding(["hot"]))), [4], "nothing happened twice");
  });

  void it("answers a storm of repetitions among new commands without refusing one", async () => {
    const { queue } = bench({ limits: { ...ordered, writesPerCommit: 40 } });
    for (let n = 0; n < 40; n++) await queue.execute(adding([`c-${n % 3}`], { key: `old-${n}` }));
    const storm = Array.from({ length: 400 }, (_, n) =>
      queue.execute(n % 2 === 0 ? adding([`c-${n % 3}`], { key: `old-${(n / 2) % 40}` }) : adding([`c-${n % 3}`], { key: `new-${n}` })),
    );
    const answers = await Promise.all(storm);
    for (const [n, answer] of answers.entries()) {
      const inUse = !answer.ok && answer.code === "idempotency_key_in_use";
      assert.ok(inUse ? n % 2 === 0 : answer.ok && answer.replayed === (n % 2 === 0), `${n}: ${JSON.stringify(answer)}`);
    }
    const sums = await Promise.all([0, 1, 2].map((c) => queue.execute(adding([`c-${c}`]))));
    const total = sums.reduce((sum, answer) => sum + ((valueOf(answer) as number[])[0] ?? 0), 0);
    assert.equal(total, 40 + 200 + 3, "each new command happened once, no repetition did");
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
    assert.equal(queue.depth(), 0);
  });

  void it("puts no more into a commit than dies young, and runs a command that is larger by itself", async () => {
    const { queue, commits } = bench({ limits: { ...ordered, writesPerCommit: 20_000 } });
    const large = { ...adding(Array.from({ length: 1_500 }, (_, n) => `many-${n}`)), appends: 1_501 };
    const answers = await Promise.all([
      ...Array.from({ length: 300 }, () => queue.execute(adding(["hot"]))),
      queue.execute(large),
      ...Array.from({ length: 300 }, () => queue.execute(adding(["hot"]))),
    ]);
    assert.ok(answers.every(({ ok }) => ok));
    assert.deepEqual([valueOf(answers[299] as Executed), valueOf(answers[301] as Executed)], [[300], [301]]);
    // A small one is reckoned as four writes. The large one is alone with its event.
    const told = commits.map((writes) => writes.filter(({ table }) => table === "smartfinance-audit-logs").length);
    assert.equal(Math.max(...told), 256);
    assert.deepEqual(
      commits.filter((_, n) => told[n] === 1).map(({ length }) => length),
      [1_501],
    );
  });
});
