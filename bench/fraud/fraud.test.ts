import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { defaultTrainOptions } from "#model/index.ts";
import { handbookColumns, handbookFeatures } from "./handbook-features.ts";
import { readOptions } from "./options.ts";
import { drawImportance, drawLines } from "./picture.ts";
import { evaluate, splitWeek } from "./protocol.ts";
import { type Payments, readPayments, SECONDS_PER_DAY as DAY } from "./read-data.ts";
import { runFactors } from "./run-factors.ts";
import { runModel } from "./run-model.ts";
import { simulatedPayments } from "./simulated.ts";

type Row = readonly [days: number, customer: number, terminal: number, cents: number, fraud: number];
const paymentsOf = (rows: readonly Row[]): Payments => ({
  seconds: Float64Array.from(rows, ([days]) => Math.round(days * DAY)),
  customers: Uint32Array.from(rows, ([, value]) => value),
  terminals: Uint32Array.from(rows, ([, , value]) => value),
  amounts: Uint32Array.from(rows, ([, , , value]) => value),
  frauds: Uint8Array.from(rows, ([, , , , value]) => value),
});

function featureOf(payments: Payments, name: string): number[] {
  const column = handbookColumns(payments)[handbookFeatures.findIndex((feature) => feature.name === name)];
  assert.ok(column !== undefined, name);
  return [...column];
}

test("there are fifteen features; weekend and night are the handbook's: day 0 is a Sunday, night is up to hour 6", () => {
  const payments = paymentsOf([
    [0, 1, 1, 100, 0],
    [0.3, 1, 1, 100, 0],
    [1, 1, 1, 100, 0],
    [6 + 6.99 / 24, 1, 1, 100, 0],
    [6 + 7 / 24, 1, 1, 100, 0],
    [7.5, 1, 1, 100, 0],
  ]);
  assert.equal(handbookColumns(payments).length, 15);
  assert.equal(handbookFeatures.length, 15);
  assert.deepEqual(featureOf(payments, "TX_DURING_WEEKEND"), [1, 1, 0, 1, 1, 1]);
  assert.deepEqual(featureOf(payments, "TX_DURING_NIGHT"), [1, 0, 1, 1, 0, 0]);
});

test("a customer's windows hold this payment and exclude what is exactly a window old", () => {
  const payments = paymentsOf([
    [0, 1, 1, 1000, 0],
    [0.5, 2, 1, 9900, 0],
    [1, 1, 2, 2000, 0],
    [1.5, 1, 3, 6000, 0],
    [8, 1, 1, 4000, 0],
  ]);
  assert.deepEqual(featureOf(payments, "CUSTOMER_ID_NB_TX_1DAY_WINDOW"), [1, 1, 1, 2, 1]);
  assert.deepEqual(featureOf(payments, "CUSTOMER_ID_AVG_AMOUNT_1DAY_WINDOW"), [10, 99, 20, 40, 40]);
  assert.deepEqual(featureOf(payments, "CUSTOMER_ID_NB_TX_7DAY_WINDOW"), [1, 1, 2, 3, 2]);
  assert.deepEqual(featureOf(payments, "CUSTOMER_ID_AVG_AMOUNT_30DAY_WINDOW"), [10, 99, 15, 30, 32.5]);
});

test("a terminal's windows end seven days ago; without payments there the risk is 0", () => {
  const payments = paymentsOf([
    [0, 1, 1, 100, 1],
    [0.5, 2, 1, 100, 0],
    [6.9, 3, 1, 100, 1],
    [7, 4, 1, 100, 0],
    [7.5, 5, 1, 100, 0],
    [8.2, 6, 1, 100, 0],
    [8.2, 6, 2, 100, 0],
  ]);
  assert.deepEqual(featureOf(payments, "TERMINAL_ID_NB_TX_1DAY_WINDOW"), [0, 0, 0, 1, 2, 1, 0]);
  assert.deepEqual(featureOf(payments, "TERMINAL_ID_RISK_1DAY_WINDOW"), [0, 0, 0, 1, 0.5, 0, 0]);
  assert.deepEqual(featureOf(payments, "TERMINAL_ID_RISK_7DAY_WINDOW"), [0, 0, 0, 1, 0.5, 0.5, 0]);
});

test("the windows are those of counting every pair of payments", () => {
  const payments = simulatedPayments({ seed: 3, customers: 8, payees: 5, days: 40, startAt: Date.UTC(2018, 3, 1) });
  const { seconds, customers, terminals, amounts, frauds } = payments;
  const rows = [...seconds.keys()];
  assert.ok(rows.length > 100);
  const within = (row: number, other: number, days: number, delay: number): boolean => {
    const until = (seconds[row] as number) - delay * DAY;
    const at = seconds[other] as number;
    return at <= until && at > until - days * DAY && (at < (seconds[row] as number) || other <= row);
  };
  for (const days of [1, 7, 30]) {
    const average = featureOf(payments, `CUSTOMER_ID_AVG_AMOUNT_${days}DAY_WINDOW`);
    const risk = featureOf(payments, `TERMINAL_ID_RISK_${days}DAY_WINDOW`);
    for (const row of rows) {
      const own = rows.filter((other) => customers[other] === customers[row] && within(row, other, days, 0));
      const spent = own.reduce((sum, other) => sum + (amounts[other] as number), 0) / 100;
      assert.ok(Math.abs((average[row] as number) - spent / own.length) < 1e-9);
      const there = rows.filter((other) => terminals[other] === terminals[row] && within(row, other, days, 7));
      const bad = there.reduce((sum, other) => sum + (frauds[other] as number), 0);
      assert.ok(Math.abs((risk[row] as number) - (there.length === 0 ? 0 : bad / there.length)) < 1e-12);
    }
  }
});

test("the split: a week, a delay, a week; cards defrauded in training, or long enough before a test day, are left out", () => {
  const rows: Row[] = [
    [0.5, 1, 1, 100, 1],
    [0.6, 2, 1, 100, 0],
    [6.9, 3, 1, 100, 0],
    // The delay week: card 2's fraud of day 7 is known from day 15 on, card 3's of day 12 from day 20.
    [7.5, 2, 1, 100, 1],
    [12.5, 3, 1, 100, 1],
    [14.1, 1, 1, 100, 0],
    [14.2, 2, 1, 100, 0],
    [15.1, 2, 1, 100, 0],
    [19.9, 3, 1, 100, 0],
    [20.1, 3, 1, 100, 0],
    [20.2, 4, 1, 100, 1],
    [21, 4, 1, 100, 0],
  ];
  const week = splitWeek(paymentsOf(rows), 0);
  assert.deepEqual([...week.train], [0, 1, 2]);
  assert.deepEqual([...week.test], [6, 8, 10]);
});

test("the figures of a ranking: one card of two is found, once", () => {
  const payments = paymentsOf([
    [14.1, 1, 1, 100, 1],
    [14.2, 2, 1, 100, 0],
    [15.1, 1, 1, 100, 1],
    [15.2, 3, 1, 100, 1],
  ]);
  const figures = evaluate(payments, Uint32Array.of(0, 1, 2, 3), Float64Array.of(4, 1, 3, 2));
  assert.deepEqual(figures, { auc: 1, average_precision: 1, card_precision_100: (1 / 100 + 1 / 100) / 2 });
});

test("data are read from plain and packed files, in time order, amounts to the cent; what is none is refused", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "fraud-"));
  t.after(() => rmSync(directory, { recursive: true }));
  assert.equal(readPayments(join(directory, "missing")), undefined);
  assert.equal(readPayments(directory), undefined);
  const head = "TRANSACTION_ID,TX_TIME_SECONDS,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD,TX_FRAUD_SCENARIO\n";
  writeFileSync(join(directory, "a.csv"), `${head}9,86400,7,8,57.1,1,3\n`);
  writeFileSync(join(directory, "b.csv.gz"), gzipSync(`${head}0,31,596,3156,57.16,0,0\n1,32,5,6,146.0,0,0\n`));
  const payments = readPayments(directory);
  assert.ok(payments !== undefined);
  assert.deepEqual([...payments.seconds], [31, 32, 86_400]);
  assert.deepEqual([...payments.amounts], [5716, 14_600, 5710]);
  assert.deepEqual([...payments.customers, ...payments.terminals, ...payments.frauds], [596, 5, 7, 3156, 6, 8, 0, 0, 1]);
  writeFileSync(join(directory, "c.csv"), `${head}9,x,7,8,57.1,1,3\n`);
  assert.throws(() => readPayments(directory), /c\.csv:2 is no payment/);
  writeFileSync(join(directory, "c.csv"), "a,b\n1,2\n");
  assert.throws(() => readPayments(directory), /does not have the columns/);
});

test("options that cannot be meant are refused", () => {
  assert.equal(readOptions([]).from, 115);
  assert.equal(readOptions(["--train-from", "2018-04-02"]).from, 1);
  for (const args of [
    ["--train-from", "2018-02-01"],
    ["--train-from", "soon"],
    ["--only", "x"],
    ["--members", "0"],
    ["--seed", "-1"],
    ["--x"],
  ]) {
    assert.throws(() => readOptions(args), Error, args.join(" "));
  }
});

test("on simulated payments the model beats chance by far, and says what it cost", () => {
  const payments = simulatedPayments({ seed: 5, customers: 300, payees: 150, days: 60, startAt: Date.UTC(2018, 3, 1) });
  const week = splitWeek(payments, 38);
  const given = { features: handbookFeatures, columns: handbookColumns(payments), microsecondsEach: 1 };
  const { result, curves } = runModel("x", payments, week, given, { ...defaultTrainOptions, rounds: 60, learningRate: 0.1 });
  assert.ok(result.auc > 0.6, `AUC ${result.auc}`);
  assert.ok(Number(result.conditions["model_bytes"]) > 1000);
  assert.ok(curves.model !== undefined);
  const factors = runFactors("y", payments, week);
  assert.ok(factors.result.auc > 0 && factors.result.auc < 1);
  const picture = drawLines(
    "a < b",
    "x",
    "y",
    [{ name: "one", points: curves.precisionRecall.map((point) => [point.recall, point.precision]) }],
    false,
  );
  assert.ok(picture.startsWith("<svg") && picture.includes("a &lt; b") && !picture.includes("NaN"));
  assert.ok(drawImportance("t", [{ name: "amount", unit: "eur", share: 1 }], 5).includes("100.0 %"));
});
