import assert from "node:assert/strict";
import { it } from "node:test";
import { actorOf, ORG, seededRandom, testClock, testIds } from "#test/support/builders.ts";
import { createCommitQueue } from "#commit/index.ts";
import type { Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { activateRuleSet } from "./activate-rule-set.ts";
import { createRuleSet } from "./change-rule-set.ts";
import type { RulesDeps } from "./deps.ts";
import { listRuleSets } from "./list-rule-sets.ts";
import { aRule, language } from "./test-kit.ts";

const SETS = 21;

it("lists of rule sets read a few at once, lose none, and tell which is in force", async () => {
  const clock = testClock();
  const store = openMemoryStore(createMemoryDatabase(), { clock });
  const queue = createCommitQueue({ store, clock, random: seededRandom(1) });
  const deps: RulesDeps = { store, queue, ids: testIds(3, clock), clock, language, forget: () => undefined };
  const made: string[] = [];
  for (let n = 0; n < SETS; n++) {
    const executed = await createRuleSet(deps, { actor: actorOf(), idempotency: undefined }, { rules: [aRule()] });
    assert.ok(executed.ok);
    made.unshift((JSON.parse(executed.reply.body) as { id: string }).id);
    clock.time += 1;
  }
  const [, inForce = ""] = made;
  const second = { actor: { ...actorOf(), apiKeyId: "key_two" }, idempotency: undefined };
  const activated = await activateRuleSet(deps, second, inForce as never, undefined);
  assert.ok(activated.ok && activated.reply.status === 200);

  const atOnce: number[] = [];
  let breaths = 0;
  const watched = {
    store: {
      ...store,
      async query(query) {
        const page = await store.query(query);
        atOnce.push(page.items.length);
        return page;
      },
    } satisfies Store,
    clock: {
      ...clock,
      now: () => clock.now(),
      sleep: (ms: number) => {
        breaths += 1;
        return clock.sleep(ms);
      },
    },
  };
  for (const limit of [1, 7, 8, 9, 20, SETS, 100]) {
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page: Awaited<ReturnType<typeof listRuleSets>> = await listRuleSets(
        watched,
        ORG,
        cursor === undefined ? { limit } : { limit, cursor },
      );
      assert.equal(page.summaries.length, Math.min(limit, SETS - seen.length));
      for (const { id, status, rules, rule_count } of page.summaries) {
        seen.push(String(id));
        assert.deepEqual([status, rules, rule_count], [id === inForce ? "active" : "draft", undefined, 1]);
      }
      cursor = page.cursor;
    } while (cursor !== undefined);
    assert.deepEqual(seen, made, `by pages of ${limit}`);
  }
  assert.ok(Math.max(...atOnce) <= 8 && breaths > 0, "others wait for no more than a few");
});
