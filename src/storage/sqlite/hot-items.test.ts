import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Item } from "../port.ts";
import { createHotItems } from "./hot-items.ts";
import { layoutFor } from "./layout.ts";

const accounts = layoutFor("smartfinance-accounts");
const profiles = layoutFor("smartfinance-risk-profiles");

void describe("hot items", () => {
  void it("keep tables apart", () => {
    const hot = createHotItems(10);
    hot.written(accounts, "a", { of: "account" }, undefined);
    hot.written(profiles, "a", { of: "profile" }, 0);
    assert.deepEqual([hot.get(accounts, "a"), hot.get(profiles, "a")], [{ of: "account" }, { of: "profile" }]);
    hot.removed(accounts, "a");
    assert.deepEqual([hot.get(accounts, "a"), hot.get(profiles, "a"), hot.size()], [undefined, { of: "profile" }, 1]);
  });

  void it("hold what is used and forget what is not", () => {
    const hot = createHotItems(10);
    hot.read(accounts, "used", { n: -1 });
    for (let n = 0; n < 100; n++) {
      assert.deepEqual(hot.get(accounts, "used"), { n: -1 }, `after ${n}`);
      hot.read(accounts, `once-${n}`, { n });
      assert.ok(hot.size() <= 10);
    }
    assert.equal(hot.get(accounts, "once-0"), undefined);
  });

  void it("keep what is read ahead as text until it is asked for, and never put it over what is known", () => {
    const hot = createHotItems(10);
    hot.readAhead(accounts, "a", '{"of":"account"}');
    assert.deepEqual(hot.get(accounts, "a"), { of: "account" });
    assert.equal(hot.get(accounts, "a"), hot.get(accounts, "a"), "decoded once");
    hot.written(accounts, "b", { of: "newer" }, 0);
    hot.readAhead(accounts, "b", '{"of":"older"}');
    assert.deepEqual(hot.get(accounts, "b"), { of: "newer" });
    hot.removed(accounts, "a");
    assert.deepEqual([hot.get(accounts, "a"), hot.size()], [undefined, 1]);
  });

  void it("never lose an update before its generation is folded, never give an old one, and stay bounded", () => {
    type Step = { readonly kind: "write" | "place" | "remove" | "read" | "get" | "fold"; readonly key: number };
    const step: fc.Arbitrary<Step> = fc.record({
      kind: fc.constantFrom("write", "write", "place", "remove", "read", "get", "fold"),
      key: fc.nat({ max: 11 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.nat({ max: 4 }), (steps, capacity) => {
        const hot = createHotItems(capacity);
        const rows = new Map<string, Item>();
        const journal = new Map<string, Item>();
        let generation = 0;
        let version = 0;
        for (const { kind, key } of steps) {
          const hash = `k${key}`;
          const item = { version: ++version };
          if (kind === "write") {
            journal.set(hash, item);
            hot.written(accounts, hash, item, generation);
          } else if (kind === "place") {
            journal.delete(hash);
            rows.set(hash, item);
            hot.written(accounts, hash, item, undefined);
          } else if (kind === "remove") {
            journal.delete(hash);
            rows.delete(hash);
            hot.removed(accounts, hash);
          } else if (kind === "fold") {
            for (const [folded, value] of journal) rows.set(folded, value);
            journal.clear();
            hot.folded(generation++);
          } else {
            const found = hot.get(accounts, hash);
            const truth = journal.get(hash) ?? rows.get(hash);
            if (journal.has(hash)) assert.equal(found, truth);
            if (found !== undefined) assert.equal(found, truth);
            else if (kind === "read" && truth !== undefined) hot.read(accounts, hash, truth);
          }
          assert.ok(hot.size() >= journal.size);
        }
        // Whatever was pinned is forgotten again once it is folded and others come.
        hot.folded(generation);
        for (let n = 0; n < 50; n++) hot.read(accounts, `new-${n}`, { n });
        assert.ok(hot.size() <= capacity, `${hot.size()} held, ${capacity} allowed`);
      }),
    );
  });
});
