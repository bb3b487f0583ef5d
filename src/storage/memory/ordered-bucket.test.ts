import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { compareUtf8, createOrderedBucket } from "./ordered-bucket.ts";

// Letters on both sides of the surrogates, so that UTF-16 and UTF-8 order differ.
const text = fc.string({ unit: fc.constantFrom("a", "b", "é", "\ud7ff", "\ue000", "\uff5e", "🏦", "\u{10ffff}"), maxLength: 4 });

void describe("ordered bucket", () => {
  void it("compares as the UTF-8 bytes do", () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        assert.equal(Math.sign(compareUtf8(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
    );
  });

  void it("pages through what a sorted list would give, in both orders, with bounds", () => {
    const bound = fc.option(text, { nil: undefined });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(text, fc.boolean())),
        bound,
        bound,
        fc.constantFrom("ascending" as const, "descending" as const),
        fc.integer({ min: 1, max: 5 }),
        (steps, from, to, order, limit) => {
          const bucket = createOrderedBucket();
          const model = new Set<string>();
          for (const [range, kept] of steps) {
            if (kept) {
              bucket.set({ range, ref: "r" }, { range });
              model.add(range);
            } else {
              bucket.remove({ range, ref: "r" });
              model.delete(range);
            }
          }
          assert.equal(bucket.size, model.size);
          const inside = [...model]
            .filter((range) => (from === undefined || compareUtf8(range, from) >= 0) && (to === undefined || compareUtf8(range, to) <= 0))
            .toSorted(compareUtf8);
          const expected = order === "ascending" ? inside : inside.toReversed();
          const seen: unknown[] = [];
          let cursor: string | undefined;
          for (let page = 0; page <= expected.length; page++) {
            const got = bucket.page({
              order,
              limit,
              ...(from === undefined ? {} : { from }),
              ...(to === undefined ? {} : { to }),
              ...(cursor === undefined ? {} : { cursor }),
            });
            assert.ok(got.items.length <= limit);
            seen.push(...got.items.map((item) => item["range"]));
            cursor = got.cursor;
            if (cursor === undefined) break;
          }
          assert.equal(cursor, undefined);
          assert.deepEqual(seen, expected);
        },
      ),
    );
  });

  void it("keeps items of equal range values apart by their keys", () => {
    const bucket = createOrderedBucket();
    for (const ref of ["b", "a", "c"]) bucket.set({ range: "same", ref }, { ref });
    bucket.set({ range: "same", ref: "b" }, { ref: "b", again: true });
    const first = bucket.page({ order: "ascending", limit: 2 });
    assert.deepEqual(first.items, [{ ref: "a" }, { ref: "b", again: true }]);
    assert.deepEqual(bucket.page({ order: "ascending", limit: 2, cursor: first.cursor ?? "" }), { items: [{ ref: "c" }] });
    bucket.remove({ range: "same", ref: "nobody" });
    assert.equal(bucket.size, 3);
  });
});
