import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Familiar, familiarity, remember } from "./familiar.ts";

const DAY = 24 * 60;
const NOW = 1_000_000;

const rows: readonly (readonly [string, Familiar, number, string])[] = [
  ["settled", [7, NOW - DAY], 7, "known"],
  ["founding", [7, 0], 7, "known"],
  ["not settled beside a settled one", [8, NOW - DAY + 1, 7, 0], 8, "new"],
  ["not settled and alone", [8, NOW - DAY + 1], 8, "first"],
  ["unknown", [7, 0], 9, "new"],
  ["unknown, none settled", [8, NOW], 9, "first"],
  ["none at all", [], 9, "first"],
  ["not given, some settled", [8, NOW, 7, 0], 0, "withheld"],
  ["not given, none settled", [8, NOW], 0, "absent"],
  ["not given, none at all", [], 0, "absent"],
  ["first seen in the future", [7, NOW + 5], 7, "first"],
];
for (const [name, list, key, expected] of rows) {
  test(`familiarity: ${name}`, () => assert.equal(familiarity(list, key, NOW), expected));
}

test("familiarity: what came with a new customer is known at once, also when a clock begins at 0", () => {
  assert.equal(familiarity([7, 0], 7, 5), "known");
});

test("remember: the most recently used stands first and keeps its first sight", () => {
  assert.deepEqual(remember([1, 10, 2, 20, 3, 30], 3, NOW, false, 6), [3, 30, 1, 10, 2, 20]);
  assert.deepEqual(remember([1, 10], 2, NOW, false, 6), [2, NOW, 1, 10]);
  const same: Familiar = [1, 10, 2, 20];
  assert.equal(remember(same, 1, NOW, false, 6), same, "nothing is copied when nothing changes");
  assert.equal(remember(same, 0, NOW, true, 6), same, "what is not given is not remembered");
});

test("remember: only the first entry of a new customer is trusted at once", () => {
  assert.deepEqual(remember([], 1, NOW, true, 6), [1, 0]);
  assert.deepEqual(remember([], 1, NOW, false, 6), [1, NOW]);
  assert.deepEqual(remember([1, 0], 2, NOW, true, 6), [2, NOW, 1, 0]);
  assert.deepEqual(remember([], 1, 0, false, 6), [1, 1], "the minute 0 is reserved");
});

test("remember: the earlier first sight is the true one", () => {
  assert.deepEqual(remember([1, NOW + 500], 1, NOW, false, 6), [1, NOW]);
});

test("remember: a burst of new keys cannot push out settled ones", () => {
  let list: Familiar = [1, 0, 2, 10, 3, 20];
  for (let key = 100; key < 200; key++) list = remember(list, key, NOW, false, 4);
  assert.deepEqual(list, [199, NOW, 1, 0, 2, 10, 3, 20]);
});

test("remember: when all are settled the longest unused makes room", () => {
  assert.deepEqual(remember([1, 0, 2, 10], 3, NOW, false, 2), [3, NOW, 1, 0]);
});

test("remember: never more than the capacity, never a key twice, the key always in front", () => {
  const use = fc.record({ key: fc.integer({ min: 1, max: 12 }), wait: fc.integer({ min: -100, max: 2000 }) });
  fc.assert(
    fc.property(
      fc.array(use, { maxLength: 100, size: "max" }),
      fc.boolean(),
      fc.integer({ min: 1, max: 6 }),
      (uses, founding, capacity) => {
        let list: Familiar = [];
        let minute = NOW;
        for (const { key, wait } of uses) {
          minute += wait;
          list = remember(list, key, minute, founding, capacity);
          const keys = list.filter((_, i) => i % 2 === 0);
          assert.equal(keys[0], key);
          assert.ok(list.length <= 2 * capacity && list.length % 2 === 0);
          assert.equal(new Set(keys).size, keys.length);
        }
      },
    ),
  );
});
