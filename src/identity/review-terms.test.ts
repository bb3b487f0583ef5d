import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { EUR, minor, T0 } from "#test/support/builders.ts";
import type { ReviewTerms, ReviewTermsFields, StoredReviewTerms } from "./review-terms.ts";
import { changeReviewTerms, DEFAULT_REVIEW_TERMS, fourEyesLimit, reviewTermsFromItem, reviewTermsToItem } from "./review-terms.ts";

const DAY = 86_400_000;

function changed(before: ReviewTerms, asked: ReviewTermsFields, at: number): ReviewTerms {
  const change = changeReviewTerms(before, asked, at);
  assert.ok(change.ok);
  return change.terms;
}

const above = (amount: number): ReviewTermsFields => ({ review_four_eyes_above: [{ currency: EUR, amount }] });

void describe("changed terms of reviews", () => {
  void it("never ask for less of what waits already, however often they change", () => {
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.integer({ min: 1, max: 100 }), { nil: undefined }), { maxLength: 60 }),
        fc.nat(60),
        (limits, opened) => {
          let terms = DEFAULT_REVIEW_TERMS;
          const held: (number | undefined)[] = [];
          limits.forEach((limit, n) => {
            if (n >= opened) held.push(Number(terms.fourEyesAbove.get(EUR) ?? Number.POSITIVE_INFINITY));
            terms = changed(terms, limit === undefined ? { review_four_eyes_above: [] } : above(limit), T0 + n * 10);
          });
          const openedAt = T0 + opened * 10 - 5;
          const limit = Number(fourEyesLimit(terms, EUR, openedAt) ?? Number.POSITIVE_INFINITY);
          for (const one of held) assert.ok(limit <= Number(one), `${limit} is above ${one}`);
        },
      ),
    );
  });

  void it("are remembered as long as a review may wait, twenty at most, and only where something changed", () => {
    let terms = changed(DEFAULT_REVIEW_TERMS, {}, T0);
    assert.equal(terms.earlier, undefined);
    for (let n = 0; n < 100; n++) terms = changed(terms, above(n + 1), T0 + n);
    assert.equal(terms.earlier?.length, 20);
    assert.equal(fourEyesLimit(terms, EUR, T0), minor(1));
    assert.equal(changed(terms, { review_due_hours: 3 }, T0 + 400 * DAY).earlier?.length, 1);
  });

  void it("do not forget when the clock goes back", () => {
    const back = changed(changed(DEFAULT_REVIEW_TERMS, above(5), T0 + 100), { review_four_eyes_above: [] }, T0);
    assert.equal(fourEyesLimit(back, EUR, T0 + 50), minor(5));
  });

  void it("are stored as they are", () => {
    for (const terms of [DEFAULT_REVIEW_TERMS, changed(changed(DEFAULT_REVIEW_TERMS, above(5), T0), above(7), T0 + 1)])
      assert.deepEqual(reviewTermsFromItem(JSON.parse(JSON.stringify(reviewTermsToItem(terms))) as StoredReviewTerms), terms);
  });
});
