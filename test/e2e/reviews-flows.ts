import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Organisation } from "../support/app.ts";
import type { Answer, ApiObject } from "../support/http-client.ts";
import { freshKey, ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import type { Colleague } from "./controls-kit.ts";
import { colleague } from "./controls-kit.ts";
import { berlin, suspect, SUSPICIOUS_AMOUNT } from "./suspicious.ts";
import type { Stage } from "./stage.ts";
import { auditBooks, everyPage, idsOf } from "./stage.ts";

interface Judged {
  readonly risk_score: number;
  readonly reasons: readonly string[];
  readonly velocity_count: number;
}
const riskOf = (body: ApiObject): Judged => body["risk"] as Judged;

export function reviewFlows(stage: Stage): void {
  const figures = async (own: Organisation, id: string): Promise<number[]> => {
    const { balance, held } = ok(await own.api.get(`/v1/accounts/${id}`), 200);
    return [balance, held];
  };

  describe("reviews", () => {
    it("hold a suspicious payment's funds and say why", async () => {
      const own = await stage.app.newOrganisation();
      const { payer, payee, balance, pay, body } = await suspect(own, stage.app.clock);
      const seen = await newestEvent(own.api);
      const waiting = ok(await pay(), 202);
      const { risk_score, reasons, velocity_count } = riskOf(waiting);
      assert.ok(risk_score > 0.8 && risk_score <= 1);
      assert.deepEqual([waiting.status, waiting["posted_at"], velocity_count], ["pending_review", null, 11]);
      for (const reason of ["velocity_burst", "amount_unusual", "location_impossible_travel", "device_new"])
        assert.ok(reasons.includes(reason), `${reason} is not among ${reasons.join()}`);
      assert.deepEqual(await figures(own, payer), [balance, SUSPICIOUS_AMOUNT]);
      const review = ok(await own.api.get(`/v1/reviews/${waiting.review_id}`), 200);
      assert.deepEqual([review.status, review["transaction_id"], review.amount], ["open", waiting.id, SUSPICIOUS_AMOUNT]);
      assert.deepEqual(
        (await eventsAfter(own.api, seen)).map((event) => [event["event_type"], event["entries"]]),
        [["transfer.pending_review", null]],
      );
      refused(await own.api.post(`/v1/transactions/${waiting.id}/reversals`), "transaction_not_reversible");
      // Nothing of it is learnt: the next one is as suspicious. A hold cannot wait, and a batch of all or none neither.
      const next = ok(
        await own.api.post("/v1/withdrawals", { account_id: payer, amount: SUSPICIOUS_AMOUNT, currency: "EUR", context: body["context"] }),
        202,
      );
      assert.equal(next["type"], "withdrawal");
      refused(await own.api.post("/v1/holds", body), "risk_declined");
      refused(await own.api.post("/v1/transfers/batch", { mode: "atomic", transfers: [body] }), "risk_declined", "transfers.0");
      const { results } = ok(await own.api.post("/v1/transfers/batch", { mode: "independent", transfers: [body] }), 200);
      assert.deepEqual([results[0]?.status, results[0]?.["transaction_status"]], [202, "pending_review"]);

      const open = ok(await own.api.get("/v1/reviews?status=open"), 200);
      assert.deepEqual(idsOf(open.data), [waiting.review_id, next.review_id, results[0]?.review_id]);
      const pending = ok(await own.api.get("/v1/transactions?status=pending_review"), 200);
      assert.equal(pending.data.length, 3);
      ok(await own.api.post(`/v1/reviews/${waiting.review_id}/approve`), 200);
      ok(await own.api.post(`/v1/reviews/${next.review_id}/reject`), 200);
      assert.deepEqual(idsOf(ok(await own.api.get("/v1/reviews?status=open"), 200).data), [results[0]?.review_id]);
      assert.deepEqual(idsOf(ok(await own.api.get("/v1/transactions?status=rejected"), 200).data), [next.id]);
      assert.deepEqual(await figures(own, payer), [balance - SUSPICIOUS_AMOUNT, SUSPICIOUS_AMOUNT]);
      assert.equal(await own.balance(payee), 11 * 2_500 + SUSPICIOUS_AMOUNT);
      assert.equal(ok(await own.api.get(`/v1/transactions/${waiting.id}`), 200).status, "posted");
      await auditBooks(own);
    });

    it("IDEM-01 leave the answer to the payment's key as it was, with its metadata, however they are decided", async () => {
      for (const verdict of ["approve", "reject"]) {
        const own = await stage.app.newOrganisation();
        const { body } = await suspect(own, stage.app.clock);
        const asked = { ...body, metadata: { zebra: "1", note: "waits" } };
        const idempotencyKey = freshKey();
        const first = await own.api.post("/v1/transfers", asked, { idempotencyKey });
        const { review_id } = ok(first, 202);
        ok(await own.api.post(`/v1/reviews/${review_id}/${verdict}`), 200);
        const again = await own.api.post("/v1/transfers", asked, { idempotencyKey });
        assert.deepEqual([again.status, again.text, again.headers["idempotent-replayed"]], [202, first.text, "true"]);
      }
    });

    for (const [first, second] of [
      ["approve", "reject"],
      ["reject", "approve"],
    ] as const) {
      it(`are decided once by ten decisions at the same time, ${first} before ${second}`, async () => {
        const own = await stage.app.newOrganisation();
        const { payer, payee, balance, pay } = await suspect(own, stage.app.clock);
        const { review_id, id } = ok(await pay(), 202);
        const seen = await newestEvent(own.api);
        const verdicts = Array.from({ length: 10 }, (_, n) => (n % 2 === 0 ? first : second));
        const answers = await Promise.all(verdicts.map((verdict) => own.api.post(`/v1/reviews/${review_id}/${verdict}`)));
        const decided = answers.filter(({ status }) => status === 200);
        assert.equal(decided.length, 1);
        for (const answer of answers) if (answer !== decided[0]) refused(answer, "review_already_decided");
        const approved = decided[0]?.body.status === "approved";
        assert.equal(decided[0]?.body["decided_by"], own.apiKeyId);
        assert.deepEqual(await figures(own, payer), [balance - (approved ? SUSPICIOUS_AMOUNT : 0), 0]);
        assert.equal(await own.balance(payee), 11 * 2_500 + (approved ? SUSPICIOUS_AMOUNT : 0));
        assert.equal(ok(await own.api.get(`/v1/transactions/${id}`), 200).status, approved ? "posted" : "rejected");
        // The histories were linked to it twice; it is listed once all the same.
        for (const account of [payer, payee]) {
          const listed = idsOf(await everyPage(own.api, `/v1/transactions?account_id=${account}&type=transfer`, 2));
          assert.deepEqual([listed[0], listed.length, new Set(listed).size], [id, 12, 12]);
        }
        assert.deepEqual(
          (await eventsAfter(own.api, seen)).map((event) => event["event_type"]),
          [approved ? "review.approved" : "review.rejected"],
        );
        await auditBooks(own);
      });
    }

    it("stay open when an approval cannot post, and can still be rejected", async () => {
      const own = await stage.app.newOrganisation();
      const { payer, payee, balance, pay } = await suspect(own, stage.app.clock);
      const { review_id } = ok(await pay(), 202);
      ok(await own.api.post(`/v1/accounts/${payee}/freeze`), 200);
      refused(await own.api.post(`/v1/reviews/${review_id}/approve`), "account_frozen");
      assert.deepEqual(await figures(own, payer), [balance, SUSPICIOUS_AMOUNT]);
      assert.equal(ok(await own.api.post(`/v1/reviews/${review_id}/reject`), 200).status, "rejected");
      assert.deepEqual(await figures(own, payer), [balance, 0]);
    });

    it("count no first approval of a key that was revoked since, or that may not decide any more", async () => {
      const own = await stage.app.newOrganisation();
      const { payer, balance, pay } = await suspect(own, stage.app.clock);
      ok(await own.api.patch("/v1/organisation", { review_four_eyes_above: [{ currency: "EUR", amount: 1 }] }), 200);
      const reviewer = (): Promise<Colleague> => colleague(own, "Reviewer", ["reviews:read", "reviews:write"]);
      const voids: readonly ((id: string) => Promise<Answer>)[] = [
        (id) => own.api.post(`/v1/api-keys/${id}/revoke`, {}, { idempotencyKey: null }),
        (id) => own.api.patch(`/v1/api-keys/${id}`, { scopes: ["reviews:read"] }),
      ];
      for (const [n, makeVoid] of voids.entries()) {
        const { review_id: id } = ok(await pay(), 202);
        const [thief, first, second] = [await reviewer(), await reviewer(), await reviewer()];
        assert.equal(ok(await thief.api.post(`/v1/reviews/${id}/approve`), 200).status, "approved_once");
        ok(await makeVoid(thief.keyId), 200);
        // Two are asked for still, though the limit be gone.
        ok(await own.api.patch("/v1/organisation", { review_four_eyes_above: [] }), 200);
        const again = ok(await first.api.post(`/v1/reviews/${id}/approve`), 200);
        assert.deepEqual([again.status, again["first_approved_by"]], ["approved_once", first.keyId]);
        assert.deepEqual(await figures(own, payer), [balance - n * SUSPICIOUS_AMOUNT, SUSPICIOUS_AMOUNT]);
        refused(await first.api.post(`/v1/reviews/${id}/approve`), "second_person_required");
        assert.equal(ok(await second.api.post(`/v1/reviews/${id}/approve`), 200).status, "approved");
        ok(await own.api.patch("/v1/organisation", { review_four_eyes_above: [{ currency: "EUR", amount: 1 }] }), 200);
      }
      await auditBooks(own);
    });
  });

  describe("risk", () => {
    it("judges eleven payments at the same time like eleven in a row", async () => {
      const own = await stage.app.newOrganisation();
      const pay = async () => {
        const from = await own.account({ balance: 10_000 });
        const to = await own.account();
        return () => own.transfer(from, to, 10, { context: berlin });
      };
      const inARow = await pay();
      const row: Judged[] = [];
      for (let n = 0; n < 11; n++) row.push(riskOf(ok(await inARow(), 201)));
      const atOnce = await pay();
      const together = (await Promise.all(Array.from({ length: 11 }, atOnce))).map((answer) => riskOf(ok(answer, 201)));
      together.sort((a, b) => a.velocity_count - b.velocity_count);
      assert.deepEqual(together, row);
      assert.deepEqual(
        row.map(({ velocity_count }) => velocity_count),
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
      );
      assert.deepEqual(row.map(({ reasons }) => reasons.includes("velocity_burst")).indexOf(true), 10);
    });
  });
}
