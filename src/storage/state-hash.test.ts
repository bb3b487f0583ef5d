import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { InvariantError } from "#kernel/assert.ts";
import { stateHash, type TableItem } from "./state-hash.ts";

const one: TableItem = { table: "smartfinance-meta", item: { id: "a", n: 1, list: [1, 2] } };
const two: TableItem = { table: "smartfinance-meta", item: { id: "b", n: 2 } };
const three: TableItem = { table: "smartfinance-data-keys", item: { id: "a", n: 1, list: [1, 2] } };

void describe("stateHash", () => {
  void it("is the sha-256 of the canonical lines in the order of their keys", async () => {
    const lines = '["smartfinance-meta",{"id":"a","list":[1,2],"n":1}]\n["smartfinance-meta",{"id":"b","n":2}]\n';
    assert.equal(await stateHash([one, two]), createHash("sha256").update(lines).digest("hex"));
    assert.equal(await stateHash([]), createHash("sha256").digest("hex"));
  });

  void it("does not depend on the order of items or attributes, nor on how they come", async () => {
    const hash = await stateHash([one, two, three]);
    assert.equal(await stateHash([three, two, { ...one, item: { list: [1, 2], n: 1, id: "a" } }]), hash);
    async function* dump(): AsyncGenerator<TableItem> {
      yield two;
      yield three;
      yield one;
    }
    assert.equal(await stateHash(dump()), hash);
  });

  void it("depends on every item, its table and its content", async () => {
    const variants: (readonly TableItem[])[] = [
      [one, two, three],
      [one, two],
      [one],
      [three],
      [{ ...one, item: { ...one.item, list: [2, 1] } }],
      [{ ...one, item: { ...one.item, n: "1" } }],
      [{ ...one, item: { ...one.item, more: null } }],
    ];
    const hashes = await Promise.all(variants.map(stateHash));
    assert.equal(new Set(hashes).size, variants.length);
  });

  void it("refuses a dump that gives a key twice", async () => {
    await assert.rejects(stateHash([one, two, one]), InvariantError);
  });
});
