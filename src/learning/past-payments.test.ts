import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ORG, OTHER_ORG } from "#test/support/builders.ts";
import { FEATURES_VERSION } from "#features/index.ts";
import type { Transaction } from "#ledger/index.ts";
import type { PastPayment, PastReader, PastWindow } from "./past-payments.ts";
import { visitPast } from "./past-payments.ts";
import { createRows } from "./rows.ts";
import { bench, DAY_MS, vectorOf } from "./test-kit.ts";

async function visited(made: ReturnType<typeof bench>, window: Partial<PastWindow> = {}, more: Partial<PastReader> = {}) {
  const found: PastPayment[] = [];
  const reader = { store: made.quiet.store, sleep: async () => {}, pageSize: 7, ...more };
  const all = { organisationId: ORG, from: 0, to: made.clock.time + 1, maxRows: 1_000, ...window };
  const counts = await visitPast(
    reader,
    all,
    (payment) => void found.push(payment),
    () => true,
  );
  assert.ok(counts);
  return { found: found.toSorted((a, b) => a.at - b.at), counts };
}

describe("past payments", () => {
  it("are those of which it is known what they were, on the features of today", async () => {
    const made = bench();
    const start = made.clock.time;
    let n = 0;
    const pay = (fields: Partial<Transaction>, more: object = {}): Transaction => made.pay(100 + n, start + n++ * 1_000, fields, more);
    const honest = pay({});
    const labelled = {
      posted: pay({}),
      rejected: pay({ status: "rejected" }),
      pending: pay({ status: "pending_review" }),
      blocked: pay({ status: "blocked" }),
    };
    const unknown = [pay({ status: "rejected" }), pay({ status: "pending_review" }), pay({ status: "blocked" })];
    const other = [
      pay({}, { features_version: FEATURES_VERSION + 1 }),
      pay({}, { features: "AB" }),
      pay({ assessment: null }),
      pay({ organisationId: OTHER_ORG }),
    ];
    const cleared = pay({ status: "rejected" });
    await made.keepAll([honest, ...Object.values(labelled), ...unknown, ...other, cleared]);
    for (const { id } of Object.values(labelled)) await made.label(id, "fraud", start + DAY_MS);
    await made.label(cleared.id, "legitimate", start + DAY_MS);
    made.clock.time = start + 2 * DAY_MS;
    const { found, counts } = await visited(made);
    assert.deepEqual(
      found.map(({ fraud, at, vector }) => [fraud, at, vector]),
      [[false, honest] as const, ...Object.values(labelled).map((one) => [true, one] as const), [false, cleared] as const].map(
        ([fraud, { createdAt, amount }]) => [fraud, createdAt, vectorOf(Number(amount))],
      ),
    );
    assert.deepEqual([counts.usable, counts.frauds], [6, 4]);
    // Of the five factors only the amount said something.
    assert.deepEqual(new Set(found.map(({ factors }) => factors)).size, 1);
    assert.ok((found[0]?.factors ?? 0) > 0 && (found[0]?.factors ?? 1) < 0.4);
  });

  it("are of the window, its end excluded, and bounded with the newest first", async () => {
    const made = bench();
    const start = made.clock.time;
    await made.keepAll(Array.from({ length: 320 }, (_, n) => made.pay(n + 1, start + n * 1_000)));
    const { found } = await visited(made, { from: start + 10_000, to: start + 20_000 });
    assert.deepEqual(
      found.map(({ at }) => (at - start) / 1_000),
      [10, 11, 12, 13, 14, 15, 16, 17, 18, 19],
    );
    const bounded = await visited(made, { maxRows: 80 });
    assert.ok(bounded.found.length <= 80 && bounded.found.length >= 60);
    assert.ok(
      bounded.found.every(({ at }) => at > start + 60_000),
      "the newest of each part",
    );
    assert.equal((await visited(made, { from: start + 5, to: start + 5 })).found.length, 0);
  });

  it("keep their labels where there are more than fit into memory", async () => {
    const made = bench();
    const start = made.clock.time;
    const all = Array.from({ length: 1_010 }, (_, n) => made.pay(n + 1, start + n));
    await made.keepAll(all);
    for (const { id, createdAt } of all) await made.label(id, "fraud", createdAt + DAY_MS);
    made.clock.time = start + 2 * DAY_MS;
    const { counts } = await visited(made, { maxRows: 100_000 }, { maxLabelPages: 1, pageSize: 200 });
    assert.deepEqual([counts.usable, counts.frauds], [1_010, 1_010]);
  });

  it("end when they are told to", async () => {
    const made = bench();
    await made.keepAll(Array.from({ length: 100 }, (_, n) => made.pay(n + 1, made.clock.time)));
    let pages = 0;
    const reader = { store: made.quiet.store, sleep: async () => {}, pageSize: 1 };
    const window = { organisationId: ORG, from: 0, to: made.clock.time + 1, maxRows: 1_000 };
    assert.equal(
      await visitPast(
        reader,
        window,
        () => undefined,
        () => ++pages < 5,
      ),
      undefined,
    );
    assert.equal(pages, 5);
  });
});

describe("rows", () => {
  it("come out as they went in, however many", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 1, max: 4 }), (count, width) => {
        const rows = createRows(width);
        for (let n = 0; n < count; n++)
          rows.add({ vector: Float64Array.from({ length: width }, (_, i) => n * 10 + i), fraud: n % 3 === 0, at: n });
        const { columns, labels, times } = rows.dataset();
        assert.deepEqual([columns.length, labels.length, times.length], [width, count, count]);
        for (const [i, column] of columns.entries())
          assert.deepEqual(
            [...column],
            Array.from({ length: count }, (_, n) => n * 10 + i),
          );
        assert.deepEqual(
          [...labels],
          Array.from({ length: count }, (_, n) => (n % 3 === 0 ? 1 : 0)),
        );
        // Nothing but the rows is handed to the thread.
        assert.equal(times.buffer.byteLength, count * 8);
      }),
      { numRuns: 15 },
    );
  });
});
