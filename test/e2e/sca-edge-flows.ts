import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ApiObject } from "../support/http-client.ts";
import { ok, refused } from "../support/http-client.ts";
import { approve, colleague, setPolicy as setControls, waiting } from "./controls-kit.ts";
import { BALANCE, challengeAll, figures, payerOf, proofOf, registerPasskey, setPolicy, statusOf } from "./sca-kit.ts";
import type { Payer } from "./sca-kit.ts";
import { berlin, suspect } from "./suspicious.ts";
import type { Stage } from "./stage.ts";
import { auditBooks, everyPage, idsOf } from "./stage.ts";

const MINUTE_MS = 60_000;
const scaOf = (body: ApiObject): ApiObject => body["sca"] as ApiObject;

/** What lies between the rules: the ends of waiting payments, series that nobody began, lists of others. */
export function scaEdgeFlows(stage: Stage): void {
  const challenged = async (): Promise<Payer> => {
    const payer = await payerOf(await stage.app.newOrganisation());
    await challengeAll(payer.own);
    return payer;
  };
  const ruled = async (policy: object): Promise<Payer> => {
    const payer = await payerOf(await stage.app.newOrganisation());
    await setPolicy(payer.own, { sca: "psd2", ...policy });
    return payer;
  };
  const orderOf = async (payer: Payer, amount: number): Promise<string> => {
    const terms = { from_account_id: payer.account, to_account_id: payer.payee, amount, currency: "EUR" };
    const authentication_id = await payer.approve({ purpose: "standing_order", standing_order: terms });
    return ok(await payer.own.api.post("/v1/standing-orders", { ...terms, authentication_id }), 201).id;
  };
  const ask = async (payer: Payer, id: string): Promise<ApiObject> => ok(await payer.ask({ purpose: "payment", transaction_id: id }), 201);

  describe("a series of payments", () => {
    it("SCA-11 is begun by an authenticated payment only, not by one that another exemption covers", async () => {
      const payer = await ruled({ recurring: true, low_value: "count" });
      const standing_order_id = await orderOf(payer, 2_000);
      const small = ok(await payer.pay(2_000, { standing_order_id }), 201);
      assert.equal(scaOf(small)["exemption"], "low_value");
      assert.equal(ok(await payer.own.api.get(`/v1/standing-orders/${standing_order_id}`), 200)["payments"], 0);
      await setPolicy(payer.own, { sca: "psd2", recurring: true });
      const first = ok(await payer.pay(2_000, { standing_order_id }), 202);
      ok(await payer.answer(await ask(payer, first.id)), 200);
      assert.equal(scaOf(ok(await payer.pay(2_000, { standing_order_id }), 201))["exemption"], "recurring");
    });

    it("SCA-11 nor by one for which nobody was asked", async () => {
      const own = await stage.app.newOrganisation();
      const payer = await payerOf(own);
      const standing_order_id = await orderOf(payer, 2_000);
      ok(await payer.pay(2_000, { standing_order_id }), 201);
      await setPolicy(own, { sca: "psd2", recurring: true });
      assert.equal(ok(await payer.pay(2_000, { standing_order_id }), 202).status, "requires_action");
    });
  });

  describe("lists of users' authentications, beneficiaries and standing orders", () => {
    it("tell another organisation nothing, not even that there is a further page", async () => {
      const payer = await ruled({});
      const { own, userId } = payer;
      for (let n = 0; n < 3; n++) {
        const account_id = await own.account();
        const beneficiary = { account_id, name: `Bob ${n}` };
        const authentication_id = await payer.approve({ purpose: "beneficiary", beneficiary });
        ok(await own.api.post("/v1/beneficiaries", { ...beneficiary, user_id: userId, authentication_id }), 201);
        await orderOf(payer, 100 + n);
      }
      const stranger = await stage.app.newOrganisation();
      for (const list of ["authentications", "beneficiaries", "standing-orders"]) {
        const path = `/v1/${list}?user_id=${userId}`;
        assert.equal((await everyPage(own.api, path, 2)).length, list === "authentications" ? 6 : 3);
        const unknown = await stranger.api.get(`/v1/${list}?user_id=${await stranger.user()}&limit=1`);
        const answer = await stranger.api.get(`${path}&limit=1`);
        assert.deepEqual(
          [answer.body.data, answer.body.has_more, answer.body.next_cursor],
          [unknown.body.data, unknown.body.has_more, unknown.body.next_cursor],
          answer.text,
        );
      }
    });
  });

  describe("a payment that waited too long", () => {
    it("is listed as what it is shown as, before anybody has written it down", async () => {
      const payer = await challenged();
      const { api } = payer.own;
      const over = ok(await payer.pay(100), 202);
      stage.app.clock.advance(10 * MINUTE_MS);
      const open = ok(await payer.pay(200), 202);
      stage.app.clock.advance(5 * MINUTE_MS);
      for (const where of ["", `&account_id=${payer.account}`, `&user_id=${payer.userId}`]) {
        for (const status of ["requires_action", "rejected"]) {
          const found = await everyPage(api, `/v1/transactions?status=${status}${where}`, 50);
          for (const one of found) assert.equal(one.status, status, `${where} ${one.id}`);
          if (status === "requires_action") assert.deepEqual(idsOf(found), [open.id]);
        }
      }
      for (const [id, status] of [
        [open.id, "requires_action"],
        [over.id, "rejected"],
      ] as const)
        assert.equal((ok(await api.get(`/v1/risk/assessments/${id}`), 200)["outcome"] as { status: string }).status, status);
      await stage.app.app.actionExpiry.work();
      assert.deepEqual(idsOf(await everyPage(api, "/v1/transactions?status=rejected", 50)), [over.id]);
    });

    it("lets its account be closed, and is written down all the same", async () => {
      const payer = await challenged();
      const { api } = payer.own;
      const over = ok(await payer.pay(BALANCE), 202);
      refused(await api.post(`/v1/accounts/${payer.account}/close`), "account_not_empty");
      stage.app.clock.advance(15 * MINUTE_MS);
      ok(await api.post("/v1/withdrawals", { account_id: payer.account, amount: BALANCE, currency: "EUR", context: berlin }), 202);
      stage.app.clock.advance(15 * MINUTE_MS);
      await stage.app.app.actionExpiry.work();
      await setPolicy(payer.own, { sca: "off" });
      ok(await api.send("PUT", "/v1/risk/policy", JSON.stringify({ review_above: 1 })), 200);
      ok(await api.post("/v1/withdrawals", { account_id: payer.account, amount: BALANCE, currency: "EUR", context: berlin }), 201);
      ok(await api.post(`/v1/accounts/${payer.account}/close`), 200);
      await stage.app.app.actionExpiry.work();
      assert.equal(await statusOf(payer.own, over.id), "rejected");
      await auditBooks(payer.own);
    });
  });

  describe("a payment that waits", () => {
    it("ends once, whoever comes: two answers, a refusal, the timer", async () => {
      for (let round = 0; round < 6; round++) {
        const payer = await challenged();
        const { own } = payer;
        const paid = ok(await payer.pay(700), 202);
        const [one, two, three] = [await ask(payer, paid.id), await ask(payer, paid.id), await ask(payer, paid.id)];
        const cancel = () => own.api.post(`/v1/authentications/${three.id}/cancel`);
        const freeze = () => own.api.post(`/v1/accounts/${payer.payee}/${round % 2 === 0 ? "freeze" : "unfreeze"}`);
        const runs = [() => payer.answer(one), cancel, () => payer.answer(two), freeze, () => stage.app.app.actionExpiry.work()];
        const turned = runs.slice(round % runs.length).concat(runs.slice(0, round % runs.length));
        await Promise.all(turned.map((run) => run()));
        await own.api.post(`/v1/accounts/${payer.payee}/unfreeze`);
        const ended = ok(await own.api.get(`/v1/transactions/${paid.id}`), 200).status;
        assert.ok(ended === "posted" || ended === "rejected", String(ended));
        assert.deepEqual(await figures(own, payer.account), [BALANCE - (ended === "posted" ? 700 : 0), 0]);
        assert.equal(await own.balance(payer.payee), ended === "posted" ? 700 : 0);
        const events = ok(await own.api.get(`/v1/audit/events?limit=100`), 200).data.map((event) => event["event_type"]);
        const ends = events.filter((type) => type === "transfer.posted" || type === "transfer.rejected");
        assert.deepEqual(ends, [ended === "posted" ? "transfer.posted" : "transfer.rejected"]);
        await auditBooks(own);
      }
    });

    it("is not given up by somebody who may not act for its account any more", async () => {
      const payer = await challenged();
      const { own } = payer;
      const userId = await own.user();
      await registerPasskey(own, userId);
      ok(await own.api.post(`/v1/accounts/${payer.account}/holders`, { user_id: userId, role: "authorised_signatory" }), 201);
      const paid = ok(await payer.pay(700), 202);
      const asked = ok(await payer.ask({ user_id: userId, purpose: "payment", transaction_id: paid.id }), 201);
      ok(await own.api.send("DELETE", `/v1/accounts/${payer.account}/holders/${userId}`, undefined), 200);
      ok(await own.api.post(`/v1/authentications/${asked.id}/cancel`), 200);
      assert.equal(await statusOf(own, paid.id), "requires_action");
      ok(await payer.answer(await ask(payer, paid.id)), 200);
      assert.equal(await statusOf(own, paid.id), "posted");
    });

    it("of a restricted payer does not go on", async () => {
      const payer = await challenged();
      const { own } = payer;
      const paid = ok(await payer.pay(700), 202);
      const asked = await ask(payer, paid.id);
      ok(
        await own.api.post(
          `/v1/users/${payer.userId}/status`,
          { status: "restricted", reason_code: "court_order" },
          { idempotencyKey: null },
        ),
        200,
      );
      const answer = await payer.answer(asked);
      assert.ok(answer.status === 409 || answer.status === 422 || answer.status === 403, answer.text);
      assert.equal(await statusOf(own, paid.id), "requires_action");
      stage.app.clock.advance(15 * MINUTE_MS);
      assert.equal(await statusOf(own, paid.id), "rejected");
      await auditBooks(own);
    });
  });

  describe("a withdrawal under maker and checker", () => {
    it("asks its payer once it is approved, and does not outlive an authentication that was given before", async () => {
      const payer = await ruled({});
      const { own } = payer;
      const checker = await colleague(own, "Checker");
      ok(await setControls(own.api, [{ kind: "withdrawal" }]), 200);
      const body = { account_id: payer.account, amount: 900, currency: "EUR", context: berlin };
      const payment = { type: "withdrawal", from_account_id: payer.account, amount: 900, currency: "EUR" };
      const authentication_id = await payer.approve({ purpose: "payment", payment });
      const late = waiting(await own.api.post("/v1/withdrawals", { ...body, authentication_id }));
      stage.app.clock.advance(5 * MINUTE_MS);
      const failed = ok(await approve(checker.api, late.id), 200);
      assert.deepEqual([failed.status, (failed["failure"] as ApiObject).code], ["failed", "authentication_not_usable"]);
      assert.deepEqual(await figures(own, payer.account), [BALANCE, 0]);

      const plain = waiting(await own.api.post("/v1/withdrawals", body));
      const executed = ok(await approve(checker.api, plain.id), 200);
      assert.equal(executed.status, "executed", JSON.stringify(executed));
      const id = String(executed["result_object_id"]);
      assert.equal(await statusOf(own, id), "requires_action");
      ok(await payer.answer(await ask(payer, id)), 200);
      assert.equal(await statusOf(own, id), "posted");
      await auditBooks(own);
    });
  });

  describe("risk analysis", () => {
    it("SCA-13 exempts nothing whose score is beyond a threshold, though a rule lets it pass", async () => {
      const payer = await ruled({ risk_analysis: true, fraud_rate_ppm: 50 });
      const { api } = payer.own;
      const second = await colleague(payer.own, "Second", ["rules:read", "rules:write", "rules:activate"]);
      const rules = [{ name: "trusted_amount", action: "allow", expression: "amount < 100000", reason_code: "rule_matched" }];
      const set = await api.post("/v1/risk/rule-sets", { rules });
      assert.equal(set.status, 201, set.text);
      ok(await second.api.post(`/v1/risk/rule-sets/${set.body.id}/activate`), 200);
      await challengeAll(payer.own);
      const answer = await payer.pay(100);
      assert.deepEqual([answer.status, answer.body.status], [202, "requires_action"], answer.text);
      assert.deepEqual((scaOf(answer.body)["inputs"] as ApiObject)["risk_flags"], ["score_above_threshold"]);
    });
  });

  describe("a hold", () => {
    it("SCA-06 that its payer approved because risk challenged it is not raised: that is another amount", async () => {
      const payer = await challenged();
      const { api } = payer.own;
      const payment = { ...payer.payment(300), type: "hold" };
      const authentication_id = await payer.approve({ purpose: "payment", payment });
      const body = { ...payer.payment(300), context: berlin };
      const hold = ok(await api.post("/v1/holds", { ...body, authentication_id }), 201);
      refused(await api.post(`/v1/holds/${hold.id}/increment`, { amount: 1 }), "authentication_required");
      ok(await api.post(`/v1/holds/${hold.id}/capture`), 201);
      // Of what is over no authentication is asked: it would not help.
      refused(await api.post(`/v1/holds/${hold.id}/increment`, { amount: 1 }), "hold_not_active");
      await auditBooks(payer.own);
    });
  });

  describe("a trusted beneficiary", () => {
    it("SCA-10 is never the settlement account: where a withdrawal really goes is not known by it", async () => {
      const payer = await ruled({ trusted_beneficiaries: true });
      const { own, userId: user_id } = payer;
      const settlement = ok(await own.api.get("/v1/accounts?limit=100"), 200).data.find((one) => one["type"] === "settlement");
      const beneficiary = { account_id: String(settlement?.id), name: "My bank" };
      const asked = await payer.ask({ purpose: "beneficiary", beneficiary });
      if (asked.status === 201) {
        ok(await payer.answer(asked.body), 200);
        await own.api.post("/v1/beneficiaries", { ...beneficiary, user_id, authentication_id: asked.body.id });
      }
      const out = { account_id: payer.account, amount: 90_000, currency: "EUR", context: berlin };
      assert.equal(ok(await own.api.post("/v1/withdrawals", out), 202).status, "requires_action");
    });
  });

  describe("a review that a payment goes to after its payer was authenticated", () => {
    it("is listed by when it was opened", async () => {
      const own = await stage.app.newOrganisation();
      const { clock } = stage.app;
      const scene = await suspect(own, clock);
      const device = await registerPasskey(own, scene.userId);
      await setPolicy(own, { sca: "psd2" });
      const paid = ok(await scene.pay(), 202);
      clock.advance(10 * MINUTE_MS);
      const before = new Date(clock.now()).toISOString();
      const asked = await own.api.post("/v1/authentications", { user_id: scene.userId, purpose: "payment", transaction_id: paid.id });
      ok(await own.api.post(`/v1/authentications/${asked.body.id}/verify`, { proofs: [proofOf(device, ok(asked, 201))] }), 200);
      const { review_id } = ok(await own.api.get(`/v1/transactions/${paid.id}`), 200);
      const found = ok(await own.api.get(`/v1/reviews?created_from=${encodeURIComponent(before)}`), 200);
      assert.deepEqual(idsOf(found.data), [review_id]);
      ok(await own.api.post(`/v1/reviews/${review_id}/approve`), 200);
      assert.equal(await statusOf(own, paid.id), "posted");
    });
  });

  describe("a batch of independent transfers", () => {
    it("is taken whatever has to be written for each: another payer, device, counters and series", async () => {
      const own = await stage.app.newOrganisation();
      await setPolicy(own, { sca: "psd2", low_value: "count" });
      const transfers = await Promise.all(
        Array.from({ length: 15 }, async (_, n) => {
          const owner = await payerOf(own);
          const standing_order_id = await orderOf(owner, 500);
          const first = ok(await owner.pay(500, { standing_order_id }), 201);
          assert.equal(scaOf(first)["exemption"], "low_value");
          const authentication_id = await owner.approve({ purpose: "payment", payment: owner.payment(500) });
          ok(await owner.pay(500, { standing_order_id, authentication_id }), 201);
          return { ...owner.payment(500), standing_order_id, context: { ...berlin, device_id: `tablet-${n}` } };
        }),
      );
      const done = ok(await own.api.post("/v1/transfers/batch", { mode: "independent", transfers }), 200);
      assert.deepEqual(
        done.results.map(({ status }) => status),
        transfers.map(() => 201),
      );
      await auditBooks(own);
    });
  });

  describe("an atomic batch", () => {
    it("of ten payers fits one commit, with all that authentication reads and writes of each", async () => {
      const own = await stage.app.newOrganisation();
      const signatory = await payerOf(own);
      const transfers: object[] = [];
      for (let n = 0; n < 10; n++) {
        const owner = await payerOf(own);
        ok(await own.api.post(`/v1/accounts/${owner.account}/holders`, { user_id: signatory.userId, role: "authorised_signatory" }), 201);
        const standing_order_id = await orderOf(owner, 500);
        transfers.push({ ...owner.payment(500), standing_order_id, context: { ...berlin, device_id: `phone-${n}` } });
      }
      await setPolicy(own, { sca: "psd2", recurring: true });
      const batch = transfers.map((one) => {
        const { standing_order_id: _order, context: _context, ...payment } = one as Record<string, unknown>;
        return payment;
      });
      const authentication_id = await signatory.approve({ purpose: "batch", batch });
      const done = await own.api.post("/v1/transfers/batch", { mode: "atomic", transfers, authentication_id });
      assert.equal(done.status, 201, done.text);
      const again = await own.api.post("/v1/transfers/batch", { mode: "atomic", transfers });
      assert.equal(again.status, 201, again.text);
      await auditBooks(own);
    });
  });
}
