import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { seededRandom, testClock } from "#test/support/builders.ts";
import type { Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { openSqliteStore } from "#storage/sqlite/index.ts";
import { createCommitQueue } from "./queue.ts";
import { adding, counters } from "./test-kit.ts";

/** One more than a round of reads takes. */
const NAMES = Array.from({ length: 1_001 }, (_, n) => `counter-${String(n).padStart(4, "0")}`);
const FIRST = NAMES[0] ?? "";
const LAST = NAMES.at(-1) ?? "";

void describe("a command of more records than one round of reads takes", () => {
  for (const name of [FIRST, LAST])
    void it(`is decided anew where another node has changed ${name} between the rounds`, async () => {
      const database = createMemoryDatabase();
      const inner = openMemoryStore(database);
      const other = createCommitQueue({ store: openMemoryStore(database), clock: testClock(), random: seededRandom(1) });
      let rounds = 0;
      const store: Store = {
        ...inner,
        async getMany(refs) {
          const found = await inner.getMany(refs);
          // Both of what was read before and of what is read afterwards.
          if (++rounds === 1) assert.ok((await other.execute(adding([FIRST, LAST]))).ok);
          return found;
        },
      };
      const queue = createCommitQueue({ store, clock: testClock(), random: seededRandom(2) });
      // Reads all of them and changes one, under whose condition the whole rests.
      const seen: number[] = [];
      const one = adding([name], { onDecide: ([value]) => void seen.push(value ?? 0) });
      assert.ok((await queue.execute({ ...one, needs: adding(NAMES).needs })).ok);
      assert.deepEqual([rounds, seen], name === FIRST ? [4, [0, 1]] : [2, [1]]);
      assert.equal(Number((await inner.get("smartfinance-meta", { hash: name }))?.["value"]), 2);
    });

  void it("is read in one turn on SQLite, so that nothing in flight ends between the rounds", async () => {
    const directory = await mkdtemp(join(tmpdir(), "smartfinance-rounds-"));
    const inner = await openSqliteStore({ file: join(directory, "s.db") });
    let turn = 0;
    let over = false;
    const count = (): void => {
      turn += 1;
      if (!over) setImmediate(count);
    };
    count();
    /** How many first and second rounds there were in each turn: several groups may be read in one. */
    const rounds = new Map<number, { first: number; second: number }>();
    const store: Store = {
      ...inner,
      async getMany(refs) {
        const now = rounds.get(turn) ?? { first: 0, second: 0 };
        now[refs.length === 1_000 ? "first" : "second"] += 1;
        rounds.set(turn, now);
        return inner.getMany(refs);
      },
    };
    try {
      const queue = createCommitQueue({ store, clock: testClock(), random: seededRandom(2) });
      const all = Array.from({ length: 12 }, async (_, n) => {
        // Some while others are in flight.
        for (let waits = 0; waits < n; waits++) await new Promise((resolve) => setImmediate(resolve));
        return queue.execute(adding(n % 2 === 0 ? NAMES : NAMES.toReversed()));
      });
      for (const ended of await Promise.all(all)) assert.equal(ended.ok, true);
      assert.ok(rounds.size > 1);
      for (const { first, second } of rounds.values()) assert.equal(first, second);
      const items = await inner.getMany(NAMES.slice(1).map((hash) => ({ table: counters.table, key: { hash } })));
      assert.ok(items.every((item) => item?.["value"] === 12));
    } finally {
      over = true;
      await inner.close();
      await rm(directory, { recursive: true });
    }
  });
});
