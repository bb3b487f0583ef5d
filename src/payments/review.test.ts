import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { EUR, newId, ORG } from "#test/support/builders.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Minor } from "#kernel/money.ts";
import type { Item } from "#storage/index.ts";
import { assertStorable, keyOf } from "#storage/validate-commit.ts";
import type { Review } from "./review.ts";
import { reviews, reviewStatuses } from "./review.ts";

const time = fc.integer({ min: 0, max: 253402300799999 });
const review: fc.Arbitrary<Review> = fc.record(
  {
    id: fc.constant(newId("review")),
    organisationId: fc.constant(ORG),
    transactionId: fc.constant(newId("transaction")),
    fromAccountId: fc.constant(newId("account")),
    toAccountId: fc.constant(newId("account")),
    amount: fc.bigInt({ min: 1n, max: 9007199254740991n }).map((n) => n as Minor),
    currency: fc.constant(EUR),
    status: fc.constantFrom(...reviewStatuses),
    assessment: fc.constant<JsonObject>({ score: 9000 }),
    createdAt: time,
    decidedAt: fc.option(time),
    decidedBy: fc.option(fc.constant(newId("apiKey"))),
    version: fc.integer({ min: 1, max: 9 }),
  },
  { noNullPrototype: true },
);

void describe("stored reviews", () => {
  void it("come back as they were, listed under their status", () => {
    fc.assert(
      fc.property(review, (record) => {
        const item = reviews.toItem(record);
        assertStorable(item);
        assert.deepEqual(keyOf(reviews.table, item), { hash: record.id });
        assert.equal(item.status_key, `${ORG}#${record.status}`);
        assert.deepEqual(reviews.fromItem(JSON.parse(JSON.stringify(item)) as Item), record);
      }),
    );
  });
});
