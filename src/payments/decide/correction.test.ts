import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aTransaction, anAccount, EUR, funds, MAX, minor, newId, ORG, T0 } from "#test/support/builders.ts";
import { InvariantError } from "#kernel/assert.ts";
import type { Minor } from "#kernel/money.ts";
import type { Account, Transaction } from "#ledger/index.ts";
import { availableAt, note, post, reserve } from "#ledger/index.ts";
import type { Review } from "../review.ts";
import { recordMovement } from "./movement.ts";
import { decideReversal } from "./reversal.ts";
import { decideReview } from "./review.ts";

/** A posted transfer of 100 from one account to another. */
function posted(fields: Partial<Transaction> = {}) {
  const transactionId = newId("transaction");
  const before = { payer: anAccount({ balance: minor(100) }), payee: anAccount() };
  const result = post({ transactionId, ...before, amount: minor(100), at: T0 }, { payer: "p", payee: "q" });
  assert.ok(result.ok);
  const { payer, payee, legs } = result;
  return { payer, payee, original: aTransaction(payer, payee, legs, { id: transactionId, amount: minor(100), ...fields }) };
}

function reverse({ original, payer, payee }: ReturnType<typeof posted>, amount?: bigint) {
  const ids = { organisationId: ORG, transactionId: newId("transaction"), eventId: newId("event") };
  return decideReversal({ ...ids, amount: amount as Minor | undefined, reference: null, metadata: null }, original, payer, payee, T0 + 5);
}

void describe("decideReversal", () => {
  void it("moves everything back where no amount is named", () => {
    const on = posted();
    const decision = reverse(on);
    assert.ok(decision.ok);
    const { reversal, original, payer, payee, event } = decision;
    assert.deepEqual([payer.id, payer.balance, payee.id, payee.balance], [on.payee.id, 0n, on.payer.id, 100n]);
    assert.deepEqual([reversal.type, reversal.amount, reversal.reverses, reversal.status], ["reversal", 100n, original.id, "posted"]);
    assert.deepEqual([reversal.fromAccountId, reversal.toAccountId], [on.payee.id, on.payer.id]);
    assert.deepEqual([original.reversedAmount, original.version, original.legs], [100n, 2, on.original.legs]);
    assert.equal(event.type, "reversal.posted");
    assert.equal(
      event.entries?.reduce((sum, { amount }) => sum + amount, 0n),
      0n,
    );
  });

  void it("goes in parts, never beyond the original", () => {
    let on = posted();
    for (const [amount, code] of [
      [60n, "ok"],
      [41n, "reversal_exceeds_original"],
      [39n, "ok"],
      [undefined, "ok"],
      [undefined, "reversal_exceeds_original"],
      [1n, "reversal_exceeds_original"],
    ] as const) {
      const decision = reverse(on, amount);
      assert.equal(decision.ok ? "ok" : decision.code, code);
      if (decision.ok) on = { original: decision.original, payer: decision.payee, payee: decision.payer };
    }
    assert.deepEqual([on.original.reversedAmount, on.payer.balance, on.payee.balance], [100n, 100n, 0n]);
  });

  const cases: [string, ReturnType<typeof posted>, string, string?][] = [
    ["what waits for a review", posted({ status: "pending_review" }), "transaction_not_reversible"],
    ["what was rejected", posted({ status: "rejected" }), "transaction_not_reversible"],
    ["a reversal", posted({ type: "reversal" }), "transaction_not_reversible"],
    ["a capture", posted({ type: "capture" }), "ok"],
    ["what the payee has spent", { ...posted(), payee: anAccount({ balance: minor(99) }) }, "insufficient_funds", "amount"],
    [
      "what the payee has on hold",
      { ...posted(), payee: anAccount({ balance: minor(100), reserved: [funds(1)] }) },
      "insufficient_funds",
      "amount",
    ],
    [
      "out of a frozen account",
      { ...posted(), payee: anAccount({ balance: minor(100), status: "frozen" }) },
      "account_frozen",
      "to_account_id",
    ],
    ["into a closed account", { ...posted(), payer: anAccount({ status: "closed" }) }, "account_closed", "from_account_id"],
    ["into a full account", { ...posted(), payer: anAccount({ balance: MAX }) }, "balance_overflow", "amount"],
    ["a withdrawal", { ...posted({ type: "withdrawal" }), payee: anAccount({ type: "settlement", userId: null }) }, "ok"],
  ];
  for (const [name, on, outcome, param] of cases) {
    void it(`reverses or refuses ${name}: ${outcome}`, () => {
      const decision = reverse(on);
      assert.equal(decision.ok ? "ok" : decision.code, outcome);
      if (!decision.ok) assert.equal(decision.param, param);
    });
  }

  void it("tells the customer in its event, also for a deposit, which the settlement account paid", () => {
    const on = posted({ type: "deposit" });
    const settlement: Account = { ...on.payer, type: "settlement", userId: null };
    const decision = reverse({ ...on, payer: settlement });
    assert.ok(decision.ok);
    assert.equal(decision.event.userId, on.payee.userId);
  });
});

/** A payment of 100 that waits for a review. */
function waiting() {
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
  };
  return { review, transaction, payer, payee };
}

function judge(on: ReturnType<typeof waiting>, verdict: "approve" | "reject") {
  return decideReview({ verdict, eventId: newId("event"), decidedBy: "key_1" }, on.review, on.transaction, on.payer, on.payee, T0 + 9);
}

void describe("decideReview", () => {
  void it("posts an approved payment out of its reserved funds", () => {
    const on = waiting();
    assert.equal(availableAt(on.payer, T0), 0n);
    const decision = judge(on, "approve");
    assert.ok(decision.ok);
    assert.deepEqual([decision.payer.balance, decision.payee?.balance, decision.payer.reserved.length], [0n, 100n, 0]);
    const { transaction, review } = decision;
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
  });

  void it("only releases the funds of a rejected one", () => {
    const decision = judge(waiting(), "reject");
    assert.ok(decision.ok);
    assert.deepEqual([decision.payer.balance, decision.payer.reserved.length, decision.payee], [100n, 0, undefined]);
    assert.deepEqual([decision.transaction.status, decision.transaction.postedAt, decision.review.status], ["rejected", null, "rejected"]);
    assert.deepEqual([decision.event.type, decision.event.entries], ["review.rejected", undefined]);
    assert.equal(decision.payer.version, 3);
  });

  void it("decides once", () => {
    const on = waiting();
    for (const first of ["approve", "reject"] as const) {
      const decision = judge(on, first);
      assert.ok(decision.ok);
      for (const second of ["approve", "reject"] as const) {
        const again = judge({ ...on, review: decision.review, transaction: decision.transaction, payer: decision.payer }, second);
        assert.equal(again.ok ? "ok" : again.code, "review_already_decided");
      }
    }
  });

  void it("cannot approve what cannot post, but can reject it", () => {
    const on = waiting();
    const blocked: [ReturnType<typeof waiting>, string][] = [
      [{ ...on, payee: { ...on.payee, status: "closed" } }, "account_closed"],
      [{ ...on, payer: { ...on.payer, status: "frozen" } }, "account_frozen"],
      [{ ...on, payee: { ...on.payee, balance: MAX } }, "balance_overflow"],
    ];
    for (const [state, code] of blocked) {
      const decision = judge(state, "approve");
      assert.equal(decision.ok ? "ok" : decision.code, code);
      assert.equal(judge(state, "reject").ok, true);
    }
  });

  void it("asserts that an open review has a pending transaction", () => {
    const on = waiting();
    assert.throws(() => judge({ ...on, transaction: { ...on.transaction, status: "posted" } }, "approve"), InvariantError);
  });
});

void describe("recordMovement", () => {
  void it("keeps who moved what, and the time it was posted at", () => {
    const payer = anAccount({ type: "settlement", userId: null, chain: { length: 0, last: null, marks: [], at: T0 + 50 } });
    const payee = anAccount();
    const transactionId = newId("transaction");
    const moved = post({ transactionId, payer, payee, amount: minor(7), at: T0 }, { payer: "p", payee: "q" });
    assert.ok(moved.ok);
    const terms = {
      organisationId: ORG,
      transactionId,
      eventId: newId("event"),
      type: "deposit" as const,
      amount: minor(7),
      reference: "r",
    };
    const { transaction, event } = recordMovement(
      { ...terms, metadata: null, assessment: null, holdId: null, reverses: null },
      moved,
      payee,
      T0,
    );
    assert.deepEqual([transaction.fromAccountId, transaction.toAccountId, transaction.currency], [payer.id, payee.id, EUR]);
    assert.deepEqual([transaction.createdAt, transaction.postedAt, transaction.version], [T0, T0 + 50, 1]);
    assert.deepEqual([event.type, event.userId, event.amount, event.objectId], ["deposit.posted", payee.userId, 7n, transactionId]);
    assert.deepEqual(
      event.entries?.map(({ amount }) => amount),
      [-7n, 7n],
    );
  });
});
