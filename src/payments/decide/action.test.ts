import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Account } from "#ledger/index.ts";
import { availableAt, note, reserve } from "#ledger/index.ts";
import { aTransaction, anAccount, minor, newId, ORG, T0 } from "#test/support/builders.ts";
import { ACTION_LIFE_MS } from "../payment-action.ts";
import type { ActionState } from "./action.ts";
import { abandonAction, completeAction, waitsAt } from "./action.ts";

/** A payment of 100 out of 250 that waits since T0. */
function waiting(fields: { readonly review?: boolean; readonly payee?: Partial<Account> } = {}): ActionState {
  const transactionId = newId("transaction");
  const expiresAt = T0 + ACTION_LIFE_MS;
  const reserved = reserve(anAccount({ balance: minor(250) }), { id: transactionId, amount: minor(100), expiresAt }, T0);
  assert.ok(reserved.ok);
  const noted = note(transactionId, reserved.account, anAccount(fields.payee), T0);
  const transaction = aTransaction(noted.payer, noted.payee, noted.legs, {
    id: transactionId,
    status: "requires_action",
    amount: minor(100),
    assessment: {},
    postedAt: null,
    sca: { mode: "psd2", outcome: "required" },
  });
  const action = {
    transactionId,
    organisationId: ORG,
    userId: newId("user"),
    fromAccountId: noted.payer.id,
    toAccountId: noted.payee.id,
    reviewId: fields.review === true ? newId("review") : null,
    status: "open" as const,
    context: { sealed: true },
    expiresAt,
    createdAt: T0,
    version: 1,
  };
  return { action, transaction, payer: noted.payer, payee: noted.payee };
}
const complete = (state: ActionState, at: number) => completeAction(state, newId("authentication"), newId("event"), at);

describe("a payment that waits for its payer", () => {
  it("does not wait any more from the millisecond its time is over, and its funds are free then", () => {
    const { action, payer } = waiting();
    assert.equal(waitsAt(action, action.expiresAt - 1), true);
    assert.equal(waitsAt(action, action.expiresAt), false);
    assert.deepEqual([availableAt(payer, action.expiresAt - 1), availableAt(payer, action.expiresAt)], [150n, 250n]);
  });

  it("posts out of the funds that were reserved for it, and forgets its circumstances", () => {
    const state = waiting();
    const done = complete(state, T0 + 1_000);
    assert.ok(done.ok);
    assert.deepEqual([done.transaction.status, done.transaction.postedAt, done.transaction.legs.length], ["posted", T0 + 1_000, 4]);
    assert.deepEqual([done.payer.balance, done.payer.reserved, done.payee.balance], [150n, [], 100n]);
    assert.deepEqual([done.action.status, done.action.context], ["completed", null]);
    assert.deepEqual([done.event.type, done.event.entries?.length], ["transfer.posted", 2]);
    assert.equal(done.transaction.sca?.["outcome"], "authenticated");
  });

  it("goes to a review with its funds reserved for as long as that takes", () => {
    const state = waiting({ review: true });
    const done = complete(state, T0 + 1_000);
    assert.ok(done.ok);
    assert.deepEqual([done.transaction.status, done.transaction.reviewId], ["pending_review", state.action.reviewId]);
    assert.deepEqual([done.review?.status, done.review?.createdAt], ["open", T0 + 1_000]);
    assert.equal(availableAt(done.payer, T0 + 100 * ACTION_LIFE_MS), 150n);
    assert.equal(done.payee.version, state.payee.version);
  });

  it("is refused where it cannot post, and can go on later", () => {
    for (const review of [true, false]) {
      const state = waiting({ review, payee: { status: "frozen" } });
      const refusal = complete(state, T0);
      assert.equal(refusal.ok ? undefined : refusal.code, "account_frozen");
      assert.equal(complete({ ...state, payee: { ...state.payee, status: "active" } }, T0).ok, true);
    }
  });

  it("tells why it was given up", () => {
    const state = waiting();
    const told = (["authentication_failed", "authentication_canceled", "authentication_expired"] as const).map((why) => {
      const { transaction, action, payer, event } = abandonAction(state, why, newId("event"), T0);
      assert.deepEqual([transaction.status, event.type, payer.reserved], ["rejected", "transfer.rejected", []]);
      return [action.status, transaction.assessment?.["risk_reason"]];
    });
    assert.deepEqual(told, [
      ["given_up", "declined_authentication"],
      ["given_up", "declined_authentication"],
      ["expired", "declined_expired"],
    ]);
  });

  it("ends once: what is over can neither be completed nor given up", () => {
    fc.assert(
      fc.property(fc.boolean(), fc.boolean(), (first, second) => {
        const state = waiting();
        const step = (on: ActionState, completes: boolean): ActionState => {
          if (!completes) return { ...on, ...abandonAction(on, "authentication_canceled", newId("event"), T0) };
          const done = complete(on, T0);
          assert.ok(done.ok);
          return { ...on, ...done };
        };
        const over = step(state, first);
        assert.throws(() => step(over, second), /waits/);
      }),
    );
  });
});
