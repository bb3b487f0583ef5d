import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";
import fc from "fast-check";
import { InvariantError } from "#kernel/assert.ts";
import type { Item } from "../port.ts";
import { type Attributes, fromAttributes, storedBytes, toAttributes } from "./attributes.ts";
import { toTransactItems } from "./transact-items.ts";

const json = fc.dictionary(
  fc.string({ minLength: 1 }).filter((name) => name !== "__proto__"),
  // The AWS library loses this name, also within; it has a test of its own.
  fc.jsonValue({ noUnicodeString: false }).filter((value) => !JSON.stringify(value).includes("__proto__")),
  { noNullPrototype: true },
) as fc.Arbitrary<Item>;
const wire = (item: Item): Attributes => JSON.parse(JSON.stringify(toAttributes(item))) as Attributes;
const clean = (item: Item): unknown => JSON.parse(JSON.stringify(item));

describe("dynamodb attributes", () => {
  it("give back any JSON over the wire, whatever the double", () => {
    fc.assert(
      fc.property(json, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger(), (item, double, integer) => {
        const full: Item = { ...item, double: double === 0 ? 0 : double, integer };
        assert.deepEqual(fromAttributes(wire(full)), clean(full));
      }),
    );
  });

  it("keep a name that assignments take for the prototype", () => {
    for (const text of ['{"a":{"__proto__":[]}}', '{"__proto__":{"a":1}}', '{"l":[{"__proto__":"x","b":null}]}']) {
      const back = fromAttributes(wire(JSON.parse(text) as Item));
      assert.equal(JSON.stringify(back), text);
      assert.equal(Object.getPrototypeOf(back), Object.prototype);
    }
  });

  it("keep doubles beyond DynamoDB's numbers exactly", () => {
    for (const n of [
      5e-324,
      Number.MIN_VALUE,
      Number.MAX_VALUE,
      -Number.MAX_VALUE,
      1e-130,
      9.9e125,
      1e126,
      9.9e-131,
      0.1,
      2 ** 53 - 1,
      1e21,
    ]) {
      assert.equal(fromAttributes(wire({ n }))["n"], n);
    }
    assert.deepEqual(toAttributes({ n: 9.9e125 }), { n: { N: "9.9e+125" } });
    assert.ok("B" in (toAttributes({ n: 1e126 })["n"] ?? {}));
    for (const n of [Number.NaN, Number.POSITIVE_INFINITY]) assert.throws(() => toAttributes({ n }), InvariantError);
  });

  it("are what the AWS library makes of the same item", () => {
    fc.assert(
      fc.property(json, (item) => {
        const plain = clean(item) as Item;
        let expected: Record<string, AttributeValue>;
        try {
          expected = marshall(plain);
        } catch {
          // It refuses some numbers that we keep.
          return;
        }
        const ours = wire(plain);
        if (JSON.stringify(ours).includes('{"B":')) return;
        assert.deepEqual(ours, JSON.parse(JSON.stringify(expected)));
        assert.deepEqual(fromAttributes(ours), unmarshall(expected));
      }),
    );
  });

  it("leave out what is undefined", () => {
    assert.deepEqual(toAttributes({ a: undefined, b: { c: undefined } }), { b: { M: {} } });
  });

  it("count bytes as DynamoDB documents them", () => {
    assert.equal(storedBytes(toAttributes({ id: "é" })), 2 + 2);
    assert.equal(storedBytes(toAttributes({ a: null, b: true })), 4);
    assert.equal(storedBytes(toAttributes({ l: ["x", "y"] })), 1 + 3 + 2 * 2);
    assert.equal(storedBytes(toAttributes({ m: { k: "v" } })), 1 + 3 + 1 + 1 + 1);
    assert.ok(storedBytes(toAttributes({ n: Number.MAX_SAFE_INTEGER })) >= 1 + 9);
  });
});

describe("dynamodb sizes", () => {
  const put = (id: string, more: Item) => ({ op: "put", table: "smartfinance-meta", item: { id, ...more }, condition: "absent" }) as const;
  const texts = (...items: readonly Item[]) =>
    toTransactItems(
      items.map((item, n) => put(`id-${n}`, item)),
      (table) => table,
      390_000,
    );

  it("refuse an item over the limit by its JSON or as DynamoDB counts it", () => {
    assert.equal(texts({ filler: "x".repeat(380_000) }).length, 1);
    assert.throws(() => texts({ filler: "x".repeat(390_000) }), InvariantError);
    assert.throws(() => texts({ filler: "é".repeat(195_000) }), InvariantError);
    // 2 bytes of JSON to a digit and its comma, 4 in DynamoDB.
    assert.throws(() => texts({ digits: Array.from({ length: 150_000 }, () => 1) }), InvariantError);
  });

  it("refuse a commit over 4 MB in all", () => {
    const item = { filler: "x".repeat(300_000) };
    assert.equal(texts(...Array.from({ length: 13 }, () => item)).length, 13);
    assert.throws(() => texts(...Array.from({ length: 14 }, () => item)), InvariantError);
  });
});
