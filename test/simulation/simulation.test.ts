import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { openSqliteStore } from "#storage/sqlite/index.ts";
import { createDice } from "./dice.ts";
import { plantedBugs } from "./planted-bugs.ts";
import { replay, simulate, type SimulationResult } from "./simulate.ts";
import { createVirtualTime } from "./virtual-time.ts";

/** Chosen so that together they meet every kind of fault; `npm run simulate -- --seeds` runs any number of others. */
const SEEDS = [4, 12, 20, 59];
const COMMANDS = 110;
/** A seed whose weather is bad. */
const SEED = 59;

function assertSound(result: SimulationResult): void {
  assert.equal(
    result.failure,
    undefined,
    `seed ${result.seed}, step ${result.step}: ${result.failure}\nreplay: npm run simulate -- --seed ${result.seed} --commands ${COMMANDS}`,
  );
}

void describe("the simulation", () => {
  const results: SimulationResult[] = [];

  for (const seed of SEEDS) {
    void it(`finds nothing wrong with seed ${seed}`, async () => {
      const result = await simulate({ seed, commands: COMMANDS });
      results.push(result);
      assertSound(result);
      assert.ok(result.commits > 50 && result.answers > 200, "it did something");
    });
  }

  void it("met what it is for: crashes, doubtful answers, replays, refusals, holds, reversals", () => {
    const total = (what: RegExp): number =>
      results.reduce((sum, { counts }) => sum + [...counts].reduce((part, [name, n]) => (what.test(name) ? part + n : part), 0), 0);
    assert.ok(results.reduce((sum, { crashes }) => sum + crashes, 0) > 0, "no node crashed");
    for (const what of [
      /^transfer accepted$/,
      /authorise accepted/,
      /capture accepted/,
      /hold_(expired|not_active)/,
      /reverse accepted/,
      /batch accepted/,
      /batched transfer accepted/,
      /refused insufficient_funds/,
      /refused account_frozen/,
      /verify accepted/,
      /refused account_restricted/,
      /refused account_not_found/,
      /patch accepted/,
      /status accepted/,
      /replayed answer/,
      /doubtful answer/,
      /request without any answer/,
    ])
      assert.ok(total(what) > 0, `nothing like ${what.source} happened`);
  });

  void it("is the same for the same seed, however long it waits for quiet", async () => {
    const first = results.find(({ seed }) => seed === SEED);
    const second = await simulate({ seed: SEED, commands: COMMANDS, quietTurns: 15 });
    assert.equal(second.traceHash, first?.traceHash);
    assert.equal(second.stateHash, first?.stateHash);
    assert.notEqual(results.find(({ seed }) => seed !== SEED)?.traceHash, first?.traceHash);
  });

  void it("leads SQLite to the same state by the same history", async () => {
    const [result] = results;
    assert.ok(result !== undefined);
    const directory = await mkdtemp(join(tmpdir(), "smartfinance-simulation-"));
    const store = await openSqliteStore({ file: join(directory, "bank.db") });
    try {
      await replay(result.history, store, result.stateHash);
      await assert.rejects(replay(result.history.slice(0, 1), store, result.stateHash), /could not be repeated/);
    } finally {
      await store.close();
      await rm(directory, { recursive: true, force: true });
    }
  });
});

void describe("the checker finds", () => {
  for (const { name, plant, found, options } of plantedBugs) {
    void it(name, async () => {
      let failure: string | undefined;
      // Whether a bug strikes is a matter of chance: of three seeds one has to find it.
      for (let seed = SEED; failure === undefined && seed < SEED + 3; seed++)
        ({ failure } = await simulate({ seed, commands: 60, nodes: 2, ...options, plant: plant() }));
      assert.match(failure ?? "nothing was found", found);
    });
  }
});

void describe("virtual time", () => {
  void it("stands still while anything can run, and then jumps", async () => {
    const time = createVirtualTime();
    const began = time.now;
    const seen: string[] = [];
    const work = async (name: string, ms: number): Promise<void> => {
      await time.sleep(ms);
      await new Promise((resolve) => setImmediate(resolve));
      seen.push(`${name} at ${time.now - began}`);
    };
    const all = Promise.all([work("slow", 3_600_000), work("quick", 5)]);
    assert.equal(await time.run(() => seen.length === 2, 4_000_000), "done");
    await all;
    assert.deepEqual(seen, ["quick at 5", "slow at 3600000"]);
    assert.equal(await time.run(() => false, 1000), "stalled");
  });

  void it("does not wake the dead, and does not wait beyond the limit", async () => {
    const time = createVirtualTime();
    let woken = 0;
    for (const alive of [true, false])
      void time
        .clockOf(-2000, () => alive)
        .sleep(50)
        .then(() => {
          woken += 1;
        });
    void time.sleep(10_000);
    assert.equal(await time.run(() => false, 1000), "late");
    assert.equal(woken, 1);
    assert.equal(time.clockOf(-2000, () => true).now(), Math.floor(time.now - 2000));
  });
});

void describe("seeded chance", () => {
  void it("repeats itself for the same seed and name only", () => {
    const draw = (seed: number, name: string): number[] => {
      const dice = createDice(seed, name);
      return Array.from({ length: 50 }, () => dice.below(1000));
    };
    assert.deepEqual(draw(1, "a"), draw(1, "a"));
    assert.notDeepEqual(draw(1, "a"), draw(2, "a"));
    assert.notDeepEqual(draw(1, "a"), draw(1, "b"));
  });

  void it("is spread evenly and fills every byte", () => {
    const dice = createDice(7, "spread");
    const counts = Array.from({ length: 10 }, () => 0);
    for (let n = 0; n < 10_000; n++) counts[dice.below(10)] = (counts[dice.below(10)] ?? 0) + 1;
    assert.ok(dice.bytes(1000).some((byte) => byte > 250) && dice.bytes(3).length === 3);
    const weighted = { often: 0, never: 0 };
    for (let n = 0; n < 100; n++) weighted[dice.weighted({ often: 1, never: 0 })] += 1;
    assert.deepEqual(weighted, { often: 100, never: 0 });
    assert.ok(dice.between(3, 3) === 3);
  });
});
