import assert from "node:assert/strict";
import { test } from "node:test";
import { HANDBOOK_EPOCH, type HandbookRow, handbookPayment, handbookVectors } from "./handbook.ts";
import { labelledVectors } from "./labelled.ts";
import { createFeatureStream } from "./stream.ts";
import { DAY, paymentWith, START, valueOf } from "./test-kit.ts";

const DAY_S = 86_400;

test("a row of the handbook is a card that pays a terminal", () => {
  const row = { TX_TIME_SECONDS: 3600, CUSTOMER_ID: 7, TERMINAL_ID: 9, TX_AMOUNT: 57.16, TX_FRAUD: 0 };
  assert.deepEqual(handbookPayment(row), { payer: "card 7", payee: "terminal 9", amount: 5716, at: HANDBOOK_EPOCH + 3_600_000 });
});

/** One payment a day at one terminal, of a new card each; fraud on the days named. */
function terminal(days: number, isFraud: (day: number) => boolean): HandbookRow[] {
  return Array.from({ length: days }, (_, day) => ({
    TX_TIME_SECONDS: day * DAY_S + 40_000,
    CUSTOMER_ID: day,
    TERMINAL_ID: 1,
    TX_AMOUNT: 10,
    TX_FRAUD: isFraud(day) ? 1 : 0,
  }));
}

test("a terminal's risk rises seven days after its first fraud, and tells since when", () => {
  const risks = [
    ...handbookVectors(
      createFeatureStream(),
      terminal(40, (day) => day >= 10 && day < 20),
    ),
  ].map(({ vector }) =>
    ["payee_frauds_1d", "payee_frauds_7d", "payee_frauds_30d", "payee_risk_7d", "payee_fraud_since"].map((name) => valueOf(vector, name)),
  );
  assert.deepEqual(risks[16], [0, 0, 0, 0, 0], "on day 16 nobody knows of the fraud of day 10");
  assert.deepEqual(risks[17], [1, 1, 1, 1 / 8, 1]);
  assert.deepEqual(risks[26], [2, 8, 10, 1, 10], "the payments of days 12 to 19 were all fraud");
  assert.deepEqual(risks[29], [0, 5, 10, 5 / 8, 13]);
});

test("labels come at their time, whatever the order of their payments, and not a moment sooner", () => {
  const label = (at: number): { payer: string; payee: string; at: number } => ({ payer: "payer", payee: "payee", at });
  const history = [
    { payment: paymentWith({ at: START }), label: label(START + 9 * DAY) },
    { payment: paymentWith({ at: START + DAY }), label: label(START + 3 * DAY) },
    { payment: paymentWith({ at: START + 3 * DAY - 1 }), label: undefined },
    { payment: paymentWith({ at: START + 3 * DAY }), label: undefined },
    { payment: paymentWith({ at: START + 9 * DAY }), label: undefined },
  ];
  const known = [...labelledVectors(createFeatureStream(), history)].map(({ entry, vector }) => [
    history.indexOf(entry),
    valueOf(vector, "payer_frauds_30d"),
    valueOf(vector, "payee_frauds_30d"),
  ]);
  assert.deepEqual(known, [
    [0, 0, 0],
    [1, 0, 0],
    [2, 0, 0],
    [3, 1, 1],
    [4, 2, 2],
  ]);
});

test("a label reaches a device too, also one that no payment has told of", () => {
  const stream = createFeatureStream();
  stream.label({ payer: "a", payee: "b", device: "phone", at: START });
  stream.label({ payer: "a", payee: "b", device: " ", at: START });
  assert.equal(valueOf(stream.next(paymentWith({ at: START + DAY })), "device_frauds_7d"), 1);
  assert.equal(stream.state({ payer: "a", payee: "b", device: " " }).device, undefined);
});

test("a vector tells of what was before it, and does not change it", () => {
  const stream = createFeatureStream();
  const first = stream.next(paymentWith());
  assert.equal(valueOf(first, "payer_count_24h"), 0);
  const state = stream.state(paymentWith());
  const copy = structuredClone(state);
  stream.next(paymentWith(), "held");
  assert.deepEqual(state, copy);
});
