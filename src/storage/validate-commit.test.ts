import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InvariantError } from "#kernel/assert.ts";
import type { Item, Key, Query, Write } from "./port.ts";
import { assertStorable, jsonBytes, keyOf, READ_LIMIT, refText, validateCommit, validateQuery, validateRefs } from "./validate-commit.ts";

const LIMITS = { writesPerCommit: 3, itemBytes: 100 };
const META = "smartfinance-meta";
const TRANSACTIONS = "smartfinance-transactions";

const put = (item: Item, condition: Write["condition"] = "none", table: Write["table"] = META): Write => ({
  op: "put",
  table,
  item,
  condition,
});
const refused = (writes: readonly Write[], message: RegExp): void => {
  assert.throws(() => validateCommit(writes, LIMITS, jsonBytes), { name: "InvariantError", message });
};

void describe("validateCommit", () => {
  void it("takes what the port allows", () => {
    validateCommit([put({ id: "a" })], LIMITS, jsonBytes);
    validateCommit(
      [
        put({ id: "a", version: 2 }, { version: 1 }),
        { op: "delete", table: TRANSACTIONS, key: { hash: "a", range: "b" }, condition: "none" },
        { op: "check", table: TRANSACTIONS, key: { hash: "a", range: "c" }, condition: "absent" },
      ],
      LIMITS,
      jsonBytes,
    );
    validateCommit([put({ partition: "p", event_id: "e" }, "absent", "smartfinance-audit-logs")], LIMITS);
    validateCommit([put({ id: "r", status_key: "open" }, "none", "smartfinance-reviews")], LIMITS);
  });

  void it("refuses none and too many writes", () => {
    refused([], /no writes/);
    refused(
      ["a", "b", "c", "d"].map((id) => put({ id })),
      /4 writes, the most is 3/,
    );
  });

  void it("refuses a key twice, across operations, but not in two tables", () => {
    refused([put({ id: "a" }), put({ id: "a", more: 1 })], /twice/);
    refused([put({ id: "a" }), { op: "delete", table: META, key: { hash: "a" }, condition: "none" }], /twice/);
    validateCommit([put({ id: "a" }), put({ id: "a" }, "none", "smartfinance-data-keys")], LIMITS);
  });

  void it("refuses bad keys", () => {
    for (const item of [{}, { id: "" }, { id: 1 }, { id: null }, { id: undefined }] satisfies Item[]) refused([put(item)], /id is not/);
    refused([put({ partition: "p" }, "none", TRANSACTIONS)], /id is not/);
    const remove = (key: Key, table: Write["table"]): Write => ({ op: "delete", table, key, condition: "none" });
    refused([remove({ hash: "a" }, TRANSACTIONS)], /range of a key/);
    refused([remove({ hash: "a", range: "b" }, META)], /no range attribute/);
    refused([remove({ hash: "" }, META)], /hash of a key/);
    refused([put({ id: "a" }, "none", "nowhere" as Write["table"])], /nowhere: there is no such table/);
  });

  void it("refuses index attributes that no engine can index", () => {
    for (const status of [null, 1, "", []] as const) {
      refused([put({ id: "r", status_key: status }, "none", "smartfinance-reviews")], /status_key is not/);
    }
  });

  void it("refuses unsound versions and conditions", () => {
    refused([put({ id: "a" }, { version: 1 })], /no version of its own/);
    for (const version of ["1", 0, -1, 1.5] as const) refused([put({ id: "a", version }, { version: 1 })], /no version of its own/);
    for (const condition of ["absent", "none"] as const)
      for (const version of ["1", null, 0, -1, 1.5, 2 ** 53] as const)
        refused([put({ id: "a", version }, condition)], /version of an item is not/);
    for (const version of [0, -1, 1.5, Number.NaN]) refused([put({ id: "a", version: 1 }, { version })], /version of a condition/);
    refused([put({ id: "a" }, "never" as "none")], /unknown condition/);
    refused([{ op: "check", table: META, key: { hash: "a" }, condition: "none" as "absent" }], /check without/);
  });

  void it("lets the feed table only grow", () => {
    const item = { partition: "p", event_id: "e" };
    const key = { hash: "p", range: "e" };
    refused([put(item, "none", "smartfinance-audit-logs")], /only ever put as absent/);
    refused([put({ ...item, version: 2 }, { version: 1 }, "smartfinance-audit-logs")], /only ever put as absent/);
    refused([{ op: "delete", table: "smartfinance-audit-logs", key, condition: "none" }], /only ever put as absent/);
    validateCommit([{ op: "check", table: "smartfinance-audit-logs", key, condition: "absent" }], LIMITS);
  });

  void it("counts an item's UTF-8 bytes", () => {
    const room = LIMITS.itemBytes - jsonBytes({ id: "a", text: "" });
    validateCommit([put({ id: "a", text: "x".repeat(room) })], LIMITS, jsonBytes);
    refused([put({ id: "a", text: "x".repeat(room + 1) })], /101 bytes, the most is 100/);
    refused([put({ id: "a", text: "é".repeat(room) })], /bytes, the most/);
    validateCommit([put({ id: "a", text: "x".repeat(room + 1) })], LIMITS);
  });
});

void describe("validateRefs and validateQuery", () => {
  void it("bound what is read", () => {
    const ref = { table: META, key: { hash: "a" } } as const;
    validateRefs(Array.from({ length: READ_LIMIT }, () => ref));
    assert.throws(() => validateRefs(Array.from({ length: READ_LIMIT + 1 }, () => ref)), InvariantError);
    assert.throws(() => validateRefs([{ table: TRANSACTIONS, key: { hash: "a" } }]), InvariantError);
    const query: Query = { table: TRANSACTIONS, hash: "h", order: "ascending", limit: 1 };
    validateQuery(query);
    validateQuery({ ...query, index: "StatusTransactionsIndex", limit: READ_LIMIT, from: "a", to: "b" });
    for (const limit of [0, READ_LIMIT + 1, 1.5]) assert.throws(() => validateQuery({ ...query, limit }), InvariantError);
    assert.throws(() => validateQuery({ ...query, index: "UserAccountsIndex" }), InvariantError);
    assert.throws(() => validateQuery({ ...query, hash: "" }), InvariantError);
    assert.throws(() => validateQuery({ ...query, table: META, from: "a" }), InvariantError);
  });
});

void describe("keys", () => {
  void it("are read from the table's attributes", () => {
    assert.deepEqual(keyOf(META, { id: "a", range: "b" }), { hash: "a" });
    assert.deepEqual(keyOf(TRANSACTIONS, { partition: "p", id: "t" }), { hash: "p", range: "t" });
  });

  void it("have texts that differ whenever they differ", () => {
    const key = fc.record({
      hash: fc.string({ unit: fc.constantFrom("a", "/", "1", "\0") }),
      range: fc.string({ unit: fc.constantFrom("a", "/", "1", "\0") }),
    });
    fc.assert(
      fc.property(key, key, (a, b) => {
        const same = a.hash === b.hash && a.range === b.range;
        assert.equal(refText(TRANSACTIONS, a) === refText(TRANSACTIONS, b), same);
      }),
    );
    assert.notEqual(refText(META, { hash: "a" }), refText("smartfinance-data-keys", { hash: "a" }));
  });
});

void describe("assertStorable", () => {
  void it("takes JSON", () => {
    assertStorable({ a: [1, "é", null, true, { b: 0.5 }], c: {}, max: Number.MAX_SAFE_INTEGER });
  });

  void it("names the path of what no engine keeps", () => {
    const cases: readonly (readonly [unknown, RegExp])[] = [
      [{ a: undefined }, /item\.a is undefined/],
      [{ a: [1, undefined] }, /item\.a\[1\] is undefined/],
      // oxlint-disable-next-line no-sparse-arrays
      [{ a: [1, , 2] }, /item\.a\[1\] is undefined/],
      [{ a: Number.NaN }, /item\.a is not a finite/],
      [{ a: Number.POSITIVE_INFINITY }, /item\.a is not a finite/],
      [{ a: { b: 2 ** 53 } }, /item\.a\.b is not a safe integer/],
      [{ a: 1e300 }, /not a safe integer/],
      [{ a: 1n }, /item\.a is bigint/],
      [{ a: new Date(0) }, /item\.a is not a plain object/],
      [{ a: new Map() }, /item\.a is not a plain object/],
      [{ a: "\ud800" }, /item\.a is not well-formed/],
      [{ "\udc00": 1 }, /forbidden name/],
      [JSON.parse('{"__proto__":1}'), /forbidden name/],
    ];
    for (const [item, message] of cases) assert.throws(() => assertStorable(item as Item), { name: "InvariantError", message });
    let deep: Item = {};
    for (let i = 0; i < 40; i++) deep = { deep };
    assert.throws(() => assertStorable(deep), /too deeply/);
  });
});
