import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newId } from "#test/support/builders.ts";
import type { Item, Store } from "#storage/index.ts";
import type { Credentials } from "./credentials.ts";
import { credentialsOf, newCredentials } from "./credentials.ts";
import { isOwnWord, wordEpoch } from "./owner-access.ts";

const T0 = 1_000_000;
const id = newId("operator");
const holding = (item: Item): Store => ({ get: () => Promise.resolve(item) }) as unknown as Store;
const itemOf = (compromised: Credentials["compromised"]): Item =>
  credentialsOf.toItem({ ...newCredentials(id, null), sessionEpoch: 5, compromised });

void describe("SOX-01 whose word an operator's is", () => {
  void it("by the count of his sessions, whatever the clocks say", async () => {
    const store = holding(itemOf({ until: T0, epoch: 5 }));
    assert.equal(await wordEpoch(store, id), 5);
    assert.equal(await isOwnWord(store, id, { at: T0 + 1, epoch: 4 }), false);
    assert.equal(await isOwnWord(store, id, { at: T0 - 1, epoch: 5 }), true);
    const away = holding(itemOf({ until: null, epoch: null }));
    assert.equal(await isOwnWord(away, id, { at: T0, epoch: 5 }), false);
    assert.equal(await isOwnWord(holding(itemOf(null)), id, { at: T0, epoch: 1 }), true);
  });

  void it("by the times where an earlier release noted no count, in the word or with him", async () => {
    const noted = holding(itemOf({ until: T0, epoch: 5 }));
    const { compromised: _, ...earliest } = itemOf(null);
    const earlier = holding({ ...earliest, compromised: { until: T0 } });
    for (const [store, epoch] of [
      [noted, null],
      [earlier, 4],
      [earlier, null],
    ] as const) {
      assert.equal(await isOwnWord(store, id, { at: T0, epoch }), false);
      assert.equal(await isOwnWord(store, id, { at: T0 + 1, epoch }), true);
    }
    assert.equal(await isOwnWord(holding(earliest), id, { at: 0, epoch: null }), true);
  });
});
