import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InvariantError } from "#kernel/assert.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { change } from "./command.ts";
import type { Executed } from "./command.ts";
import type { Fate } from "./test-kit.ts";
import { adding, bench, counters, fates, gate, refusing, turns } from "./test-kit.ts";

const bodyOf = (executed: Executed): string => (executed.ok ? executed.reply.body : executed.code);
const bodies = (all: readonly Executed[]): string[] => all.map(bodyOf);
const run = async (commands: readonly Promise<Executed>[]): Promise<string[]> => bodies(await Promise.all(commands));
const many = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

void describe("the commit queue: groups", () => {
  void it("commits together what arrived together, decided in the order of arrival", async () => {
    const { queue, commits, events, value } = bench();
    const answers = await run([queue.execute(adding(["a"])), queue.execute(adding(["a", "b"])), queue.execute(adding(["b"]))]);
    assert.deepEqual(answers, ["[1]", "[2,1]", "[2]"]);
    assert.equal(commits.length, 1);
    // Two records, each written once however often it changed, and three events.
    assert.equal(commits[0]?.length, 5);
    assert.deepEqual([await value("a"), await value("b"), events.length, queue.depth()], [2, 2, 3, 0]);
  });

  void it("lets disjoint groups fly in parallel, and what touches a record in flight wait", async () => {
    const { queue, script, flying, commits } = bench();
    const doors = [gate(), gate()];
    script.push(...doors.map(({ fate }) => fate));
    const first = queue.execute(adding(["a"]));
    await turns();
    const behind = queue.execute(adding(["a", "b"]));
    const free = queue.execute(adding(["c"]));
    // It could start at once, but would overtake the one before it at `b`.
    const ordered = queue.execute(adding(["b"]));
    await turns();
    assert.deepEqual([flying.now, commits.length], [2, 2]);
    doors[1]?.open();
    assert.equal(bodyOf(await free), "[1]");
    await turns();
    assert.equal(commits.length, 2, "the others still wait");
    doors[0]?.open();
    assert.deepEqual(await run([first, behind, ordered]), ["[1]", "[2,1]", "[2]"]);
    assert.equal(commits.length, 3);
  });

  void it("has no more commits in flight than the store wants", async () => {
    const { queue, script, flying, commits } = bench({ limits: { commitsInFlight: 3 } });
    const doors = many(3).map(() => gate());
    script.push(...doors.map(({ fate }) => fate));
    const answers: Promise<Executed>[] = [];
    for (const n of many(6)) {
      answers.push(queue.execute(adding([`c${n}`])));
      await turns(2);
    }
    assert.deepEqual([flying.now, commits.length, queue.depth()], [3, 3, 6]);
    for (const door of doors) door.open();
    assert.deepEqual(
      await run(answers),
      many(6).map(() => "[1]"),
    );
    assert.equal(flying.most, 3);
  });

  void it("defers what does not fit into one commit, keeping the order", async () => {
    const { queue, commits, value } = bench({ limits: { writesPerCommit: 7 } });
    const seen: number[] = [];
    const answers = many(10).map((n) =>
      queue.execute(adding(n % 2 === 0 ? ["hot"] : ["hot", `own${n}`], { key: `k${n}`, onDecide: ([hot]) => seen.push(hot ?? -1) })),
    );
    const replies = await run(answers);
    assert.deepEqual(
      replies.map((body) => (JSON.parse(body) as number[])[0]),
      many(10).map((n) => n + 1),
    );
    assert.ok(commits.length > 1 && commits.every((writes) => writes.length <= 7));
    assert.equal(await value("hot"), 10);
  });

  void it("takes what was deferred before what came later", async () => {
    const { queue, script } = bench({ limits: { writesPerCommit: 3 } });
    const door = gate();
    script.push(door.fate);
    const early = many(5).map(() => queue.execute(adding(["hot"])));
    await turns();
    const late = queue.execute(adding(["hot"]));
    await turns();
    door.open();
    assert.deepEqual(await run([...early, late]), ["[1]", "[2]", "[3]", "[4]", "[5]", "[6]"]);
  });

  void it("fails a command that alone is larger than a commit, and no other", async () => {
    const { queue, value } = bench({ limits: { writesPerCommit: 5 } });
    const small = queue.execute(adding(["a"]));
    const large = queue.execute(adding(many(6).map((n) => `l${n}`)));
    const after = queue.execute(adding(["a", "l0"]));
    await assert.rejects(large, InvariantError);
    assert.deepEqual(await run([small, after]), ["[1]", "[2,1]"]);
    assert.equal(await value("l0"), 1);
  });

  void it("loads each key of a group once", async () => {
    const { queue, reads } = bench();
    await run(many(20).map(() => queue.execute(adding(["a", "b"]))));
    assert.deepEqual(reads, [2]);
  });
});

void describe("the commit queue: what the store does", () => {
  void it("decides anew on fresh state after a conflict", async () => {
    const { queue, script, store, clock } = bench();
    script.push(async () => {
      // Another node was faster.
      await store.commit([{ op: "put", table: "smartfinance-meta", item: { id: "a", value: 41, version: 7 }, condition: "absent" }]);
      return { outcome: "conflict", writes: [0] };
    });
    assert.equal(bodyOf(await queue.execute(adding(["a"]))), "[42]");
    assert.equal(clock.slept.length, 1);
  });

  for (const [name, fate] of [
    ["conflicts", fates.conflicts],
    ["throttled", fates.throttled],
  ] as const) {
    void it(`gives up after eight attempts that end ${name}, having changed nothing`, async () => {
      const { queue, script, clock, commits, value, stored } = bench();
      script.push(...many(8).map(() => fate));
      assert.deepEqual(await run([queue.execute(adding(["a"], { key: "k" })), queue.execute(refusing("r"))]), ["contention", "contention"]);
      assert.deepEqual([commits.length, clock.slept.length], [8, 7]);
      assert.ok(clock.slept.every((ms) => ms < 250));
      assert.deepEqual([await value("a"), await stored("smartfinance-idempotency", "k")], [0, undefined]);
      assert.equal(bodyOf(await queue.execute(adding(["a"], { key: "k" }))), "[1]", "record and key are free again");
    });
  }

  void it("does not send again what the engine refuses", async () => {
    const { queue, script, commits } = bench();
    script.push(fates.unavailable);
    assert.deepEqual(await run([queue.execute(adding(["a"])), queue.execute(adding(["b"]))]), ["store_unavailable", "store_unavailable"]);
    assert.equal(commits.length, 1);
    assert.equal(bodyOf(await queue.execute(adding(["a"]))), "[1]");
  });

  void it("resolves an unknown outcome that was written: one effect, the first reply", async () => {
    const { queue, script, value, events, commits } = bench();
    script.push(fates.writtenUnknown);
    assert.equal(bodyOf(await queue.execute(adding(["a"], { key: "k" }))), "[1]");
    assert.deepEqual([await value("a"), commits.length, events.length], [1, 2, 1]);
  });

  void it("resolves an unknown outcome that was lost", async () => {
    const { queue, script, value } = bench();
    script.push(fates.lostUnknown);
    assert.equal(bodyOf(await queue.execute(adding(["a"]))), "[1]");
    assert.equal(await value("a"), 1);
  });

  void it("decides anew when the lost commit meets another's", async () => {
    const { queue, script, store, value } = bench();
    script.push(fates.lostUnknown, async (apply) => {
      await store.commit([{ op: "put", table: "smartfinance-meta", item: { id: "a", value: 9, version: 1 }, condition: "absent" }]);
      return apply();
    });
    assert.equal(bodyOf(await queue.execute(adding(["a"]))), "[10]");
    assert.equal(await value("a"), 10);
  });

  void it("says so when the outcome stays unknown, and lets go of the records", async () => {
    const { queue, script, commits, value } = bench();
    script.push(...many(6).map(() => fates.lostUnknown));
    assert.equal(bodyOf(await queue.execute(adding(["a"], { key: "k" }))), "outcome_unknown");
    assert.equal(commits.length, 6);
    assert.equal(bodyOf(await queue.execute(adding(["a"], { key: "k" }))), "[1]", "the repetition does it");
    assert.equal(await value("a"), 1);
  });

  void it("leaves commands that were not part of a doubtful commit out of the doubt", async () => {
    const { queue, script, commits } = bench({ limits: { writesPerCommit: 3 } });
    const losesA: Fate = (apply) => (JSON.stringify(commits.at(-1)).includes('"id":"a"') ? fates.lostUnknown() : apply());
    script.push(...many(20).map(() => losesA));
    const doubtful = queue.execute(adding(["a"]));
    const deferred = queue.execute(adding(["b", "c"]));
    assert.deepEqual(await run([doubtful, deferred]), ["outcome_unknown", "[1,1]"]);
  });

  void it("answers store_unavailable where nothing can be read", async () => {
    const { queue, readFaults, commits } = bench();
    readFaults.push(new StoreUnavailableError("closed"));
    assert.equal(bodyOf(await queue.execute(adding(["a"]))), "store_unavailable");
    assert.equal(commits.length, 0);
    assert.equal(bodyOf(await queue.execute(adding(["a"]))), "[1]");
  });

  for (const ordered of [false, true]) {
    void it(`fails nobody but those whose records cannot be read, and frees those${ordered ? ", in order" : ""}`, async () => {
      const { queue, readFaults, value } = bench({ limits: { ordered } });
      const broken = new TypeError("broken");
      // Of the group, then of each by itself.
      readFaults.push(broken, broken, undefined);
      const both = await Promise.allSettled([queue.execute(adding(["a"], { key: "k" })), queue.execute(adding(["b"]))]);
      assert.deepEqual(
        both.map(({ status }) => status),
        ["rejected", "fulfilled"],
      );
      assert.deepEqual([queue.depth(), await value("b")], [0, 1]);
      // What could not be read once, and can be by now.
      readFaults.push(broken);
      const again = await Promise.all([queue.execute(adding(["a"], { key: "k" })), queue.execute(adding(["b"]))]);
      assert.deepEqual(again.map(bodyOf), ["[1]", "[2]"]);
      // What can be read alone and never together.
      readFaults.push(...many(8).flatMap(() => [broken, undefined, undefined]));
      const never = await Promise.all([queue.execute(adding(["a"])), queue.execute(adding(["b"]))]);
      assert.deepEqual(never.map(bodyOf), ["contention", "contention"]);
    });
  }

  void it("tells the events once they are durable, and no others", async () => {
    const { queue, script, events } = bench();
    const door = gate();
    script.push(door.fate, fates.unavailable);
    const first = queue.execute(adding(["a"]));
    await turns();
    assert.equal(events.length, 0);
    door.open();
    await first;
    await queue.execute(adding(["a"]));
    assert.equal(events.length, 1);
  });
});

void describe("the commit queue: what commands do", () => {
  const broken = (names: readonly string[]) => ({
    ...adding(names),
    decide: () => {
      throw new TypeError("a bug");
    },
  });

  void it("fails a throwing decision alone", async () => {
    const { queue, commits, value } = bench();
    const one = queue.execute(adding(["a"]));
    const bad = queue.execute(broken(["a"]));
    const two = queue.execute(adding(["a"]));
    await assert.rejects(bad, TypeError);
    assert.deepEqual(await run([one, two]), ["[1]", "[2]"]);
    assert.deepEqual([commits.length, await value("a"), queue.depth()], [1, 2, 0]);
  });

  void it("fails a decision over a record it did not name", async () => {
    const { queue } = bench();
    const command = { ...adding(["a"]), needs: [] };
    await assert.rejects(queue.execute(command), InvariantError);
    assert.equal(bodyOf(await queue.execute(adding(["a"]))), "[1]");
  });

  void it("fails the group of a throwing codec without writing, and frees its records", async () => {
    const { queue, commits, value } = bench();
    const unstorable = {
      ...counters,
      toItem: () => {
        throw new TypeError("cannot be stored");
      },
    };
    const bad = adding(["b"]);
    const command = {
      ...bad,
      decide: (...given: Parameters<typeof bad.decide>) => {
        const outcome = bad.decide(...given);
        return { ...outcome, changes: [change(unstorable, { id: "b", value: 1, version: 1 })] };
      },
    };
    const both = await Promise.allSettled([queue.execute(adding(["a"])), queue.execute(command)]);
    assert.deepEqual(
      both.map(({ status }) => status),
      ["rejected", "rejected"],
    );
    assert.deepEqual([commits.length, await value("a"), queue.depth()], [0, 0, 0]);
    assert.deepEqual(await run([queue.execute(adding(["a"])), queue.execute(adding(["b"]))]), ["[1]", "[1]"]);
  });

  void it("asserts that a change has an event, a higher version, and was loaded before it is replaced", async () => {
    const outcomes = [
      { changes: [change(counters, { id: "a", value: 1, version: 1 })], events: [] },
      { changes: [change(counters, { id: "z", value: 1, version: 2 })] },
      { changes: [change(counters, { id: "a", value: 1, version: 0 })] },
    ];
    for (const outcome of outcomes) {
      const { queue, commits } = bench();
      const good = adding(["a"]);
      const command = { ...good, decide: (...given: Parameters<typeof good.decide>) => ({ ...good.decide(...given), ...outcome }) };
      await assert.rejects(queue.execute(command), InvariantError);
      assert.equal(commits.length, 0);
    }
  });

  void it("turns commands away beyond what may wait, and takes them again afterwards", async () => {
    const { queue } = bench({ maxWaiting: 3 });
    const answers = many(5).map(() => queue.execute(adding(["a"])));
    assert.deepEqual(await run(answers), ["[1]", "[2]", "[3]", "overloaded", "overloaded"]);
    assert.equal(bodyOf(await queue.execute(adding(["a"]))), "[4]");
  });

  void it("takes more than one group holds", async () => {
    const { queue, value } = bench({ limits: { writesPerCommit: 2000 } });
    const answers = await run(many(1300).map(() => queue.execute(adding(["a"]))));
    assert.deepEqual(
      answers,
      many(1300).map((n) => `[${n + 1}]`),
    );
    assert.equal(await value("a"), 1300);
  });
});

void describe("the commit queue: draining", () => {
  void it("resolves at once when nothing runs, and otherwise when all is answered", async () => {
    const { queue, script } = bench();
    await queue.drain();
    const door = gate();
    script.push(door.fate);
    const answers = [queue.execute(adding(["a"])), queue.execute(adding(["a"]))];
    await turns();
    answers.push(queue.execute(adding(["a"])));
    let drained = false;
    const drain = queue.drain().then(() => {
      drained = true;
    });
    await turns();
    assert.equal(drained, false);
    door.open();
    assert.deepEqual(await run(answers), ["[1]", "[2]", "[3]"]);
    await drain;
    assert.equal(queue.depth(), 0);
  });

  void it("resolves also when everything failed", async () => {
    const { queue, script } = bench();
    script.push(fates.unavailable);
    const failed = queue.execute(adding(["a"]));
    const bad = queue.execute({ ...adding(["b"]), needs: [] });
    const drain = queue.drain();
    await assert.rejects(bad, InvariantError);
    assert.equal(bodyOf(await failed), "store_unavailable");
    await drain;
  });
});
