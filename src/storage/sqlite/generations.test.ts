import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createGenerations } from "./generations.ts";
import { layoutFor, layouts } from "./layout.ts";

void describe("generations", () => {
  void it("find an item in the journal again after a transaction that removed and then forgot it was undone", () => {
    const accounts = layoutFor("smartfinance-accounts");
    const generations = createGenerations(layouts, { entries: 100, characters: 10_000, known: 2 });
    generations.learn(accounts, "a", 1);
    generations.defer(accounts, "a", 1, 2, 10);
    generations.learn(accounts, "b", 1);
    generations.keep();
    const mark = generations.mark();
    assert.equal(generations.place(accounts, "a", 0), true);
    generations.learn(accounts, "c", 1);
    assert.equal(generations.find(accounts, "a"), undefined, "there was room for two");
    generations.backTo(mark);
    // The row at its place has version 1 still.
    assert.deepEqual(generations.find(accounts, "a"), { hash: "a", version: 2, seq: 1, generation: 0 });
    assert.equal(generations.find(accounts, "c"), undefined);
  });
});
