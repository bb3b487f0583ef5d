import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anAccount, berlin, EUR, funds, MAX, minor, newId, noRules, ORG, OTHER_ORG, saoPaulo, T0 } from "#test/support/builders.ts";
import type { Currency } from "#kernel/money.ts";
import type { Account } from "#ledger/index.ts";
import { availableAt, MAX_RESERVATIONS, reservedAt } from "#ledger/index.ts";
import type { RiskProfile } from "#risk/index.ts";
import { assessmentFromItem, REVIEW_ABOVE } from "#risk/index.ts";
import { customer, pay } from "#risk/test-kit.ts";
import type { PaymentRequest } from "./payment.ts";
import { profileIdOf } from "./judge.ts";
import { decidePayment } from "./payment.ts";

const PARAMS = { payer: "from_account_id", payee: "to_account_id" };
const RISKY = 90_000_000;
const USUAL = { policy: noRules, models: { champion: undefined, shadow: undefined } };

function requestOf(payer: Account, payee: Account, fields: Partial<PaymentRequest> = {}): PaymentRequest {
  return {
    organisationId: ORG,
    transactionId: newId("transaction"),
    reviewId: newId("review"),
    eventId: newId("event"),
    type: "transfer",
    fromAccountId: payer.id,
    toAccountId: payee.id,
    amount: minor(100),
    currency: EUR,
    reference: "rent",
    metadata: null,
    context: berlin,
    deviceId: undefined,
    ...fields,
  };
}

function decide(payer: Account, payee: Account, fields: Partial<PaymentRequest> = {}, profile?: RiskProfile) {
  return decidePayment(requestOf(payer, payee, fields), { payer, payee, profile, device: undefined }, USUAL, T0, PARAMS);
}

/** A profile of a customer of Berlin in the middle of a burst: the next large payment from afar is suspicious. */
function bursting(payer: Account): RiskProfile {
  const ownerId = profileIdOf(payer);
  let profile = customer(30, { ownerId });
  for (let n = 1; n <= 12; n++) profile = pay(profile, T0 - n, { ownerId }).profile;
  return profile;
}

void describe("decidePayment", () => {
  void it("posts what is not suspicious, with its assessment, profile and event", () => {
    const payer = anAccount({ balance: minor(500) });
    const payee = anAccount();
    const decision = decide(payer, payee);
    assert.ok(decision.ok && decision.review === undefined);
    const { transaction, event } = decision;
    assert.deepEqual([transaction.status, transaction.postedAt, transaction.createdAt, transaction.reviewId], ["posted", T0, T0, null]);
    assert.deepEqual([decision.payer.balance, decision.payee.balance], [400n, 100n]);
    assert.deepEqual([decision.profile.id, decision.profile.version], [payer.userId, 1]);
    assert.ok(transaction.assessment && assessmentFromItem(transaction.assessment).score <= REVIEW_ABOVE);
    assert.equal(event.type, "transfer.posted");
    assert.deepEqual(event.entries, [
      { accountId: payer.id, amount: -100n },
      { accountId: payee.id, amount: 100n },
    ]);
    assert.deepEqual([event.objectId, event.transactionId, event.userId], [transaction.id, transaction.id, payer.userId]);
  });

  void it("lets a suspicious payment wait with its funds reserved and nothing moved", () => {
    const payer = anAccount({ balance: minor(RISKY) });
    const payee = anAccount();
    const decision = decide(payer, payee, { amount: minor(RISKY), context: saoPaulo }, bursting(payer));
    assert.ok(decision.ok && decision.review !== undefined);
    const { transaction, review } = decision;
    assert.deepEqual([transaction.status, transaction.postedAt, transaction.reviewId], ["pending_review", null, review.id]);
    assert.deepEqual([decision.payer.balance, decision.payee.balance, decision.payer.entryCount], [BigInt(RISKY), 0n, 0]);
    assert.deepEqual(decision.payer.reserved, [{ id: transaction.id, amount: BigInt(RISKY), expiresAt: null }]);
    assert.equal(availableAt(decision.payer, T0 + 1e12), 0n);
    assert.deepEqual([review.status, review.amount, review.transactionId], ["open", BigInt(RISKY), transaction.id]);
    assert.deepEqual([decision.event.type, decision.event.entries], ["transfer.pending_review", undefined]);
    assert.ok(transaction.legs.every(({ entry }) => entry === null));
    assert.deepEqual([decision.payer.chain.length, decision.payee.chain.length], [1, 1]);
  });

  const rich = anAccount({ balance: minor(1000) });
  const settlement = anAccount({ type: "settlement", userId: null, balance: minor(-1000) });
  const yen = "JPY" as Currency;
  const cases: [string, Account | undefined, Account | undefined, Partial<PaymentRequest>, string, string?][] = [
    ["an unknown payer", undefined, anAccount(), {}, "account_not_found", "from_account_id"],
    ["an unknown payee", rich, undefined, {}, "account_not_found", "to_account_id"],
    ["another organisation's payer", { ...rich, organisationId: OTHER_ORG }, anAccount(), {}, "account_not_found", "from_account_id"],
    ["another organisation's payee", rich, anAccount({ organisationId: OTHER_ORG }), {}, "account_not_found", "to_account_id"],
    ["a settlement payer", settlement, rich, {}, "account_type_not_allowed", "from_account_id"],
    ["a settlement payee of a transfer", rich, settlement, {}, "account_type_not_allowed", "to_account_id"],
    ["a settlement payee of a withdrawal", rich, settlement, { type: "withdrawal" }, "ok"],
    [
      "a fees account on either side",
      anAccount({ type: "fees", userId: null, balance: minor(100) }),
      anAccount({ type: "fees" }),
      {},
      "ok",
    ],
    ["another currency than the accounts'", rich, anAccount(), { currency: yen }, "currency_mismatch", "currency"],
    ["another currency than the payee's", rich, anAccount({ currency: yen }), {}, "currency_mismatch", "to_account_id"],
    ["the same account twice", rich, rich, {}, "same_account", "to_account_id"],
    ["a frozen payer", { ...rich, status: "frozen" }, anAccount(), {}, "account_frozen", "from_account_id"],
    ["a closed payee", rich, anAccount({ status: "closed" }), {}, "account_closed", "to_account_id"],
    ["all there is", rich, anAccount(), { amount: minor(1000) }, "ok"],
    ["one more", rich, anAccount(), { amount: minor(1001) }, "insufficient_funds", "amount"],
    ["a payee at the brim", rich, anAccount({ balance: MAX }), { amount: minor(1) }, "balance_overflow", "amount"],
  ];
  for (const [name, payer, payee, fields, outcome, param] of cases) {
    void it(`judges ${name}: ${outcome}`, () => {
      const decision = decidePayment(
        requestOf(payer ?? rich, payee ?? anAccount(), fields),
        { payer, payee, profile: undefined, device: undefined },
        USUAL,
        T0,
        PARAMS,
      );
      assert.equal(decision.ok ? "ok" : decision.code, outcome);
      if (!decision.ok) assert.equal(decision.param, param);
    });
  }

  void it("refuses to let more payments wait than an account may reserve", () => {
    const reserved = Array.from({ length: MAX_RESERVATIONS }, () => funds(1));
    const payer = anAccount({ balance: minor(RISKY + MAX_RESERVATIONS), reserved });
    const decision = decide(payer, anAccount(), { amount: minor(RISKY), context: saoPaulo }, bursting(payer));
    assert.equal(decision.ok ? "ok" : decision.code, "too_many_holds");
    assert.equal(reservedAt(payer, T0), BigInt(MAX_RESERVATIONS));
  });

  void it("is the same for the same input, and leaves the input as it was", () => {
    const payer = anAccount({ balance: minor(500) });
    const payee = anAccount();
    const request = requestOf(payer, payee);
    const state = { payer, payee, profile: bursting(payer), device: undefined };
    const copy = structuredClone(state);
    assert.deepEqual(decidePayment(request, state, USUAL, T0, PARAMS), decidePayment(request, state, USUAL, T0, PARAMS));
    assert.deepEqual(state, copy);
  });

  void it("judges an account without a user by the account", () => {
    const fees = anAccount({ type: "fees", userId: null, balance: minor(100) });
    const decision = decide(fees, anAccount());
    assert.ok(decision.ok && decision.profile.id === fees.id);
  });
});
