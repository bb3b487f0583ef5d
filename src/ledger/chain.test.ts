import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newId, T0 } from "#test/support/builders.ts";
import type { TransactionId } from "#kernel/ids.ts";
import { append, emptyChain, SKIP, stepsBack } from "./chain.ts";

const LENGTH = 10_000;

void describe("append", () => {
  void it("links each to the one before, and back by every power of 16 that divides its number", () => {
    const ids: TransactionId[] = [];
    let chain = emptyChain;
    for (let n = 1; n <= LENGTH; n++) {
      const id = newId("transaction");
      const appended = append(chain, id, T0 + n);
      const { link } = appended;
      assert.equal(link.number, n);
      assert.equal(link.previous, ids.at(-1) ?? null);
      const wanted: (TransactionId | null)[] = [];
      for (let power = SKIP; n % power === 0; power *= SKIP) wanted.push(ids[n - power - 1] ?? null);
      assert.deepEqual(link.skips, wanted, `skips of link ${n}`);
      const steps = stepsBack(link);
      for (const step of steps) assert.equal(ids[step.number - 1], step.transaction, `link ${n} to ${step.number}`);
      const numbers = steps.map(({ number }) => number);
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
        "the farthest comes first",
      );
      assert.equal(numbers.at(-1), n === 1 ? undefined : n - 1);
      ids.push(id);
      ({ chain } = appended);
    }
    assert.deepEqual([chain.length, chain.last, chain.at], [LENGTH, ids.at(-1), T0 + LENGTH]);
    assert.equal(chain.marks.length, 3, "marks grow with the logarithm");
  });

  void it("leaves the chain it was given as it was", () => {
    let chain = emptyChain;
    for (let n = 1; n <= 31; n++) ({ chain } = append(chain, newId("transaction"), T0));
    const before = structuredClone(chain);
    append(chain, newId("transaction"), T0);
    assert.deepEqual(chain, before);
    assert.deepEqual(emptyChain, { length: 0, last: null, marks: [], at: 0 });
  });
});
