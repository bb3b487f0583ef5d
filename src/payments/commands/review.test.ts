import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aTransaction, anAccount, EUR, keep, minor, newId, ORG, paymentDeps, T0, testClock } from "#test/support/builders.ts";
import { accounts, note, reserve, transactions } from "#ledger/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { Review } from "../review.ts";
import { reviews } from "../review.ts";
import { judgeReview } from "./review.ts";
import { answerOf, asking } from "./test-kit.ts";

const factors = { velocity: 0, amount: 0, location: 0, device: 0, behaviour: 0 };
const assessment = { model: "factors-1", score: 9000, factors, reasons: [], velocity_count: 1 };

/** An open review, its payment and its payer's held funds, on a store that applies commits in order or not. */
async function opened(ordered: boolean) {
  const store = openMemoryStore(createMemoryDatabase(), { limits: { ordered } });
  const id = newId("transaction");
  const reserved = reserve(anAccount({ balance: minor(100) }), { id, amount: minor(100), expiresAt: null }, T0);
  assert.ok(reserved.ok);
  const { payer, payee, legs } = note(id, reserved.account, anAccount(), T0);
  const review: Review = {
    id: newId("review"),
    organisationId: ORG,
    transactionId: id,
    fromAccountId: payer.id,
    toAccountId: payee.id,
    amount: minor(100),
    currency: EUR,
    status: "open",
    assessment,
    createdAt: T0,
    decidedAt: null,
    decidedBy: null,
    version: 1,
  };
  const fields = { id, status: "pending_review", assessment, amount: minor(100), postedAt: null } as const;
  await keep(store, transactions, [aTransaction(payer, payee, legs, { ...fields, reviewId: review.id })]);
  await keep(store, accounts, [payer, payee]);
  await keep(store, reviews, [review]);
  const deps = paymentDeps(store, testClock(T0 + 1), 1);
  const away = { ...deps, vault: { ...deps.vault, dataKey: () => Promise.reject(new StoreUnavailableError("the vault is away")) } };
  return { deps, away, id: review.id };
}

void describe("judgeReview, while the vault is away", () => {
  for (const ordered of [true, false])
    void it(`gives a repetition with a note its kept reply, and refuses all else (${ordered ? "" : "un"}ordered commits)`, async () => {
      const { deps, away, id } = await opened(ordered);
      const body = { note: "It was her." };
      await assert.rejects(judgeReview(away, asking("first"), id, "approve", body), StoreUnavailableError);
      const decided = answerOf(await judgeReview(deps, asking("first"), id, "approve", body));
      assert.deepEqual([decided.status, decided.replayed, decided.body.status], [200, false, "approved"]);
      assert.deepEqual(answerOf(await judgeReview(away, asking("first"), id, "approve", body)), { ...decided, replayed: true });
      const other = answerOf(await judgeReview(away, asking("first", "other"), id, "approve", { note: "It was not." }));
      assert.equal(other.body.code, "idempotency_key_reused");
      await assert.rejects(judgeReview(away, asking("second"), id, "approve", body), StoreUnavailableError);
    });
});
