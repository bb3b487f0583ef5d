import assert from "node:assert/strict";
import { test } from "node:test";
import { familiarity, familiarityOf, findKnown, type Known, NOTHING_KNOWN, remember, SETTLE_MINUTES } from "./known.ts";
import { findPair, learnPair, type Pair, pairFamiliarity } from "./pair.ts";
import { MINUTE } from "./test-kit.ts";
import { remembered } from "./tiers.ts";

const how = (list: Known, key: number, minute: number): number => familiarityOf(list, findKnown(list, key), minute);

test("a device is first, then recent, then the payer's own; another one is foreign from then on", () => {
  assert.equal(how(NOTHING_KNOWN, 7, 100), familiarity.first);
  assert.equal(how(NOTHING_KNOWN, 0, 100), familiarity.first);
  const list = remember(NOTHING_KNOWN, 7, 100, 3);
  assert.equal(how(list, 7, 100 + SETTLE_MINUTES - 1), familiarity.recent);
  assert.equal(how(list, 8, 100 + SETTLE_MINUTES - 1), familiarity.first);
  assert.equal(how(list, 7, 100 + SETTLE_MINUTES), familiarity.own);
  assert.equal(how(list, 8, 100 + SETTLE_MINUTES), familiarity.foreign);
  assert.equal(how(list, 0, 100 + SETTLE_MINUTES), familiarity.foreign, "withheld is as foreign as new");
});

test("a burst of made-up devices pushes out none of the payer's own", () => {
  let list = remember(remember(NOTHING_KNOWN, 1, 10, 3), 2, 20, 3);
  for (let key = 100; key < 200; key++) list = remember(list, key, 5000 + key, 3);
  assert.equal(list.length, 9);
  assert.equal(how(list, 1, 6000), familiarity.own);
  assert.equal(how(list, 2, 6000), familiarity.own);
});

test("a list full of own devices gives up the longest unused", () => {
  let list: Known = NOTHING_KNOWN;
  for (const key of [1, 2, 3, 1]) list = remember(list, key, key * 10, 3);
  list = remember(list, 4, 10_000, 3);
  assert.deepEqual(
    [1, 2, 3, 4].map((key) => findKnown(list, key) >= 0),
    [true, false, true, true],
  );
});

const pay = (pairs: readonly Pair[], key: number, minute: number, outcome: "posted" | "held" = "posted"): readonly Pair[] =>
  learnPair(pairs, key, minute * MINUTE, 500, outcome);

test("held payments count between two, and make the payee no less foreign", () => {
  const held = pay([], 7, 100, "held");
  const pair = findPair(held, 7);
  assert.deepEqual(pair?.short.slice(1), [1, 500]);
  assert.equal(pairFamiliarity(held, pair, 100 + SETTLE_MINUTES), familiarity.first);
  const posted = pay(held, 7, 200);
  assert.equal(pairFamiliarity(posted, findPair(posted, 7), 200), familiarity.recent);
  assert.equal(pairFamiliarity(posted, findPair(posted, 7), 200 + SETTLE_MINUTES), familiarity.own);
  assert.equal(pairFamiliarity(posted, findPair(posted, 8), 200 + SETTLE_MINUTES), familiarity.foreign);
});

test("held payments push out none of the payer's own payees, posted ones the longest unpaid", () => {
  let pairs: readonly Pair[] = [];
  for (let key = 1; key <= remembered.pairs; key++) pairs = pay(pairs, key, key);
  const held = pay(pairs, 99, 5000, "held");
  assert.equal(held, pairs);
  const posted = pay(pairs, 99, 5000);
  assert.equal(posted.length, remembered.pairs);
  assert.equal(findPair(posted, 1), undefined);
  assert.equal(posted[0]?.key, 99);
});

test("pairs at rest give up their buckets", () => {
  const pairs = pay(pay([], 1, 100), 2, 100 + 60 * 24 * 60);
  assert.deepEqual([findPair(pairs, 1)?.short, findPair(pairs, 1)?.weeks], [[], []]);
});
