import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { AccountId, TransactionId, UserId } from "#kernel/ids.ts";
import type { Currency } from "#kernel/money.ts";
import type { Approval, ApprovedPayment } from "./approval.ts";
import { canonicalApproval, challengeOf, totalOf } from "./approval.ts";

const nonce = new Uint8Array(32).fill(7);
const user = "usr_01M82BHM94EKAVVN1J472JCKY4" as UserId;
const payment: ApprovedPayment = {
  type: "transfer",
  from_account_id: "acc_01M82BHM94EKAVVN1J472JCKY4" as AccountId,
  to_account_id: "acc_01M82BHM94EKDS19EG849YHCB7" as AccountId,
  amount: 12_350,
  currency: "EUR" as Currency,
  reference: "Lunch",
  payee_name: "Bob Example",
};
const approve = (changed: Partial<ApprovedPayment> = {}): Approval => ({
  purpose: "payment",
  transaction_id: null,
  payment: { ...payment, ...changed },
});
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("WA-03 the challenge", () => {
  it("is SHA-256 of the nonce and the RFC 8785 text, members in their order", () => {
    const text =
      '{"payment":{"amount":12350,"currency":"EUR","from_account_id":"acc_01M82BHM94EKAVVN1J472JCKY4","payee_name":"Bob Example",' +
      '"reference":"Lunch","to_account_id":"acc_01M82BHM94EKDS19EG849YHCB7","type":"transfer"},"purpose":"payment","transaction_id":null,' +
      '"user_id":"usr_01M82BHM94EKAVVN1J472JCKY4"}';
    const expected = createHash("sha256").update(nonce).update(text, "utf8").digest("hex");
    assert.equal(hex(challengeOf(nonce, user, approve())), expected);
  });

  it("differs with every character of what is approved, with the user, the payment that waits, and the nonce", () => {
    const same = hex(challengeOf(nonce, user, approve()));
    const others = [
      challengeOf(nonce, user, approve({ amount: 12_351 })),
      challengeOf(nonce, user, approve({ currency: "USD" as Currency })),
      challengeOf(nonce, user, approve({ to_account_id: payment.from_account_id })),
      challengeOf(nonce, user, approve({ from_account_id: payment.to_account_id })),
      challengeOf(nonce, user, approve({ payee_name: "Bob Exampla" })),
      challengeOf(nonce, user, approve({ payee_name: null })),
      challengeOf(nonce, user, approve({ reference: "Lunch " })),
      challengeOf(nonce, user, approve({ type: "hold" })),
      challengeOf(nonce, "usr_01M82BHM94EKDS19EG849YHCB7" as UserId, approve()),
      challengeOf(nonce, user, { ...approve(), transaction_id: "txn_01M82BHM94EKDS19EG849YHCB7" as TransactionId } as Approval),
      challengeOf(new Uint8Array(32).fill(8), user, approve()),
    ].map(hex);
    assert.equal(new Set([same, ...others]).size, others.length + 1);
  });

  it("differs for names that look alike, and is the same for the same name", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 20 }), fc.string({ unit: "grapheme", maxLength: 20 }), (one, other) => {
        const [a, b] = [one, other].map((payee_name) => hex(challengeOf(nonce, user, approve({ payee_name }))));
        assert.equal(a === b, one === other);
      }),
    );
  });

  it("of a batch is bound to its payments in their order", () => {
    const batch = (payments: readonly ApprovedPayment[]): string => hex(challengeOf(nonce, user, { purpose: "batch", payments }));
    const other = { ...payment, amount: 1, to_account_id: "acc_01M82BHM94EKM0R5Y8D2F7WQZA" as AccountId };
    assert.notEqual(batch([payment, other]), batch([other, payment]));
    assert.notEqual(batch([payment]), batch([payment, other]));
    assert.equal(canonicalApproval(user, { purpose: "batch", payments: [payment, other] })["total"], "12351");
  });

  it("adds totals up exactly beyond what a number holds", () => {
    const most = { ...payment, amount: 9007199254740991 };
    assert.equal(totalOf([most, most, { ...payment, amount: 2 }]), 18014398509481984n);
  });
});
