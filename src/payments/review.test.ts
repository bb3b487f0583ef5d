import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { EUR, newId, ORG } from "#test/support/builders.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Minor } from "#kernel/money.ts";
import type { Item } from "#storage/index.ts";
import { assertStorable, keyOf } from "#storage/validate-commit.ts";
import type { Review } from "./review.ts";
import { isUndecided, reviews, reviewStatuses, WAITING_SHARDS } from "./review.ts";
import { reviewNotes } from "./review-note.ts";
import { reasonCodes } from "./review-reasons.ts";

const time = fc.integer({ min: 0, max: 253402300799999 });
const by = fc.option(fc.constant<string>(newId("apiKey")));
const work = fc.record(
  {
    assignment: fc.option(fc.record({ to: fc.constant("ada"), by, at: time }, { noNullPrototype: true })),
    firstApproval: fc.option(
      fc.record(
        { by, apiKeyId: by, at: time, epoch: fc.option(fc.nat()), reasonCode: fc.constantFrom(...reasonCodes) },
        { noNullPrototype: true },
      ),
    ),
    reasonCode: fc.option(fc.constantFrom(...reasonCodes)),
    notes: fc.nat(100),
  },
  { noNullPrototype: true },
);
const review: fc.Arbitrary<Review> = fc.record(
  {
    work,
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
  {
    noNullPrototype: true,
    requiredKeys: [
      "id",
      "organisationId",
      "transactionId",
      "fromAccountId",
      "toAccountId",
      "amount",
      "currency",
      "status",
      "assessment",
      "createdAt",
      "decidedAt",
      "decidedBy",
      "version",
    ],
  },
);

void describe("stored reviews", () => {
  void it("come back as they were, listed under their status", () => {
    fc.assert(
      fc.property(review, (record) => {
        const item = reviews.toItem(record);
        assertStorable(item);
        assert.deepEqual(keyOf(reviews.table, item), { hash: record.id });
        assert.equal(item.status_key, `${ORG}#${record.status}`);
        assert.equal(WAITING_SHARDS.includes(String(item.waiting)), isUndecided(record.status), "decided ones are in no such list");
        assert.deepEqual(reviews.fromItem(JSON.parse(JSON.stringify(item)) as Item), record);
      }),
    );
  });

  void it("and so do their notes", () => {
    const note = {
      id: newId("reviewNote"),
      reviewId: newId("review"),
      organisationId: ORG,
      text: { key_id: "dek" },
      author: null,
      createdAt: 5,
      version: 1,
    };
    const item = reviewNotes.toItem(note);
    assertStorable(item);
    assert.deepEqual(keyOf(reviewNotes.table, item), { hash: note.reviewId, range: note.id });
    assert.deepEqual(reviewNotes.fromItem(JSON.parse(JSON.stringify(item)) as Item), note);
  });
});
