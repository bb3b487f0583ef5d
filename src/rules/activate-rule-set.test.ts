import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, seededRandom, testClock, testIds } from "#test/support/builders.ts";
import type { Executed } from "#commit/index.ts";
import { createCommitQueue } from "#commit/index.ts";
import type { RuleSetId } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { activateRuleSet } from "./activate-rule-set.ts";
import { startDryRun } from "./change-dry-run.ts";
import { createRuleSet, updateRuleSet } from "./change-rule-set.ts";
import type { RulesDeps } from "./deps.ts";
import { aRule, language } from "./test-kit.ts";

/** Something that happens once, right after the next read of one record. */
function bench() {
  const clock = testClock();
  const ids = testIds(3, clock);
  const store = openMemoryStore(createMemoryDatabase(), { clock });
  const queue = createCommitQueue({ store, clock, random: seededRandom(1) });
  let between: (() => Promise<unknown>) | undefined;
  const raced: Store = {
    ...store,
    async get(...args) {
      const found = await store.get(...args);
      const happens = between;
      between = undefined;
      await happens?.();
      return found;
    },
  };
  const deps: RulesDeps = { store: raced, queue, ids, clock, language, forget: () => undefined };
  const asked = (apiKeyId: string, key?: string) => ({
    actor: { ...actorOf(), apiKeyId },
    idempotency: key === undefined ? undefined : { id: key, fingerprint: key },
  });
  const bodyOf = (executed: Executed): Record<string, unknown> => {
    assert.ok(executed.ok);
    return JSON.parse(executed.reply.body) as Record<string, unknown>;
  };
  return {
    deps,
    asked,
    bodyOf,
    draft: async (): Promise<RuleSetId> => bodyOf(await createRuleSet(deps, asked("key_one"), { rules: [aRule()] })).id as RuleSetId,
    /** The draft is edited while something else has read it and is not decided yet. */
    editAmid: (id: RuleSetId): void => {
      between = () => updateRuleSet(deps, asked("key_one"), id, { rules: [aRule({ expression: "amount > 999" })] }, undefined);
    },
  };
}

describe("a rule set that is edited between being looked at and being decided on", () => {
  it("is put in force as it is then, and never refused for ever under an Idempotency-Key", async () => {
    const { deps, asked, bodyOf, draft, editAmid } = bench();
    const id = await draft();
    editAmid(id);
    const active = bodyOf(await activateRuleSet(deps, asked("key_two", "once"), id, undefined));
    assert.deepEqual([active["status"], active["version"]], ["active", 3], JSON.stringify(active));
    assert.match(JSON.stringify(active["rules"]), /amount > 999/);
  });

  it("is not put in force by who has read another version", async () => {
    const { deps, asked, bodyOf, draft, editAmid } = bench();
    const id = await draft();
    editAmid(id);
    assert.equal(bodyOf(await activateRuleSet(deps, asked("key_two"), id, 1)).code, "version_conflict");
  });

  it("is tried as it is then", async () => {
    const { deps, asked, bodyOf, draft, editAmid } = bench();
    const id = await draft();
    editAmid(id);
    const run = bodyOf(await startDryRun(deps, asked("key_one", "once"), id, 7));
    assert.deepEqual([run["status"], run["rule_set_version"]], ["running", 2], JSON.stringify(run));
  });
});
