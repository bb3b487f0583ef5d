import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ApiObject } from "../support/http-client.ts";
import { ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import { BALANCE, challengeAll, figures, payerOf, proofOf, registerPasskey, setPolicy, statusOf } from "./sca-kit.ts";
import { berlin, suspect } from "./suspicious.ts";
import type { Stage } from "./stage.ts";
import { auditBooks } from "./stage.ts";

const MINUTE_MS = 60_000;
const typesOf = (events: readonly ApiObject[]) => events.map((event) => event["event_type"]);

/** Payments that wait for their payer. */
export function scaFlows(stage: Stage): void {
  const challenged = async () => {
    const own = await stage.app.newOrganisation();
    const payer = await payerOf(own);
    await challengeAll(own);
    return payer;
  };

  describe("a payment that risk challenges", () => {
    it("SCA-05 waits for its payer with the funds held, and posts in the commit that takes the answer", async () => {
      const payer = await challenged();
      const { own } = payer;
      const seen = await newestEvent(own.api);
      const waiting = ok(await payer.pay(12_350, { reference: "Lunch" }), 202);
      assert.deepEqual([waiting.status, waiting["risk_reason"], waiting.review_id], ["requires_action", "authentication_required", null]);
      const action = waiting["requires_action"] as ApiObject;
      assert.deepEqual([action["type"], action["user_id"], action["transaction_id"]], ["authenticate", payer.userId, waiting.id]);
      assert.deepEqual(await figures(own, payer.account), [BALANCE, 12_350]);
      assert.deepEqual(typesOf(await eventsAfter(own.api, seen)), ["transfer.requires_action"]);

      const asked = ok(await payer.ask({ purpose: "payment", transaction_id: waiting.id, payee_name: "Bob Example" }), 201);
      const { approval } = asked as unknown as { approval: { payment: object; transaction_id: string } };
      // SCA-05: what is shown is what is signed.
      assert.deepEqual(approval.payment, {
        type: "transfer",
        from_account_id: payer.account,
        to_account_id: payer.payee,
        amount: 12_350,
        currency: "EUR",
        reference: "Lunch",
        payee_name: "Bob Example",
      });
      const before = await newestEvent(own.api);
      const done = ok(await payer.answer(asked), 200);
      assert.deepEqual([done.status, done["used_for"], done["passkey_options"]], ["consumed", waiting.id, null]);
      assert.deepEqual(typesOf(await eventsAfter(own.api, before)), ["transfer.posted", "factor.verified", "authentication.succeeded"]);
      const { version } = ok(await own.api.get(`/v1/authentications/${asked.id}`), 200);
      const [told] = ok(await own.api.get("/v1/events?types=authentication.succeeded"), 200).data;
      assert.deepEqual(told?.["data"], { object: asked.id, object_type: "authentication", version: version ?? 2 });
      const posted = ok(await own.api.get(`/v1/transactions/${waiting.id}`), 200);
      const sca = posted["sca"] as ApiObject;
      assert.deepEqual(
        [posted.status, posted["requires_action"], posted["risk_reason"], sca["outcome"], sca["authentication_id"]],
        ["posted", null, null, "authenticated", asked.id],
      );
      assert.deepEqual(await figures(own, payer.account), [BALANCE - 12_350, 0]);
      assert.equal(await own.balance(payer.payee), 12_350);
      refused(await payer.answer(asked), "authentication_not_usable");
      await auditBooks(own);
    });

    it("teaches the payer's profile once it posts, and counts once", async () => {
      const payer = await challenged();
      const { own } = payer;
      const countOf = (body: ApiObject) => (body["risk"] as ApiObject)["velocity_count"];
      const first = ok(await payer.pay(1_000), 202);
      const asked = ok(await payer.ask({ purpose: "payment", transaction_id: first.id }), 201);
      ok(await payer.answer(asked), 200);
      const second = ok(await payer.pay(1_000), 202);
      assert.deepEqual([countOf(first), countOf(second)], [1, 2]);
      const factors = (body: ApiObject) => (body["risk"] as { factors: Record<string, number> }).factors;
      for (const name of ["device", "behaviour"])
        assert.ok((factors(second)[name] ?? 1) < (factors(first)[name] ?? 0), `${name} is not learnt`);
      assert.equal(await statusOf(own, first.id), "posted");
    });

    it("is rejected when nobody comes in time, from the very millisecond, and the timer writes it down", async () => {
      const payer = await challenged();
      const { own } = payer;
      const { app, clock } = stage.app;
      const waiting = ok(await payer.pay(500), 202);
      const asked = ok(await payer.ask({ purpose: "payment", transaction_id: waiting.id }), 201);
      clock.advance(5 * MINUTE_MS);
      refused(await payer.answer(asked), "authentication_not_usable");
      assert.equal(ok(await own.api.get(`/v1/authentications/${asked.id}`), 200).status, "expired");
      // The payment waits longer than one authentication.
      const again = ok(await payer.ask({ purpose: "payment", transaction_id: waiting.id }), 201);
      clock.advance(10 * MINUTE_MS);
      assert.deepEqual(await figures(own, payer.account), [BALANCE, 0]);
      const gone = ok(await own.api.get(`/v1/transactions/${waiting.id}`), 200);
      assert.deepEqual([gone.status, gone["risk_reason"], gone["requires_action"]], ["rejected", "declined_expired", null]);
      refused(await payer.answer(again), "authentication_not_usable");
      refused(await payer.ask({ purpose: "payment", transaction_id: waiting.id }), "transaction_not_found", "transaction_id");
      const seen = await newestEvent(own.api);
      assert.ok((await app.actionExpiry.work()) >= 1);
      assert.equal(await app.actionExpiry.work(), 0);
      assert.deepEqual(typesOf(await eventsAfter(own.api, seen)), ["transfer.rejected"]);
      assert.deepEqual(ok(await own.api.get(`/v1/transactions/${waiting.id}`), 200), gone);
      await auditBooks(own);
    });

    it("is given up when the payer says no", async () => {
      const payer = await challenged();
      const waiting = ok(await payer.pay(500), 202);
      const asked = ok(await payer.ask({ purpose: "payment", transaction_id: waiting.id }), 201);
      assert.equal(ok(await payer.own.api.post(`/v1/authentications/${asked.id}/cancel`), 200).status, "invalidated");
      const gone = ok(await payer.own.api.get(`/v1/transactions/${waiting.id}`), 200);
      assert.deepEqual([gone.status, gone["risk_reason"]], ["rejected", "declined_authentication"]);
      assert.deepEqual(await figures(payer.own, payer.account), [BALANCE, 0]);
      refused(await payer.own.api.post(`/v1/authentications/${asked.id}/cancel`), "authentication_not_usable");
    });

    it("stays as it is when it cannot post any more, and goes on once it can", async () => {
      const payer = await challenged();
      const { api } = payer.own;
      const waiting = ok(await payer.pay(500), 202);
      const asked = ok(await payer.ask({ purpose: "payment", transaction_id: waiting.id }), 201);
      ok(await api.post(`/v1/accounts/${payer.payee}/freeze`), 200);
      refused(await payer.answer(asked), "account_frozen");
      assert.equal(await statusOf(payer.own, waiting.id), "requires_action");
      ok(await api.post(`/v1/accounts/${payer.payee}/unfreeze`), 200);
      ok(await payer.answer(asked), 200);
      assert.equal(await statusOf(payer.own, waiting.id), "posted");
    });

    it("goes to a review, as before, where its payer has no factor or the policy is off", async () => {
      const own = await stage.app.newOrganisation();
      await challengeAll(own);
      const account = await own.account({ balance: 1_000 });
      assert.equal(ok(await own.transfer(account, await own.account(), 10), 202).status, "pending_review");
      const payer = await payerOf(own);
      await setPolicy(own, { sca: "off" });
      assert.equal(ok(await payer.pay(10), 202).status, "pending_review");
    });

    it("withdraws as it transfers", async () => {
      const payer = await challenged();
      const body = { account_id: payer.account, amount: 700, currency: "EUR", context: berlin };
      const waiting = ok(await payer.own.api.post("/v1/withdrawals", body), 202);
      assert.equal(waiting.status, "requires_action");
      ok(await payer.answer(ok(await payer.ask({ purpose: "payment", transaction_id: waiting.id }), 201)), 200);
      assert.equal(await statusOf(payer.own, waiting.id), "posted");
      const authentication_id = await payer.approve({
        purpose: "payment",
        payment: { type: "withdrawal", from_account_id: payer.account, amount: 800, currency: "EUR" },
      });
      const posted = ok(await payer.own.api.post("/v1/withdrawals", { ...body, amount: 800, authentication_id }), 201);
      assert.equal((posted["sca"] as ApiObject)["authentication_id"], authentication_id);
      await auditBooks(payer.own);
    });

    it("goes on to a review once its payer is authenticated, where score and policy ask for both", async () => {
      const own = await stage.app.newOrganisation();
      const scene = await suspect(own, stage.app.clock);
      const device = await registerPasskey(own, scene.userId);
      await setPolicy(own, { sca: "psd2" });
      const waiting = ok(await scene.pay(), 202);
      assert.equal(waiting.status, "requires_action");
      const asked = ok(
        await own.api.post("/v1/authentications", { user_id: scene.userId, purpose: "payment", transaction_id: waiting.id }),
        201,
      );
      ok(await own.api.post(`/v1/authentications/${asked.id}/verify`, { proofs: [proofOf(device, asked)] }), 200);
      const reviewed = ok(await own.api.get(`/v1/transactions/${waiting.id}`), 200);
      assert.equal(reviewed.status, "pending_review");
      stage.app.clock.advance(60 * MINUTE_MS);
      assert.equal((await figures(own, scene.payer))[1], waiting.amount);
      ok(await own.api.post(`/v1/reviews/${reviewed.review_id}/approve`), 200);
      assert.equal(await statusOf(own, waiting.id), "posted");
      await auditBooks(own);
    });
  });
}
