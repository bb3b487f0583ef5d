import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MAX_MINOR } from "#kernel/money.ts";
import { type AmountHistory, learnAmount, scoreAmount, withHistory } from "./amount-history.ts";

const DAY = 24 * 60;
const NOW = 30_000_000;

function learn(amounts: readonly bigint[], founding = true, minute = NOW - 30 * DAY): AmountHistory {
  let history: AmountHistory | undefined;
  for (const amount of amounts) history = learnAmount(history, "EUR", amount, minute, founding);
  assert.ok(history !== undefined);
  return history;
}
const times = (count: number, amount: bigint): bigint[] => Array.from({ length: count }, () => amount);

const withoutHistory: readonly (readonly [string, bigint, number])[] = [
  ["EUR", 1n, 500],
  ["EUR", 2500n, 500],
  ["EUR", 5000n, 500],
  ["EUR", 5001n, 1000],
  ["EUR", 20_001n, 2500],
  ["EUR", 100_001n, 5000],
  ["EUR", 500_001n, 8000],
  ["EUR", 2_500_000n, 8000],
  ["EUR", 2_500_001n, 10_000],
  ["EUR", MAX_MINOR, 10_000],
  ["JPY", 5000n, 500],
  ["KRW", 30_000n, 500],
  ["IDR", 50_000_000n, 500],
  ["KWD", 5001n, 1000],
];
for (const [currency, amount, expected] of withoutHistory) {
  test(`without history ${amount} minor units of ${currency} score ${expected}`, () => {
    assert.equal(scoreAmount(undefined, currency, amount, NOW), expected);
  });
}

// The customer's mean is 100.00, the largest payment 100.00.
const withHistoryRows: readonly (readonly [bigint, number])[] = [
  [1n, 0],
  [20_000n, 0],
  [20_001n, 1000],
  [30_001n, 3000],
  [50_001n, 6000],
  [100_001n, 8500],
  [200_000n, 8500],
  [200_001n, 10_000],
  [MAX_MINOR, 10_000],
];
for (const [amount, expected] of withHistoryRows) {
  test(`against a mean of 10000, ${amount} scores ${expected}`, () => {
    assert.equal(scoreAmount(learn(times(10, 10_000n)), "EUR", amount, NOW), expected);
  });
}

test("many times a small mean is still no large payment", () => {
  const coffee = learn(times(20, 300n));
  assert.equal(scoreAmount(coffee, "EUR", 5000n, NOW), 1000);
  assert.equal(scoreAmount(coffee, "EUR", 20_000n, NOW), 4000);
  assert.equal(scoreAmount(coffee, "EUR", 100_000n, NOW), 8000);
  assert.equal(scoreAmount(coffee, "EUR", 100_001n, NOW), 10_000);
});

test("below five payments the absolute steps decide, below a day the worse of both", () => {
  assert.equal(scoreAmount(learn(times(4, 1_000_000n)), "EUR", 1_000_000n, NOW), 8000);
  assert.equal(scoreAmount(learn(times(5, 1_000_000n)), "EUR", 1_000_000n, NOW), 0);
  assert.equal(scoreAmount(learn(times(5, 1_000_000n), true, NOW), "EUR", 1_000_000n, NOW), 8000);
  assert.equal(scoreAmount(learn(times(5, 2000n), true, NOW), "EUR", 200_000n, NOW), 10_000);
});

test("an amount once paid is no surprise, but only after a day", () => {
  const base = learn(times(20, 3000n));
  const rent = learnAmount(base, "EUR", 150_000n, NOW, false);
  assert.equal(scoreAmount(rent, "EUR", 150_000n, NOW + DAY - 1), 10_000);
  assert.equal(scoreAmount(rent, "EUR", 150_000n, NOW + DAY), 2000);
  assert.equal(scoreAmount(rent, "EUR", 150_001n, NOW + DAY), 10_000);
  const promoted = learnAmount(rent, "EUR", 3000n, NOW + DAY, false);
  assert.deepEqual([promoted.max, promoted.pending, promoted.pendingSince], [150_000n, 0n, 0]);
});

test("a larger pending amount begins its day anew, a smaller one changes nothing", () => {
  const first = learnAmount(learn(times(20, 3000n)), "EUR", 100_000n, NOW, false);
  const smaller = learnAmount(first, "EUR", 90_000n, NOW + 60, false);
  assert.deepEqual([smaller.pending, smaller.pendingSince], [100_000n, NOW]);
  const larger = learnAmount(first, "EUR", 200_000n, NOW + 60, false);
  assert.deepEqual([larger.pending, larger.pendingSince], [200_000n, NOW + 60]);
});

test("a burst of large payments does not make itself usual", () => {
  let history = learn(times(20, 5000n));
  for (let n = 0; n < 10; n++) {
    assert.equal(scoreAmount(history, "EUR", 500_000n, NOW + n), 10_000);
    history = learnAmount(history, "EUR", 500_000n, NOW + n, false);
  }
  assert.equal(scoreAmount(history, "EUR", 500_000n, NOW + 10), 10_000);
});

test("a customer who comes to spend more is learnt with time", () => {
  let history = learn(times(20, 6000n));
  for (let day = 0; day < 60; day++) history = learnAmount(history, "EUR", 30_000n, NOW + day * DAY, false);
  assert.equal(scoreAmount(history, "EUR", 30_000n, NOW + 60 * DAY), 0);
});

test("an old maximum fades", () => {
  let history = learn([1_000_000n, ...times(10, 5000n)]);
  for (let n = 0; n < 2000; n++) history = learnAmount(history, "EUR", 5000n, NOW, false);
  assert.ok(history.max < 10_000n, String(history.max));
});

test("the first amount in a currency is trusted at once only of a new customer", () => {
  assert.equal(learn([700n], true).max, 700n);
  assert.deepEqual([learn([700n], false).max, learn([700n], false).pending], [0n, 700n]);
});

const amounts = fc.array(fc.oneof(fc.bigInt({ min: 1n, max: 100_000n }), fc.bigInt({ min: 1n, max: MAX_MINOR })), {
  minLength: 1,
  maxLength: 200,
  size: "max",
});

test("whatever is paid, the history stays within the largest amount and its mean above zero", () => {
  fc.assert(
    fc.property(amounts, fc.boolean(), (paid, founding) => {
      const { count, sum, max, pending } = learn(paid, founding);
      assert.ok(count >= 1 && count <= 64);
      assert.ok(sum >= BigInt(count) && sum <= MAX_MINOR);
      assert.ok(max >= 0n && max <= MAX_MINOR && pending >= 0n && pending <= MAX_MINOR);
    }),
  );
});

test("the largest amounts saturate", () => {
  const { sum, max } = learn(times(500, MAX_MINOR));
  assert.deepEqual([sum, max], [MAX_MINOR, MAX_MINOR]);
});

test("the factor never falls as the amount grows", () => {
  const amount = fc.bigInt({ min: 1n, max: 10_000_000n });
  fc.assert(
    fc.property(amounts, fc.boolean(), amount, amount, fc.integer({ min: 0, max: 60 * DAY }), (paid, founding, a, b, age) => {
      const history = learn(paid, founding);
      const [small, large] = a < b ? [a, b] : [b, a];
      const minute = NOW - 30 * DAY + age;
      assert.ok(scoreAmount(history, "EUR", small, minute) <= scoreAmount(history, "EUR", large, minute));
    }),
  );
});

test("four currencies are kept, the longest unused makes room", () => {
  let histories: readonly AmountHistory[] = [];
  for (const currency of ["EUR", "USD", "GBP", "CHF", "EUR", "JPY"]) {
    histories = withHistory(histories, learnAmount(undefined, currency, 1n, NOW, false));
  }
  assert.deepEqual(
    histories.map(({ currency }) => currency),
    ["JPY", "EUR", "CHF", "GBP"],
  );
});
