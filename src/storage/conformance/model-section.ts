import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createMemoryDatabase } from "../memory/database.ts";
import { openMemoryStore } from "../memory/memory-store.ts";
import type { Condition, Item, Key, Query, Store, Write } from "../port.ts";
import { stateHash, type TableItem } from "../state-hash.ts";
import { type TableName, tableNames } from "../tables.ts";
import { keyOf, refText } from "../validate-commit.ts";
import { assertCommitted, assertConflict, collect, eventually, type Section, unique, useHarness, textOf } from "./harness.ts";

/** The trivial model: one map. */
type Model = Map<string, TableItem>;

interface Slot {
  readonly table: TableName;
  readonly name: "a" | "b" | "c";
}
interface Step {
  readonly slot: Slot;
  readonly op: "put" | "delete" | "check";
  readonly condition: "absent" | "none" | "current" | "stale";
  readonly payload: number;
  readonly status?: "open" | "closed" | undefined;
}

const modelled = ["smartfinance-accounts", "smartfinance-transactions", "smartfinance-reviews", "smartfinance-meta"] as const;

const step: fc.Arbitrary<Step> = fc.record({
  slot: fc.record({ table: fc.constantFrom(...modelled), name: fc.constantFrom("a", "b", "c") }),
  op: fc.constantFrom("put", "put", "put", "delete", "check"),
  // Weighted so that whole commits pass often enough to build up a state.
  condition: fc.constantFrom("none", "current", "current", "current", "current", "absent", "stale"),
  payload: fc.integer({ min: -1_000, max: 1_000 }),
  status: fc.constantFrom(undefined, "open", "closed"),
});

const history = fc.array(fc.uniqueArray(step, { minLength: 1, maxLength: 5, selector: ({ slot }) => `${slot.table}/${slot.name}` }), {
  minLength: 1,
  maxLength: 15,
});

/** The item a step would put; fixed index attributes depend on the key alone. */
function itemOf(run: string, { slot, payload, status }: Step, version: number): Item {
  const item = { version, payload, id: `${run}-${slot.name}` };
  switch (slot.table) {
    case "smartfinance-accounts":
      return { ...item, user_id: `${run}-user`, organisation_id: `${run}-org` };
    case "smartfinance-transactions":
      return { ...item, partition: `${run}-p`, ...(status === undefined ? {} : { status_key: `${run}#${status}` }) };
    case "smartfinance-reviews":
      return { ...item, organisation_id: `${run}-org`, ...(status === undefined ? {} : { status_key: `${run}#${status}` }) };
    default:
      return item;
  }
}

function writeOf(run: string, one: Step, model: Model): Write {
  const { table } = one.slot;
  const bare = itemOf(run, one, 1);
  const key: Key = keyOf(table, bare);
  const current = versionIn(model, table, key);
  const wanted: Condition =
    one.condition === "current"
      ? current === undefined
        ? "absent"
        : { version: current }
      : one.condition === "stale"
        ? { version: (current ?? 0) + 1 }
        : one.condition;
  if (one.op === "put") return { op: "put", table, item: itemOf(run, one, (current ?? 0) + 1), condition: wanted };
  if (one.op === "delete") return { op: "delete", table, key, condition: wanted };
  return { op: "check", table, key, condition: wanted === "none" ? "absent" : wanted };
}

function versionIn(model: Model, table: TableName, key: Key): number | undefined {
  const version = model.get(refText(table, key))?.item["version"];
  return typeof version === "number" ? version : undefined;
}

/** The indexes of the writes whose condition fails in the model; where there are none, the commit is applied to it. */
function applyToModel(model: Model, writes: readonly Write[]): number[] {
  const keys = writes.map((write) => (write.op === "put" ? keyOf(write.table, write.item) : write.key));
  const failing = writes.flatMap(({ table, condition }, n) => {
    const key = keys[n];
    if (key === undefined || condition === "none") return [];
    const holds = condition === "absent" ? !model.has(refText(table, key)) : versionIn(model, table, key) === condition.version;
    return holds ? [] : [n];
  });
  if (failing.length > 0) return failing;
  for (const [n, write] of writes.entries()) {
    const ref = refText(write.table, keys[n] ?? { hash: "" });
    if (write.op === "put") model.set(ref, { table: write.table, item: write.item });
    else if (write.op === "delete") model.delete(ref);
  }
  return [];
}

/** Everything a run wrote, as the store's own reads tell it, against the model. */
async function assertSameReads(store: Store, model: Model, run: string, lagMs: number): Promise<void> {
  const slots = modelled.flatMap((table) => (["a", "b", "c"] as const).map((name) => ({ table, name })));
  const refs = slots.map((slot) => {
    const item = itemOf(run, { slot, op: "put", condition: "none", payload: 0 }, 1);
    return { table: slot.table, key: keyOf(slot.table, item) };
  });
  const expected = refs.map(({ table, key }) => model.get(refText(table, key))?.item);
  assert.deepEqual(await store.getMany(refs), expected);

  const listed = (table: TableName, attribute: string, value: string): Item[] =>
    [...model.values()]
      .filter((entry) => entry.table === table && entry.item[attribute] === value)
      .map(({ item }) => item)
      .toSorted((a, b) => (textOf(a, "id") < textOf(b, "id") ? -1 : 1));
  const page = { order: "ascending", limit: 2 } as const;
  const partition: Query = { ...page, table: "smartfinance-transactions", hash: `${run}-p` };
  assert.deepEqual(await collect(store, partition), listed("smartfinance-transactions", "partition", `${run}-p`));
  const indexed: readonly [TableName, string, string, string][] = [
    ["smartfinance-accounts", "UserAccountsIndex", "user_id", `${run}-user`],
    ["smartfinance-reviews", "OrganisationReviewsIndex", "organisation_id", `${run}-org`],
    ["smartfinance-reviews", "StatusReviewsIndex", "status_key", `${run}#open`],
    ["smartfinance-transactions", "StatusTransactionsIndex", "status_key", `${run}#open`],
    ["smartfinance-transactions", "StatusTransactionsIndex", "status_key", `${run}#closed`],
  ];
  await eventually(lagMs, async () => {
    for (const [table, index, attribute, hash] of indexed) {
      assert.deepEqual(await collect(store, { ...page, table, index, hash }), listed(table, attribute, hash));
    }
  });
}

/** Random histories against a map, and the same state hash as the memory store. */
export function modelSection(section: Section): void {
  void describe("model", () => {
    const harness = useHarness(section);

    void it("ends every random history as a plain map does, with the state hash of the memory store", async () => {
      const { store } = harness();
      const memory = openMemoryStore(createMemoryDatabase());
      const everything: Model = new Map();
      await fc.assert(
        fc.asyncProperty(history, async (commits) => {
          const run = unique("run");
          const model: Model = new Map();
          for (const steps of commits) {
            const writes = steps.map((one) => writeOf(run, one, model));
            const failing = applyToModel(model, writes);
            for (const result of [await store.commit(writes), await memory.commit(writes)]) {
              if (failing.length > 0) assertConflict(result, failing);
              else assertCommitted(result);
            }
          }
          await assertSameReads(store, model, run, section.options.lagMs);
          for (const [ref, entry] of model) everything.set(ref, entry);
        }),
        { numRuns: section.options.runs },
      );
      const hash = await stateHash(store.dump());
      assert.equal(hash, await stateHash(memory.dump()));
      assert.equal(hash, await stateHash(everything.values()));
      for await (const { table } of store.dump()) assert.ok(tableNames.includes(table));
    });
  });
}
