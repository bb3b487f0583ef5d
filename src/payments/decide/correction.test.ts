import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aTransaction, anAccount, EUR, funds, MAX, minor, newId, ORG, T0 } from "#test/support/builders.ts";
import type { Minor } from "#kernel/money.ts";
import type { Account, Transaction } from "#ledger/index.ts";
import { post } from "#ledger/index.ts";
import { recordMovement } from "./movement.ts";
import { decideReversal } from "./reversal.ts";

/** A posted transfer of 100 from one account to another. */
function posted(fields: Partial<Transaction> = {}) {
  const transactionId = newId("transaction");
  const before = { payer: anAccount({ balance: minor(100) }), payee: anAccount() };
  const result = post({ transactionId, ...before, amount: minor(100), at: T0 }, { payer: "p", payee: "q" });
  assert.ok(result.ok);
  const { payer, payee, legs } = result;
  return { payer, payee, original: aTransaction(payer, payee, legs, { id: transactionId, amount: minor(100), ...fields }) };
}

type Reversible = Omit<ReturnType<typeof posted>, "payee"> & { readonly payee: Account | undefined };

function reverse({ original, payer, payee }: Reversible, amount?: bigint) {
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

  const cases: [string, Reversible, string, string?][] = [
    ["what waits for a review", posted({ status: "pending_review" }), "transaction_not_reversible"],
    ["what was rejected", posted({ status: "rejected" }), "transaction_not_reversible"],
    // The settlement account that a blocked withdrawal would have paid may never have been opened.
    ["what was blocked", { ...posted({ status: "blocked" }), payee: undefined }, "transaction_not_reversible"],
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
