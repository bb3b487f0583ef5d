import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anAccount, EUR, keep, minor, newId, ORG, T0, testClock, testIds } from "#test/support/builders.ts";
import { DEFAULT_REVIEW_TERMS } from "#identity/review-terms.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { Review } from "./review.ts";
import { reviews } from "./review.ts";
import { listReviews } from "./review-list.ts";

const HOUR_MS = 3_600_000;
const BARE = {
  status: undefined,
  assignedTo: undefined,
  assigned: undefined,
  minRiskScore: undefined,
  minAmount: undefined,
  maxAmount: undefined,
  currency: undefined,
  accountId: undefined,
  userId: undefined,
  dueBefore: undefined,
  from: undefined,
};

void describe("listReviews", () => {
  void it("goes on after a clock was set back though what was now at the first page is over", async () => {
    const store = openMemoryStore(createMemoryDatabase());
    const clock = testClock(T0 + HOUR_MS);
    const ids = testIds(1, clock);
    ids.next("review");
    const account = anAccount();
    const made: Review[] = Array.from({ length: 6 }, (_, n) => ({
      id: ids.next("review"),
      organisationId: ORG,
      transactionId: newId("transaction"),
      fromAccountId: account.id,
      toAccountId: account.id,
      amount: minor(1),
      currency: EUR,
      status: "open",
      assessment: { score: 9_000 },
      createdAt: T0 + n,
      decidedAt: null,
      decidedBy: null,
      version: 1,
    }));
    await keep(store, reviews, made);
    for (const order of ["newest", "due"] as const) {
      const found: string[] = [];
      for (let page = 0, cursor: string | undefined; page === 0 || cursor !== undefined; page++) {
        const result = await listReviews(store, ORG, DEFAULT_REVIEW_TERMS, T0 + 10 + page * 200_000, {
          ...BARE,
          to: T0 + 10,
          order,
          limit: 2,
          cursor,
        });
        assert.ok(result.ok);
        found.push(...result.reviews.map(({ id }) => id));
        cursor = result.cursor;
      }
      const wanted = made.map(({ id }) => id);
      assert.deepEqual(found, order === "due" ? wanted : wanted.toReversed(), order);
    }
  });
});
