import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, newId, ORG, seededRandom, testClock, testIds } from "#test/support/builders.ts";
import type { Executed } from "#commit/index.ts";
import { createCommitQueue } from "#commit/index.ts";
import type { OrganisationId, RuleListId, RuleSetId } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import type { Fault, Operation } from "#storage/memory/memory-store.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { activateRuleSet } from "./activate-rule-set.ts";
import { addEntries, createRuleList, removeEntries } from "./change-list.ts";
import { changePolicy } from "./change-policy.ts";
import { createRuleSet, updateRuleSet } from "./change-rule-set.ts";
import type { RulesDeps } from "./deps.ts";
import { createPolicies } from "./policies.ts";
import type { PoliciesDeps } from "./policies.ts";
import { MAX_ENTRIES, ruleLists } from "./rule-list.ts";
import type { Rule } from "./rule.ts";
import { MAX_EDITORS } from "./rule-set.ts";
import { aRule, language } from "./test-kit.ts";

/** One database with any number of nodes on it. */
function bench() {
  const clock = testClock();
  const ids = testIds(3, clock);
  const database = createMemoryDatabase();
  const operations: Operation[] = [];
  let fault: Fault = { kind: "none" };
  const faults = (operation: Operation): Fault => {
    operations.push(operation);
    return fault;
  };
  const node = (options: Partial<PoliciesDeps> = {}) => {
    const store: Store = openMemoryStore(database, { clock, faults });
    const policies = createPolicies({ store, clock, language, ...options });
    const queue = createCommitQueue({ store, clock, random: seededRandom(1) });
    const deps: RulesDeps = { store, queue, ids, clock, language, forget: (id) => policies.forget(id) };
    return { store, policies, deps };
  };
  const asked = (apiKeyId = "key_one", organisationId: OrganisationId = ORG) => ({
    actor: { ...actorOf(organisationId), apiKeyId },
    idempotency: undefined,
  });
  const bodyOf = (executed: Executed): { readonly id: string; readonly code?: string } => {
    assert.ok(executed.ok);
    return JSON.parse(executed.reply.body) as { id: string };
  };
  /** Drafts rules and has another key put them in force. */
  const inForce = async ({ deps }: ReturnType<typeof node>, rules: readonly Rule[]): Promise<RuleSetId> => {
    const id = bodyOf(await createRuleSet(deps, asked(), { rules })).id as RuleSetId;
    const executed = await activateRuleSet(deps, asked("key_two"), id, undefined);
    assert.ok(executed.ok && executed.reply.status === 200);
    return id;
  };
  const list = async ({ deps }: ReturnType<typeof node>, name: string): Promise<RuleListId> =>
    bodyOf(await createRuleList(deps, asked(), { name })).id as RuleListId;
  return {
    clock,
    node,
    asked,
    bodyOf,
    inForce,
    list,
    operations,
    befalls: (next: Fault["kind"]): void => {
      fault = { kind: next };
    },
  };
}

describe("the policies in force", () => {
  it("are read once, then given at once for five seconds, and renewed beside the payments", async () => {
    const { clock, node, operations } = bench();
    const { policies } = node();
    const [first, second] = [policies.of(ORG), policies.of(ORG)];
    assert.ok(first instanceof Promise);
    assert.equal(first, second);
    const snapshot = await first;
    assert.deepEqual([snapshot.ruleSetId, snapshot.evaluate({}).action], [null, undefined]);
    assert.equal(policies.of(ORG), snapshot);
    assert.deepEqual(operations, ["getMany"]);
    clock.time += 2_499;
    assert.equal(policies.of(ORG), snapshot);
    assert.equal(operations.length, 1);
    clock.time += 1;
    assert.equal(policies.of(ORG), snapshot);
    assert.equal(policies.of(ORG), snapshot);
    await clock.sleep(1);
    assert.equal(operations.length, 2, "one read, though two payments asked");
    assert.notEqual(policies.of(ORG), snapshot);
    clock.time += 5_000;
    assert.ok(policies.of(ORG) instanceof Promise);
  });

  it("reach another node within five seconds, and this one at once", async () => {
    const { clock, node, asked, inForce } = bench();
    const [here, there] = [node(), node()];
    for (const each of [here, there]) await each.policies.of(ORG);
    const id = await inForce(here, [aRule()]);
    await changePolicy(here.deps, asked(), { review_above: 0.5 }, undefined);
    const now = await here.policies.of(ORG);
    assert.deepEqual([now.ruleSetId, now.ruleSetNumber, now.thresholds.reviewAbove], [id, 1, 5_000]);
    assert.equal((await there.policies.of(ORG)).ruleSetId, null);
    clock.time += 5_000;
    const later = await there.policies.of(ORG);
    assert.deepEqual([later.ruleSetId, later.thresholds.reviewAbove, later.evaluate({ amount: 101 }).action], [id, 5_000, "review"]);
  });

  it("read a list again only when it has changed", async () => {
    const { clock, node, asked, inForce, list, operations } = bench();
    const here = node();
    const id = await list(here, "blocked");
    await list(here, "unused");
    await inForce(here, [aRule({ expression: 'in_list("blocked", pair)', action: "block" })]);
    await addEntries(here.deps, asked(), id, ["a", "b"]);
    const there = node().policies;
    const judge = async (pair: string) => (await there.of(ORG)).evaluate({ pair }).action;
    operations.length = 0;
    assert.deepEqual([await judge("a"), await judge("c")], ["block", undefined]);
    // Policy and registry, the rule set, the list, its entries.
    assert.deepEqual(operations, ["getMany", "get", "getMany", "getMany"]);
    operations.length = 0;
    clock.time += 5_000;
    assert.equal(await judge("a"), "block");
    assert.deepEqual(operations, ["getMany", "getMany"]);
    await removeEntries(here.deps, asked(), id, ["a"]);
    clock.time += 5_000;
    assert.deepEqual([await judge("a"), await judge("b")], [undefined, "block"]);
  });

  it("do not keep what was being read while it was changed", async () => {
    const { node, inForce } = bench();
    const here = node();
    const before = here.policies.of(ORG);
    const id = await inForce(here, [aRule()]);
    await before;
    assert.equal((await here.policies.of(ORG)).ruleSetId, id);
  });

  it("are refused, not guessed, while the store cannot be read", async () => {
    const { clock, node, befalls, inForce } = bench();
    const here = node();
    const id = await inForce(here, [aRule()]);
    await here.policies.of(ORG);
    befalls("unavailable");
    clock.time += 3_000;
    assert.equal((await here.policies.of(ORG)).ruleSetId, id, "what is known is still good");
    await clock.sleep(1);
    clock.time += 2_000;
    await assert.rejects(async () => here.policies.of(ORG), { name: "StoreUnavailableError" });
    befalls("none");
    assert.equal((await here.policies.of(ORG)).ruleSetId, id);
  });

  it("bound what is kept and how much is read at once", async () => {
    const { node } = bench();
    const { policies } = node({ maxOrganisations: 2, maxReads: 3 });
    const ids = [newId("organisation"), newId("organisation"), newId("organisation")];
    for (const id of ids) await policies.of(id);
    assert.ok(!(policies.of(ids[2] as OrganisationId) instanceof Promise));
    assert.ok(!(policies.of(ids[1] as OrganisationId) instanceof Promise));
    for (const id of [ids[0] as OrganisationId, ORG, newId("organisation")]) await policies.of(id);
    const many = Array.from({ length: 4 }, async () => policies.of(newId("organisation")));
    await assert.rejects(async () => many[3], { name: "StoreUnavailableError" });
    await Promise.all(many.slice(0, 3));
  });

  it("forget the largest lists of others first when memory is short", async () => {
    const { node, asked, inForce, list } = bench();
    const here = node();
    const id = await list(here, "blocked");
    await inForce(here, [aRule({ expression: 'in_list("blocked", pair)' })]);
    await addEntries(here.deps, asked(), id, ["a", "b", "c"]);
    const { policies } = node({ maxEntries: 2 });
    await policies.of(ORG);
    assert.ok(!(policies.of(ORG) instanceof Promise), "an organisation beyond the bound has its own all the same");
    await policies.of(newId("organisation"));
    assert.ok(policies.of(ORG) instanceof Promise);
  });

  it("let go of the lists of large organisations only, and never of all of them", async () => {
    const { node, asked, operations } = bench();
    const { deps } = node();
    const large = Array.from({ length: 4 }, () => newId("organisation"));
    for (const organisation of [ORG, ...large]) {
      const own = await createRuleList(deps, asked("key_one", organisation), { name: "blocked" });
      assert.ok(own.ok);
      const { id } = JSON.parse(own.reply.body) as { id: RuleListId };
      await addEntries(deps, asked("key_one", organisation), id, organisation === ORG ? ["a"] : ["a", "b", "c"]);
      const body = { rules: [aRule({ expression: 'in_list("blocked", pair)' })] };
      const drafted = await createRuleSet(deps, asked("key_one", organisation), body);
      assert.ok(drafted.ok);
      const set = JSON.parse(drafted.reply.body) as { id: RuleSetId };
      await activateRuleSet(deps, asked("key_two", organisation), set.id, undefined);
    }
    const { policies } = node({ maxEntries: 8 });
    await policies.of(ORG);
    for (let turn = 0; turn < 3; turn++) {
      for (const organisation of large) {
        operations.length = 0;
        const { evaluate } = await policies.of(organisation);
        assert.equal(evaluate({ pair: "c" }).action, "review");
        if (turn > 0 && operations.length > 0) assert.ok(!operations.includes("get"), "its rules are still compiled");
      }
      assert.ok(!(policies.of(ORG) instanceof Promise), "a small organisation keeps its own");
      assert.ok(!(policies.of(large[0] as OrganisationId) instanceof Promise), "large ones that pay in turn do not all find nothing");
    }
  });

  it("review every payment that a rule would have judged which does not compile any more, and say so", async () => {
    const { node, inForce } = bench();
    const here = node();
    const id = await inForce(here, [
      aRule({ name: "kept", expression: "amount > 100", action: "challenge" }),
      aRule({ name: "lost", action: "block" }),
    ]);
    const stored = await here.store.get("smartfinance-risk-rule-sets", { hash: id });
    assert.ok(stored);
    const rules = (stored.rules as unknown as Rule[]).map((rule) => (rule.name === "lost" ? { ...rule, expression: "gone > 1" } : rule));
    await here.store.commit([
      {
        op: "put",
        table: "smartfinance-risk-rule-sets",
        item: { ...stored, rules: rules.map((rule) => ({ ...rule })) },
        condition: "none",
      },
    ]);
    const told: string[] = [];
    const { policies } = node({ onFault: ({ ruleSetId }) => told.push(String(ruleSetId)) });
    const snapshot = await policies.of(ORG);
    assert.deepEqual(
      snapshot.faults.map(({ rule }) => rule),
      ["lost"],
    );
    assert.deepEqual([snapshot.evaluate({ amount: 1 }).action, snapshot.evaluate({ amount: 101 }).hits.length], ["review", 2]);
    assert.deepEqual(told, [id]);
  });
});

describe("a draft", () => {
  it("is edited by so many keys at most, since each that edited it must be known when it is activated", async () => {
    const { node, asked, bodyOf } = bench();
    const { deps } = node();
    const id = bodyOf(await createRuleSet(deps, asked("key_creator"), { rules: [aRule()] })).id as RuleSetId;
    const edit = (key: string) => updateRuleSet(deps, asked(key), id, { description: key }, undefined);
    for (let n = 1; n < MAX_EDITORS; n++) assert.equal(bodyOf(await edit(`key_${n}`)).code, undefined);
    assert.equal(bodyOf(await edit("key_late")).code, "limit_reached");
    assert.equal(bodyOf(await edit("key_1")).code, undefined, "one of them goes on");
    for (const key of ["key_creator", "key_1", "key_2", `key_${MAX_EDITORS - 1}`])
      assert.equal(bodyOf(await activateRuleSet(deps, asked(key), id, undefined)).code, "second_person_required");
  });
});

describe("a list", () => {
  it(`has ${MAX_ENTRIES} entries at most`, async () => {
    const { node, asked, bodyOf, list } = bench();
    const { deps, store } = node();
    const id = await list({ ...node(), deps }, "full");
    const stored = await store.get("smartfinance-risk-lists", { hash: id });
    assert.ok(stored);
    const full = { ...ruleLists.fromItem(stored), size: MAX_ENTRIES - 1 };
    await store.commit([{ op: "put", table: "smartfinance-risk-lists", item: ruleLists.toItem(full), condition: "none" }]);
    assert.equal(bodyOf(await addEntries(deps, asked(), id, ["a", "b"])).code, "limit_reached");
    const added = bodyOf(await addEntries(deps, asked(), id, ["a"]));
    assert.equal((added as { readonly size?: number }).size, MAX_ENTRIES);
    assert.equal(bodyOf(await addEntries(deps, asked(), id, ["b"])).code, "limit_reached");
  });
});
