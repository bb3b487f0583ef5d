import assert from "node:assert/strict";
import { it } from "node:test";
import type { AccountId } from "#kernel/ids.ts";
import type { Currency } from "#kernel/money.ts";
import type { Approval, ApprovedPayment } from "./approval.ts";
import { firstDifference } from "./first-difference.ts";

const one: ApprovedPayment = {
  type: "transfer",
  from_account_id: "acc_01M82BHM94EKAVVN1J472JCKY4" as AccountId,
  to_account_id: "acc_01M82BHM94EKDS19EG849YHCB7" as AccountId,
  amount: 12_350,
  currency: "EUR" as Currency,
  reference: null,
  payee_name: "Bob Example",
};
const payment = (changed: Partial<ApprovedPayment>): Approval => ({
  purpose: "payment",
  transaction_id: null,
  payment: { ...one, ...changed },
});
const other = "acc_01M82BHM94EKDS19EG849YHCB8" as AccountId;

it("what differs is named as the request calls it", () => {
  assert.equal(firstDifference(payment({}), payment({})), undefined);
  assert.equal(firstDifference(payment({}), payment({ payee_name: null })), "payee_name");
  assert.equal(firstDifference(payment({}), payment({ payee_name: "Bob", amount: 1 })), "amount");
  assert.equal(firstDifference(payment({}), payment({ from_account_id: other })), "from_account_id");
  // Withdrawals call their payer by another name, and do not name their payee.
  const withdrawal = payment({ type: "withdrawal" });
  assert.equal(firstDifference(withdrawal, payment({ type: "withdrawal", from_account_id: other })), "account_id");
  const inDollars = { type: "withdrawal", to_account_id: other, currency: "USD" as Currency } as const;
  assert.equal(firstDifference(withdrawal, payment(inDollars)), "currency");
});

it("what is something else altogether has no member to be named", () => {
  assert.equal(firstDifference(payment({}), payment({ type: "hold" })), undefined);
  assert.equal(firstDifference(payment({}), { purpose: "credential" }), undefined);
});
