import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ApiObject } from "../support/http-client.ts";
import { freshKey, ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import type { Payer } from "./sca-kit.ts";
import { challengeAll, payerOf, setPolicy } from "./sca-kit.ts";
import type { Stage } from "./stage.ts";
import { auditBooks } from "./stage.ts";

const scaOf = (body: ApiObject): ApiObject => body["sca"] as ApiObject;
const statuses = (answers: readonly { readonly body: ApiObject }[]) => answers.map(({ body }) => body.status);

/** The exemptions of the mode psd2 (RTS Art 13-16, 18). */
export function exemptionFlows(stage: Stage): void {
  const ruled = async (policy: object): Promise<Payer> => {
    const own = await stage.app.newOrganisation();
    const payer = await payerOf(own);
    await setPolicy(own, { sca: "psd2", ...policy });
    return payer;
  };
  const approveWaiting = async (payer: Payer, id: string): Promise<void> => {
    ok(await payer.answer(ok(await payer.ask({ purpose: "payment", transaction_id: id }), 201)), 200);
  };

  describe("the mode psd2", () => {
    it("has every payment of a user's account authenticated, and says so", async () => {
      const payer = await ruled({});
      const { own } = payer;
      const waiting = ok(await payer.pay(100), 202);
      assert.deepEqual([waiting.status, scaOf(waiting)["outcome"], scaOf(waiting)["mode"]], ["requires_action", "required", "psd2"]);
      await approveWaiting(payer, waiting.id);
      refused(
        await own.api.post("/v1/transfers/batch", { mode: "atomic", transfers: [payer.payment(1)] }),
        "authentication_required",
        "transfers.0",
      );
      const { results } = ok(await own.api.post("/v1/transfers/batch", { mode: "independent", transfers: [payer.payment(1)] }), 200);
      assert.deepEqual([results[0]?.status, results[0]?.["transaction_status"]], [202, "requires_action"]);
      const id = await payer.approve({ purpose: "payment", payment: { ...payer.payment(300), type: "hold" } });
      refused(await own.api.post("/v1/holds", payer.payment(300)), "authentication_required");
      const hold = ok(await own.api.post("/v1/holds", { ...payer.payment(300), authentication_id: id }), 201);
      refused(await own.api.post(`/v1/holds/${hold.id}/increment`, { amount: 1 }), "authentication_required");
      ok(await own.api.post(`/v1/holds/${hold.id}/capture`), 201);
      await auditBooks(own);
    });

    it("refuses payers who have nothing to be authenticated with, and asks nothing for accounts of the organisation", async () => {
      const { own } = await ruled({});
      const from = await own.account({ balance: 1_000 });
      refused(await own.transfer(from, await own.account(), 10), "authentication_unavailable");
      const { id: fees } = ok(await own.api.post("/v1/accounts", { type: "fees", currency: "EUR" }), 201);
      ok(await own.api.post("/v1/deposits", { account_id: fees, amount: 100, currency: "EUR" }), 201);
      assert.equal(ok(await own.transfer(fees, from, 10), 201)["sca"], null);
    });

    it("never exempts what risk challenges", async () => {
      const payer = await ruled({ low_value: "count", own_accounts: true });
      await challengeAll(payer.own);
      assert.equal(ok(await payer.pay(1), 202).status, "requires_action");
    });

    it("keeps its policy: versions, refusals, and an event with before and after", async () => {
      const { own } = await ruled({ low_value: "amount" });
      const put = (body: object, tag?: string) =>
        own.api.send("PUT", "/v1/sca/policy", JSON.stringify(body), tag === undefined ? {} : { headers: { "if-match": tag } });
      const shown = await own.api.get("/v1/sca/policy");
      assert.deepEqual([shown.headers.etag, shown.body["sca"], shown.body["low_value"]], ['"2"', "psd2", "amount"]);
      refused(await put({ sca: "off" }, '"1"'), "version_conflict");
      refused(await put({ sca: "psd2", risk_analysis: true }), "missing_field", "fraud_rate_ppm");
      refused(await put({ sca: "always" }), "invalid_request", "sca");
      const seen = await newestEvent(own.api);
      ok(await put({ sca: "risk_only" }, '"2"'), 200);
      const [event] = await eventsAfter(own.api, seen);
      const details = event?.["details"] as { before: ApiObject; after: ApiObject };
      assert.deepEqual([event?.["event_type"], details.before["sca"], details.after["sca"]], ["sca_policy.updated", "psd2", "risk_only"]);
    });
  });

  describe("a repetition", () => {
    it("IDEM-01 has the same bytes, exempt or approved meanwhile, reversed or not", async () => {
      const payer = await ruled({ low_value: "count" });
      const { api } = payer.own;
      const repeated = async (amount: number, status: number, meanwhile: (id: string) => Promise<unknown>): Promise<void> => {
        const body = { ...payer.payment(amount), metadata: { zebra: "1", note: "n" } };
        const idempotencyKey = freshKey();
        const first = await api.post("/v1/transfers", body, { idempotencyKey });
        const { id } = ok(first, status);
        await meanwhile(id);
        ok(await api.post(`/v1/transactions/${id}/reversals`, { amount: 1 }), 201);
        const again = await api.post("/v1/transfers", body, { idempotencyKey });
        assert.deepEqual([again.status, again.text, again.headers["idempotent-replayed"]], [status, first.text, "true"]);
      };
      await repeated(100, 201, (id) => api.get(`/v1/transactions/${id}`));
      await repeated(3_001, 202, (id) => approveWaiting(payer, id));
      await auditBooks(payer.own);
    });
  });

  describe("low value", () => {
    it("SCA-09 SCA-17 exempts up to 30.00, until 100.00 have gone, and begins anew with an authentication only", async () => {
      const payer = await ruled({ low_value: "amount" });
      const first = ok(await payer.pay(3_000), 201);
      // SCA-17: the decision tells what it was taken by.
      assert.deepEqual(
        [scaOf(first)["exemption"], scaOf(first)["counters_before"], scaOf(first)["counters_after"]],
        ["low_value", { count: 0, amount: 0 }, { count: 1, amount: 3_000 }],
      );
      const large = ok(await payer.pay(3_001), 202);
      assert.deepEqual([large.status, scaOf(large)["exemption"]], ["requires_action", null]);
      ok(await payer.pay(3_000), 201);
      ok(await payer.pay(3_000), 201);
      assert.equal(ok(await payer.pay(1_001), 202).status, "requires_action");
      const brim = ok(await payer.pay(1_000), 201);
      assert.deepEqual(scaOf(brim)["counters_after"], { count: 4, amount: 10_000 });
      const over = ok(await payer.pay(1), 202);
      assert.equal(over.status, "requires_action");
      assert.deepEqual(scaOf(ok(await payer.own.api.get(`/v1/transactions/${brim.id}`), 200)), scaOf(brim));
      await approveWaiting(payer, over.id);
      assert.deepEqual(scaOf(ok(await payer.own.api.get(`/v1/transactions/${over.id}`), 200))["counters_after"], { count: 0, amount: 0 });
      assert.deepEqual(scaOf(ok(await payer.pay(1), 201))["counters_before"], { count: 0, amount: 0 });
    });

    it("SCA-09 or until there were five, as the organisation chooses, whatever they come to", async () => {
      const payer = await ruled({ low_value: "count" });
      for (let n = 0; n < 5; n++) ok(await payer.pay(3_000), 201);
      assert.equal(ok(await payer.pay(1), 202).status, "requires_action");
      const authentication_id = await payer.approve({ purpose: "payment", payment: payer.payment(50_000) });
      ok(await payer.pay(50_000, { authentication_id }), 201);
      ok(await payer.pay(3_000), 201);
    });

    it("SCA-09 payments at the same time do not pass the limit together", async () => {
      const payer = await ruled({ low_value: "count" });
      const answers = await Promise.all(Array.from({ length: 20 }, () => payer.pay(10)));
      assert.equal(answers.filter(({ status }) => status === 201).length, 5, statuses(answers).join());
      for (const { status, body, text } of answers)
        assert.ok(status === 201 || body.status === "requires_action" || body.code === "contention", text);
    });

    it("SCA-09 is in euro: other currencies have none", async () => {
      const payer = await ruled({ low_value: "amount" });
      const { own } = payer;
      const from = await own.account({ userId: payer.userId, balance: 1_000, currency: "USD" });
      const to = await own.account({ currency: "USD" });
      assert.equal(ok(await own.transfer(from, to, 10, { currency: "USD" }), 202).status, "requires_action");
    });
  });

  describe("a trusted beneficiary", () => {
    it("SCA-10 comes onto the list by the user's authentication only, and exempts from then on", async () => {
      const payer = await ruled({ trusted_beneficiaries: true });
      const { own, userId: user_id, payee: account_id } = payer;
      const name = "Bob Example";
      const authentication_id = await payer.approve({ purpose: "beneficiary", beneficiary: { account_id, name } });
      refused(await own.api.post("/v1/beneficiaries", { user_id, account_id, name }), "missing_field", "authentication_id");
      const body = { user_id, account_id, name, authentication_id };
      refused(await own.api.post("/v1/beneficiaries", { ...body, name: "Bob Exampla" }), "authentication_mismatch", "name");
      refused(await own.api.post("/v1/beneficiaries", body), "authentication_not_usable");
      assert.equal(ok(await payer.pay(90_000), 202).status, "requires_action");

      const again = await payer.approve({ purpose: "beneficiary", beneficiary: { account_id, name } });
      const made = ok(await own.api.post("/v1/beneficiaries", { ...body, authentication_id: again }), 201);
      assert.deepEqual([made["name"], made.status, made.version], [name, "active", 1]);
      const paid = ok(await payer.pay(90_000), 201);
      assert.equal(scaOf(paid)["exemption"], "trusted_beneficiary");
      assert.equal(ok(await own.transfer(payer.account, await own.account(), 90_000), 202).status, "requires_action");

      const path = `/v1/beneficiaries/${made.id}`;
      refused(await own.api.patch(path, { name: "Bobby", authentication_id: again }), "authentication_not_usable");
      const amend = await payer.approve({ purpose: "beneficiary", beneficiary: { account_id, name: "Bobby", beneficiary_id: made.id } });
      assert.equal(ok(await own.api.patch(path, { name: "Bobby", authentication_id: amend }), 200)["name"], "Bobby");
      assert.deepEqual(
        ok(await own.api.get(`/v1/beneficiaries?user_id=${user_id}`), 200).data.map((one) => one["name"]),
        ["Bobby"],
      );
      assert.equal(ok(await own.api.send("DELETE", path, undefined), 200).status, "removed");
      refused(await own.api.send("DELETE", path, undefined), "not_found");
      assert.equal(ok(await payer.pay(90_000), 202).status, "requires_action");
    });
  });

  describe("a standing order", () => {
    it("SCA-11 is made and changed authenticated, as its first payment is; later ones of the same amount are exempt", async () => {
      const payer = await ruled({ recurring: true });
      const { own } = payer;
      const terms = { from_account_id: payer.account, to_account_id: payer.payee, amount: 5_000, currency: "EUR" };
      const authentication_id = await payer.approve({ purpose: "standing_order", standing_order: terms });
      const order = ok(await own.api.post("/v1/standing-orders", { ...terms, authentication_id }), 201);
      const standing_order_id = order.id;
      refused(await own.api.post("/v1/standing-orders", { ...terms, authentication_id }), "authentication_not_usable");

      const first = ok(await payer.pay(5_000, { standing_order_id }), 202);
      assert.equal(first.status, "requires_action");
      await approveWaiting(payer, first.id);
      const later = ok(await payer.pay(5_000, { standing_order_id }), 201);
      assert.deepEqual(
        [scaOf(later)["exemption"], (scaOf(later)["inputs"] as ApiObject)["standing_order_id"]],
        ["recurring", standing_order_id],
      );
      assert.equal(ok(await payer.pay(5_001, { standing_order_id }), 202).status, "requires_action");
      const other = await own.account();
      assert.equal(ok(await own.transfer(payer.account, other, 5_000, { standing_order_id }), 202).status, "requires_action");
      assert.equal(ok(await own.api.get(`/v1/standing-orders/${order.id}`), 200)["payments"], 2);

      const path = `/v1/standing-orders/${order.id}`;
      const changed = { ...terms, amount: 6_000 };
      const amend = await payer.approve({ purpose: "standing_order", standing_order: { ...changed, standing_order_id } });
      refused(await own.api.patch(path, { amount: 6_001, authentication_id: amend }), "authentication_mismatch", "amount");
      const again = await payer.approve({ purpose: "standing_order", standing_order: { ...changed, standing_order_id } });
      assert.deepEqual([ok(await own.api.patch(path, { amount: 6_000, authentication_id: again }), 200)["payments"]], [0]);
      assert.equal(ok(await payer.pay(6_000, { standing_order_id }), 202).status, "requires_action");

      ok(await own.api.post(`${path}/cancel`), 200);
      refused(await own.api.post(`${path}/cancel`), "standing_order_not_active");
      refused(await payer.pay(6_000, { standing_order_id }), "standing_order_not_active", "standing_order_id");
      const stranger = await payerOf(own);
      refused(await stranger.pay(6_000, { standing_order_id }), "not_found", "standing_order_id");
    });
  });

  describe("other exemptions", () => {
    it("SCA-12 between accounts of one user", async () => {
      const payer = await ruled({ own_accounts: true });
      const savings = await payer.own.account({ userId: payer.userId });
      assert.equal(scaOf(ok(await payer.own.transfer(payer.account, savings, 900_000), 201))["exemption"], "own_accounts");
      assert.equal(ok(await payer.pay(900_000), 202).status, "requires_action");
    });

    it("SCA-13 by risk analysis, up to the amount that the fraud rate allows, and without anything that speaks against it", async () => {
      const payer = await ruled({ risk_analysis: true, fraud_rate_ppm: 150 });
      const calm = await payer.pay(10_000);
      assert.deepEqual([calm.status, scaOf(calm.body)["exemption"]], [201, "risk_analysis"], calm.text);
      assert.equal((scaOf(calm.body)["inputs"] as ApiObject)["exemption_threshold"], 10_000);
      stage.app.clock.advance(26 * 3_600_000);
      const elsewhere = ok(await payer.pay(1_100, { context: { device_id: "another", country: "BR" } }), 202);
      assert.equal(elsewhere.status, "requires_action");
      assert.ok(((scaOf(elsewhere)["inputs"] as ApiObject)["risk_flags"] as string[]).length > 0);
      assert.equal(ok(await payer.pay(10_001), 202).status, "requires_action");
    });
  });
}
