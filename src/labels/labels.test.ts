import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { keep, newId, ORG, OTHER_ORG, T0 } from "#test/support/builders.ts";
import { InvariantError } from "#kernel/assert.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { Item } from "#storage/index.ts";
import { assertStorable } from "#storage/validate-commit.ts";
import { judged } from "./judge.ts";
import type { Judgement, RiskLabel } from "./label.ts";
import { labelIdOf, labelSources, labelValues, riskLabels } from "./label.ts";
import { labelsOf, listLabels } from "./read.ts";

const judgement: fc.Arbitrary<Judgement> = fc.record(
  {
    label: fc.constantFrom(...labelValues),
    source: fc.constantFrom(...labelSources),
    decidedAt: fc.integer({ min: T0 - 1_000, max: T0 + 1_000 }),
    decidedBy: fc.option(fc.constant("key_1")),
  },
  { noNullPrototype: true },
);

void describe("labels", () => {
  void it("keep every judgement, the later on top, and come back from the store as they were", () => {
    fc.assert(
      fc.property(fc.array(judgement, { minLength: 1, maxLength: 6 }), (judgements) => {
        const of = { organisationId: ORG, transactionId: newId("transaction") };
        let label: RiskLabel | undefined;
        for (const one of judgements) label = judged(label, of, one);
        assert.ok(label);
        const told = [...label.superseded, label.current];
        assert.deepEqual(
          told.map((one) => [one.label, one.source]),
          judgements.map((one) => [one.label, one.source]),
        );
        assert.ok(
          told.every(({ decidedAt }, n) => n === 0 || decidedAt >= (told[n - 1]?.decidedAt ?? 0)),
          "times never go back",
        );
        assert.deepEqual([label.version, label.createdAt, label.id], [judgements.length, told[0]?.decidedAt, labelIdOf(of.transactionId)]);
        const item = riskLabels.toItem(label);
        assertStorable(item);
        assert.deepEqual(riskLabels.fromItem(JSON.parse(JSON.stringify(item)) as Item), label);
      }),
    );
  });

  void it("stay with their transaction", () => {
    const by: Judgement = { label: "fraud", source: "review", decidedAt: T0, decidedBy: null };
    const label = judged(undefined, { organisationId: ORG, transactionId: newId("transaction") }, by);
    assert.throws(() => judged(label, { organisationId: ORG, transactionId: newId("transaction") }, by), InvariantError);
  });

  void it("are read in the order and between the times of their last judgement, each organisation its own", async () => {
    const store = openMemoryStore(createMemoryDatabase());
    const made = [5, 1, 3, 3, 9].map((at, n) =>
      judged(
        undefined,
        { organisationId: n === 4 ? OTHER_ORG : ORG, transactionId: newId("transaction") },
        { label: "fraud", source: "dispute", decidedAt: T0 + at, decidedBy: null },
      ),
    );
    await keep(store, riskLabels, made);
    const times = async (from: number | undefined, to: number | undefined, order: "ascending" | "descending"): Promise<number[]> => {
      const found: number[] = [];
      let cursor: string | undefined;
      do {
        const query = { from: from && T0 + from, to: to && T0 + to, order, limit: 1, cursor };
        const page = await listLabels(store, ORG, query);
        found.push(...page.labels.map(({ current }) => current.decidedAt - T0));
        cursor = page.cursor;
      } while (cursor !== undefined);
      return found;
    };
    assert.deepEqual(await times(undefined, undefined, "ascending"), [1, 3, 3, 5]);
    assert.deepEqual(await times(3, 5, "descending"), [5, 3, 3]);
    assert.deepEqual(await times(2, 3, "ascending"), [3, 3]);
    assert.deepEqual(await times(6, undefined, "ascending"), []);
    const year10000 = Date.UTC(10_000, 0, 1) - T0;
    assert.deepEqual(await times(year10000, undefined, "ascending"), []);
    assert.deepEqual(await times(5, year10000, "ascending"), [5]);
    const ids = made.map(({ transactionId }) => transactionId);
    assert.deepEqual([...(await labelsOf(store, ORG, ids)).keys()].toSorted(), ids.slice(0, 4).toSorted());
    assert.equal((await labelsOf(store, ORG, [])).size, 0);
  });
});
