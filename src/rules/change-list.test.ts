import assert from "node:assert/strict";
import { it } from "node:test";
import { actorOf, ORG, seededRandom, testClock, testIds } from "#test/support/builders.ts";
import type { Executed } from "#commit/index.ts";
import { createCommitQueue } from "#commit/index.ts";
import type { RuleListId } from "#kernel/ids.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { addEntries, createRuleList, removeEntries } from "./change-list.ts";
import type { RulesDeps } from "./deps.ts";
import { MAX_SHARD_ENTRIES, MAX_VALUES_PER_CALL, readRuleList, shardOf } from "./rule-list.ts";
import { language } from "./test-kit.ts";

it("values that were picked to lie in one place are refused before an item of the store is too large for them", async () => {
  const clock = testClock();
  const store = openMemoryStore(createMemoryDatabase(), { clock });
  const queue = createCommitQueue({ store, clock, random: seededRandom(1) });
  const deps: RulesDeps = { store, queue, ids: testIds(3, clock), clock, language, forget: () => undefined };
  const asked = { actor: actorOf(), idempotency: undefined };
  const told = (executed: Executed): Record<string, unknown> => {
    assert.ok(executed.ok, JSON.stringify(executed));
    return { status: executed.reply.status, ...(JSON.parse(executed.reply.body) as Record<string, unknown>) };
  };
  const id = told(await createRuleList(deps, asked, { name: "picked" }))["id"] as RuleListId;
  const values: string[] = [];
  // What takes the most room: each of these is two bytes of JSON.
  for (let n = 0; values.length <= MAX_SHARD_ENTRIES; n++) {
    const value = `${n}`.padEnd(100, '"');
    if (shardOf(value) === 0) values.push(value);
  }
  for (let at = 0; at < MAX_SHARD_ENTRIES; at += MAX_VALUES_PER_CALL)
    assert.equal(told(await addEntries(deps, asked, id, values.slice(at, at + MAX_VALUES_PER_CALL)))["status"], 200);
  const more = told(await addEntries(deps, asked, id, values.slice(-1)));
  assert.deepEqual([more["status"], more["code"], more["param"]], [422, "limit_reached", "values"]);
  assert.equal((await readRuleList(store, ORG, id))?.size, MAX_SHARD_ENTRIES);
  assert.equal(told(await removeEntries(deps, asked, id, values.slice(0, 1)))["status"], 200);
  assert.equal(told(await addEntries(deps, asked, id, values.slice(-1)))["size"], MAX_SHARD_ENTRIES);
});
