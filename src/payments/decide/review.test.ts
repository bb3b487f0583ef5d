import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { aTransaction, anAccount, EUR, MAX, minor, newId, ORG, T0 } from "#test/support/builders.ts";
import { changeReviewTerms, DEFAULT_REVIEW_TERMS } from "#identity/index.ts";
import { InvariantError } from "#kernel/assert.ts";
import { availableAt, note, reserve } from "#ledger/index.ts";
import type { Review } from "../review.ts";
import { workOf } from "../review.ts";
import { MAX_NOTES } from "../review-note.ts";
import type { ReasonCode, Verdict } from "../review-reasons.ts";
import { reasonCodes, reasonOf } from "../review-reasons.ts";
import { dueAt, expiresAt, isOverdue, SHORTEST_LIFE_MS, statusAt } from "../review-times.ts";
import type { DecidedReview, ReviewState } from "./review.ts";
import { decideReview, expireReview } from "./review.ts";
import { assign, countNote, unassign } from "./review-work.ts";

const HOUR = 3_600_000;

/** A payment of 100 that waits for a review. */
function waiting(fields: Partial<Review> = {}): ReviewState {
  const id = newId("transaction");
  const reserved = reserve(anAccount({ balance: minor(100) }), { id, amount: minor(100), expiresAt: null }, T0);
  assert.ok(reserved.ok);
  const noted = note(id, reserved.account, anAccount(), T0);
  const { payer, payee } = noted;
  const reviewId = newId("review");
  const transaction = aTransaction(payer, payee, noted.legs, {
    id,
    amount: minor(100),
    status: "pending_review",
    assessment: { score: 9000 },
    postedAt: null,
    reviewId,
  });
  const review: Review = {
    id: reviewId,
    organisationId: ORG,
    transactionId: id,
    fromAccountId: payer.id,
    toAccountId: payee.id,
    amount: minor(100),
    currency: EUR,
    status: "open",
    assessment: {},
    createdAt: T0,
    decidedAt: null,
    decidedBy: null,
    version: 1,
    ...fields,
  };
  return { review, transaction, payer, payee, terms: DEFAULT_REVIEW_TERMS };
}

interface Asked {
  readonly by?: string;
  readonly reasonCode?: ReasonCode;
  readonly at?: number;
}

function judge(on: ReviewState, verdict: Verdict, { by = "key_1", reasonCode, at = T0 + 9 }: Asked = {}) {
  const word = { apiKeyId: null, epoch: null };
  const request = { verdict, reasonCode, eventId: newId("event"), decidedBy: by, word, firstIsVoid: false, wordIsVoid: false };
  return decideReview(request, on, at);
}

function decided(on: ReviewState, verdict: Verdict, asked: Asked = {}): DecidedReview {
  const decision = judge(on, verdict, asked);
  assert.ok(decision.ok, decision.ok ? "" : decision.code);
  return decision;
}

function refusedAs(result: { readonly ok: boolean; readonly code?: string }): string {
  return result.ok ? "ok" : String(result.code);
}

/** The state after a decision. */
const after = (on: ReviewState, { review, transaction, payer, payee }: DecidedReview): ReviewState => ({
  ...on,
  review,
  transaction: transaction ?? on.transaction,
  payer: payer ?? on.payer,
  payee: payee ?? on.payee,
});

void describe("decideReview", () => {
  void it("posts an approved payment out of its reserved funds", () => {
    const on = waiting();
    assert.equal(availableAt(on.payer, T0), 0n);
    const decision = decided(on, "approve");
    const { review, transaction, payer, payee } = after(on, decision);
    assert.deepEqual([payer.balance, payee.balance, payer.reserved.length], [0n, 100n, 0]);
    assert.deepEqual([transaction.status, transaction.postedAt, transaction.createdAt, transaction.version], ["posted", T0 + 9, T0, 2]);
    assert.deepEqual(
      transaction.legs.map(({ link, entry }) => [link.number, entry?.number ?? null]),
      [
        [1, null],
        [1, null],
        [2, 1],
        [2, 1],
      ],
    );
    assert.equal(transaction.legs[2]?.link.previous, transaction.id, "the chain goes through the same transaction twice");
    assert.deepEqual([review.status, review.decidedAt, review.decidedBy, review.version], ["approved", T0 + 9, "key_1", 2]);
    assert.deepEqual([decision.event.type, decision.event.entries?.length], ["review.approved", 2]);
    assert.deepEqual(transaction.assessment, { score: 9000, risk_reason: "approved_after_review" });
  });

  void it("only releases the funds of a rejected one", () => {
    const on = waiting();
    const decision = decided(on, "reject");
    const { review, transaction, payer } = after(on, decision);
    assert.deepEqual([payer.balance, payer.reserved.length, decision.payee], [100n, 0, undefined]);
    assert.deepEqual([transaction.status, transaction.postedAt, review.status], ["rejected", null, "rejected"]);
    assert.deepEqual([decision.event.type, decision.event.entries], ["review.rejected", undefined]);
    assert.equal(payer.version, 3);
  });

  void it("decides once", () => {
    const on = waiting();
    for (const first of ["approve", "reject"] as const) {
      const next = after(on, decided(on, first));
      for (const second of ["approve", "reject"] as const) assert.equal(refusedAs(judge(next, second)), "review_already_decided");
      assert.equal(expireReview(newId("event"), next, T0 + 1000 * HOUR), undefined);
    }
  });

  void it("cannot approve what cannot post, but can reject it", () => {
    const on = waiting();
    const blocked: [ReviewState, string][] = [
      [{ ...on, payee: { ...on.payee, status: "closed" } }, "account_closed"],
      [{ ...on, payer: { ...on.payer, status: "frozen" } }, "account_frozen"],
      [{ ...on, payee: { ...on.payee, balance: MAX } }, "balance_overflow"],
    ];
    for (const [state, code] of blocked) {
      assert.equal(refusedAs(judge(state, "approve")), code);
      assert.equal(judge(state, "reject").ok, true);
    }
  });

  void it("asserts that an open review has a pending transaction", () => {
    const on = waiting();
    const wrong: ReviewState = { ...on, transaction: { ...on.transaction, status: "posted" } };
    assert.throws(() => judge(wrong, "approve"), InvariantError);
    assert.throws(() => expireReview(newId("event"), wrong, T0 + 1000 * HOUR), InvariantError);
  });

  void it("takes each reason with its own verdict only, and learns from those that tell something", () => {
    for (const reasonCode of reasonCodes) {
      const { verdict, label, told } = reasonOf(reasonCode);
      const other = verdict === "approve" ? "reject" : "approve";
      assert.equal(refusedAs(judge(waiting(), other, { reasonCode })), "reason_not_allowed");
      const decision = decided(waiting(), verdict, { reasonCode });
      assert.equal(decision.judgement?.label ?? null, label);
      assert.equal(decision.transaction?.assessment?.risk_reason, told);
      assert.deepEqual([decision.review.work?.reasonCode, decision.event.details], [reasonCode, { reason_code: reasonCode }]);
    }
    assert.deepEqual(
      (["approve", "reject"] as const).map((verdict) => decided(waiting(), verdict).judgement?.label),
      ["legitimate", "fraud"],
    );
  });
});

void describe("four eyes", () => {
  const on = (limit: number, fields: Partial<Review> = {}): ReviewState => ({
    ...waiting(fields),
    terms: { ...DEFAULT_REVIEW_TERMS, fourEyesAbove: new Map([[EUR, minor(limit)]]) },
  });

  void it("take a second key above the amount, and only above it", () => {
    assert.equal(decided(on(100), "approve").review.status, "approved");
    const state = on(99);
    const first = decided(state, "approve", { reasonCode: "customer_confirmed" });
    assert.deepEqual(
      [first.review.status, first.review.decidedAt, first.transaction, first.payer, first.judgement, first.event.type, first.event.entries],
      ["approved_once", null, undefined, undefined, undefined, "review.approved_once", undefined],
    );
    const half = after(state, first);
    assert.equal(refusedAs(judge(half, "approve")), "second_person_required");
    const second = decided(half, "approve", { by: "key_2" });
    assert.deepEqual([second.review.status, second.review.decidedBy, second.judgement?.decidedBy], ["approved", "key_2", "key_2"]);
    assert.deepEqual(workOf(second.review).firstApproval, {
      by: "key_1",
      apiKeyId: null,
      at: T0 + 9,
      epoch: null,
      reasonCode: "customer_confirmed",
    });
    assert.equal(second.event.entries?.length, 2);
  });

  void it("stay asked for when the limit is raised after the first approval", () => {
    const state = on(99);
    const half = { ...after(state, decided(state, "approve")), terms: DEFAULT_REVIEW_TERMS };
    assert.equal(refusedAs(judge(half, "approve")), "second_person_required");
  });

  void it("stay asked for of what waits when they are switched off, and are not for what comes later", () => {
    const changed = changeReviewTerms(on(99).terms, { review_four_eyes_above: [] }, T0 + 5);
    assert.ok(changed.ok);
    const { terms } = changed;
    assert.equal(decided({ ...waiting(), terms }, "approve").review.status, "approved_once");
    assert.equal(decided({ ...waiting({ createdAt: T0 + 5 }), terms }, "approve").review.status, "approved_once");
    assert.equal(decided({ ...waiting({ createdAt: T0 + 6 }), terms }, "approve").review.status, "approved");
  });

  void it("are not needed to reject, whoever has approved", () => {
    const state = on(99);
    assert.equal(decided(state, "reject").review.status, "rejected");
    assert.equal(decided(after(state, decided(state, "approve")), "reject").review.status, "rejected");
  });
});

void describe("the service level", () => {
  const { terms } = waiting();

  void it("is due a day after the payment and expires three days later", () => {
    const { review } = waiting();
    assert.deepEqual([dueAt(review, terms), expiresAt(review, terms)], [T0 + 24 * HOUR, T0 + 96 * HOUR]);
    assert.deepEqual(
      [-1, 0].map((ms) => isOverdue(review, terms, T0 + 24 * HOUR + ms)),
      [false, true],
    );
    assert.deepEqual(
      [-1, 0].map((ms) => [statusAt(review, terms, T0 + 96 * HOUR + ms), isOverdue(review, terms, T0 + 96 * HOUR + ms)]),
      [
        ["open", true],
        ["expired", false],
      ],
    );
    assert.equal(expiresAt(review, { ...terms, dueHours: 1, expiryHours: 1 }), T0 + SHORTEST_LIFE_MS);
  });

  void it("moves with the settings, except for what had expired by then", () => {
    const { review } = waiting();
    const end = T0 + 96 * HOUR;
    const later = (at: number) => {
      const changed = changeReviewTerms(terms, { review_expiry_hours: 100 }, at);
      assert.ok(changed.ok);
      return changed.terms;
    };
    assert.equal(expiresAt(review, later(end - 1)), end + 28 * HOUR);
    assert.equal(expiresAt(review, later(end)), end);
    assert.equal(judge({ ...waiting(), terms: later(end) }, "approve", { at: end + 1 }).ok, false);
    assert.equal(expiresAt({ createdAt: T0 + 97 * HOUR }, later(end)), T0 + (97 + 124) * HOUR);
  });

  void it("gives the payment up from that very millisecond, and nobody can decide any more", () => {
    for (const status of ["open", "approved_once"] as const) {
      const on = waiting({ status });
      const end = T0 + 96 * HOUR;
      assert.equal(expireReview(newId("event"), on, end - 1), undefined);
      assert.equal(judge(on, "reject", { at: end - 1 }).ok, true);
      for (const verdict of ["approve", "reject"] as const)
        assert.equal(refusedAs(judge(on, verdict, { at: end, by: "key_2" })), "review_expired");
      const expired = expireReview(newId("event"), on, end + 77);
      assert.ok(expired);
      assert.deepEqual([expired.review.status, expired.review.decidedAt, expired.review.decidedBy], ["expired", end, null]);
      assert.deepEqual([expired.payer.reserved, expired.payer.balance, expired.transaction.status], [[], 100n, "rejected"]);
      assert.equal(expired.transaction.assessment?.risk_reason, "declined_expired");
      assert.deepEqual([expired.event.type, expired.event.entries], ["review.expired", undefined]);
      assert.equal(refusedAs(judge({ ...on, ...expired }, "approve", { at: end })), "review_already_decided");
    }
  });

  void it("the funds are never both released and moved, in whatever order the steps come", () => {
    const step = fc.record({
      what: fc.constantFrom("approve", "reject", "expire"),
      by: fc.constantFrom("key_1", "key_2"),
      at: fc.constantFrom(T0, T0 + 95 * HOUR, T0 + 96 * HOUR, T0 + 97 * HOUR),
    } as const);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), fc.constantFrom(50, 100), (steps, limit) => {
        let on: ReviewState = { ...waiting(), terms: { ...DEFAULT_REVIEW_TERMS, fourEyesAbove: new Map([[EUR, minor(limit)]]) } };
        let ends = 0;
        for (const { what, by, at } of steps) {
          if (what === "expire") {
            const expired = expireReview(newId("event"), on, at);
            if (expired !== undefined) {
              on = { ...on, ...expired };
              ends += 1;
            }
          } else {
            const decision = judge(on, what, { by, at });
            if (!decision.ok) continue;
            on = after(on, decision);
            if (decision.transaction !== undefined) ends += 1;
          }
        }
        assert.ok(ends <= 1, "it ends once");
        assert.equal(on.payer.balance + on.payee.balance, 100n);
        assert.equal(on.payer.reserved.length, ends === 0 ? 1 : 0);
        assert.equal(on.payee.balance, on.review.status === "approved" ? 100n : 0n);
        assert.equal(on.transaction.status, ends === 0 ? "pending_review" : on.review.status === "approved" ? "posted" : "rejected");
      }),
    );
  });
});

void describe("work on a review", () => {
  void it("is in one pair of hands at a time", () => {
    const { review, terms } = waiting();
    assert.equal(refusedAs(unassign(review, terms, T0)), "review_not_assigned");
    const claimed = assign(review, "ada", "key_1", terms, T0 + 1);
    assert.ok(claimed.ok);
    assert.deepEqual(workOf(claimed.review).assignment, { to: "ada", by: "key_1", at: T0 + 1 });
    for (const to of ["ada", "bob"]) assert.equal(refusedAs(assign(claimed.review, to, "key_2", terms, T0)), "review_already_assigned");
    const freed = unassign(claimed.review, terms, T0);
    assert.ok(freed.ok);
    assert.equal(assign(freed.review, "bob", "key_2", terms, T0).ok, true);
  });

  void it("ends with the decision, but for notes, of which there are only so many", () => {
    const { review, terms } = waiting({ status: "rejected" });
    assert.equal(refusedAs(assign(review, "ada", "key_1", terms, T0)), "review_already_decided");
    assert.equal(refusedAs(unassign(review, terms, T0)), "review_already_decided");
    assert.equal(refusedAs(assign({ ...review, status: "open" }, "ada", "key_1", terms, T0 + 96 * HOUR)), "review_expired");
    let noted = review;
    for (let n = 0; n < MAX_NOTES; n++) {
      const counted = countNote(noted);
      assert.ok(counted.ok);
      noted = counted.review;
    }
    assert.equal(workOf(noted).notes, MAX_NOTES);
    assert.equal(refusedAs(countNote(noted)), "too_many_notes");
  });
});
