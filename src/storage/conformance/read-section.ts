import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InvariantError } from "#kernel/assert.ts";
import type { Item } from "../port.ts";
import { account, assertCommitted, put, putAbsent, refOf, type Section, seed, unique, useHarness, textOf } from "./harness.ts";

const META = "smartfinance-meta";
const ACCOUNTS = "smartfinance-accounts";

/** Values JSON can say and every engine must give back unchanged. */
const shapes: Readonly<Record<string, Item>> = {
  empty_string: { value: "" },
  unicode: { value: "Zürich 東京 🏦 e\u0301 \u00e9 \u202eabc \ufeff" },
  controls: { value: 'quote " backslash \\ newline \n tab \t nul \u0000 del \u007f \u2028' },
  looks_like_other_things: { number: "12", flag: "true", nothing: "null", json: '{"a":1}', date: "2026-11-22T18:31:00.123Z" },
  safe_integers: { max: Number.MAX_SAFE_INTEGER, min: Number.MIN_SAFE_INTEGER, zero: 0, one: 1, minus: -1 },
  floats: { tenth: 0.1, sum: 0.1 + 0.2, small: 1.5e-7, tiny: 1e-100, minus: -0.25, digits: 0.8333333333333334 },
  booleans_and_null: { yes: true, no: false, nothing: null },
  nested: { list: [1, "two", [3, [4, { five: [] }]], {}, null, true], object: { a: { b: { c: { d: "e" } } } }, empty_list: [], empty: {} },
  names: { "": "empty name", "a b": 1, ключ: 2, "a.b": 3, "#n": 4, ":v": 5, "$.x": 6, constructor: "c", toString: "t", length: 3 },
  long: { value: "x".repeat(20_000) },
};

/** JSON as items may hold it: numbers as the port allows them, names and strings well-formed. */
const jsonValue = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.string({ unit: "grapheme", maxLength: 20 }),
    fc.maxSafeInteger(),
    fc.double({ min: -1e9, max: 1e9, noNaN: true }).map((n) => (Number.isInteger(n) ? Math.trunc(n) + 0 : Number(n.toPrecision(15)))),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(
      fc.string({ maxLength: 8 }).filter((name) => name !== "__proto__"),
      tie("value"),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
})).value;

/** `get` and `getMany`. */
export function readSection(section: Section): void {
  void describe("get and getMany", () => {
    const harness = useHarness(section);

    for (const [name, shape] of Object.entries(shapes)) {
      void it(`gives back ${name.replaceAll("_", " ")} unchanged`, async () => {
        const { store } = harness();
        const item = { ...shape, id: unique("meta") };
        const before = structuredClone(item);
        assertCommitted(await store.commit([putAbsent(META, item)]));
        assert.deepEqual(item, before, "the store changed the item it was handed");
        assert.deepEqual(await store.get(META, { hash: item.id }), before);
        // Tables kept in memory and tables with indexes may go other ways.
        const hot = account(unique("acc"), 1, shape);
        assertCommitted(await store.commit([putAbsent(ACCOUNTS, hot)]));
        assert.deepEqual(await store.get(ACCOUNTS, { hash: textOf(hot, "id") }), hot);
      });
    }

    void it("gives back any JSON unchanged", async () => {
      const { store } = harness();
      await fc.assert(
        fc.asyncProperty(jsonValue, async (value) => {
          const item = JSON.parse(JSON.stringify({ id: unique("meta"), value })) as Item;
          assertCommitted(await store.commit([putAbsent(META, item)]));
          assert.deepEqual(await store.get(META, { hash: textOf(item, "id") }), item);
        }),
        { numRuns: section.options.runs },
      );
    });

    void it("takes keys of any letters and keeps them apart", async () => {
      const { store } = harness();
      const stem = unique("k");
      const keys = ["a", "A", "a ", " a", "ä", "a\u0308", "a/b", "a#b", "a%00", "'; --", "🏦", "a".repeat(500)].map(
        (tail) => `${stem}${tail}`,
      );
      await seed(
        store,
        keys.map((id, n) => putAbsent(META, { id, n })),
      );
      for (const [n, id] of keys.entries()) assert.deepEqual(await store.get(META, { hash: id }), { id, n });
    });

    void it("knows nothing of a missing key, also in the other tables", async () => {
      const { store } = harness();
      const id = unique("meta");
      assertCommitted(await store.commit([putAbsent(META, { id })]));
      assert.equal(await store.get(META, { hash: `${id}x` }), undefined);
      assert.equal(await store.get("smartfinance-data-keys", { hash: id }), undefined);
      assert.equal(await store.get("smartfinance-transactions", { hash: id, range: id }), undefined);
    });

    void it("reads many in the order asked, with gaps and repeats", async () => {
      const { store } = harness();
      const one = { id: unique("meta"), n: 1 };
      const two = account(unique("acc"), 1);
      const three = { partition: unique("p"), id: "txn", n: 3 };
      await seed(store, [putAbsent(META, one), putAbsent(ACCOUNTS, two), putAbsent("smartfinance-transactions", three)]);
      const missing = { table: META, key: { hash: unique("none") } } as const;
      const refs = [refOf("smartfinance-transactions", three), missing, refOf(META, one), refOf(ACCOUNTS, two), refOf(META, one), missing];
      assert.deepEqual(await store.getMany(refs), [three, undefined, one, two, one, undefined]);
      assert.deepEqual(await store.getMany([]), []);
    });

    void it("reads 1,000 at once and refuses 1,001", async () => {
      const { store } = harness();
      const items = Array.from({ length: 1_000 }, (_, n) => ({ id: unique("meta"), n }));
      await seed(
        store,
        items.map((item) => put(META, item)),
      );
      const refs = items.map((item) => refOf(META, item)).toReversed();
      assert.deepEqual(await store.getMany(refs), items.toReversed());
      await assert.rejects(async () => store.getMany([...refs, ...refs.slice(0, 1)]), InvariantError);
    });
  });
}
