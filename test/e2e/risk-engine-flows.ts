import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startApp } from "../support/app.ts";
import type { ApiObject } from "../support/http-client.ts";
import { freshKey, ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import { explanationFlows } from "./risk-engine-explained.ts";
import type { TestModels } from "./risk-engine-kit.ts";
import { activate, blockedIn, explain, featureOf, FUNDS, MINUTE_MS, parties, POLICY_MS, setPolicy, STRANGERS } from "./risk-engine-kit.ts";
import type { Stage } from "./stage.ts";
import { auditBooks, everyPage, idsOf } from "./stage.ts";
import { berlin, saoPaulo } from "./suspicious.ts";

/** Rules, thresholds and models inside the decision, on any store. The stage has to be started with `models`. */
export function riskEngineFlows(stage: Stage, models: TestModels): void {
  explanationFlows(stage, models);
  describe("a payment that does not simply post", () => {
    it("is blocked: moves nothing, is kept, explained and told of, and is answered with the same bytes again", async () => {
      const own = await stage.app.newOrganisation();
      const { api } = own;
      await activate(own, [{ name: "large", expression: "amount > 1000", action: "block" }]);
      const { payer, payee } = await parties(own);
      const seen = await newestEvent(api);
      const body = { from_account_id: payer, to_account_id: payee, amount: 1001, currency: "EUR", context: berlin, metadata: { a: "b" } };
      const idempotencyKey = freshKey();
      const answer = await api.post("/v1/transfers", body, { idempotencyKey });
      const id = blockedIn(refused(answer, "risk_declined"));
      const replay = await api.post("/v1/transfers", body, { idempotencyKey });
      assert.deepEqual([replay.text, replay.headers["idempotent-replayed"]], [answer.text, "true"]);
      refused(await api.post("/v1/transfers", { ...body, amount: 5 }, { idempotencyKey }), "idempotency_key_reused");

      const kept = ok(await api.get(`/v1/transactions/${id}`), 200);
      assert.deepEqual(
        [kept.status, kept["risk_reason"], kept["posted_at"], kept["review_id"]],
        ["blocked", "declined_security", null, null],
      );
      assert.deepEqual(kept["metadata"], { a: "b" });
      const hit = { rule: "large", action: "block", reason_code: "our_reason" };
      assert.deepEqual([(kept["risk"] as ApiObject)["action"], (kept["risk"] as ApiObject)["rules"]], ["block", [hit]]);
      const account = ok(await api.get(`/v1/accounts/${payer}`), 200);
      assert.deepEqual([account.balance, account["held"]], [FUNDS, 0]);
      assert.equal(ok(await api.get(`/v1/accounts/${payee}`), 200).version, 1);
      assert.deepEqual(idsOf(await everyPage(api, "/v1/transactions?status=blocked", 5)), [id]);
      assert.equal(idsOf(await everyPage(api, `/v1/transactions?account_id=${payer}`, 5)).includes(id), false);

      const [event, ...more] = await eventsAfter(api, seen);
      assert.deepEqual([event?.["event_type"], event?.["transaction_id"], event?.["entries"], more], ["transfer.blocked", id, null, []]);
      refused(await api.post(`/v1/transactions/${id}/reversals`), "transaction_not_reversible");
      const explained = await explain(api, id);
      assert.deepEqual([explained["action"], explained["outcome"]], ["block", { status: "blocked", review: null, label: null }]);
      // It counts for velocity all the same.
      const next = ok(await own.transfer(payer, payee, 10, { context: berlin }), 201);
      assert.deepEqual([(next["risk"] as ApiObject)["velocity_count"], featureOf(await explain(api, next.id), "payer_count_10m")], [2, 1]);
      await auditBooks(own);
    });

    it("is blocked as one of several in a batch, and nothing of an atomic one", async () => {
      const own = await stage.app.newOrganisation();
      const { api } = own;
      await activate(own, [{ expression: "amount > 1000", action: "block" }]);
      const { payer, payee } = await parties(own);
      const transfers = [100, 1001, 200].map((amount) => ({ from_account_id: payer, to_account_id: payee, amount, currency: "EUR" }));
      refused(await api.post("/v1/transfers/batch", { mode: "atomic", transfers }), "risk_declined", "transfers.1");
      assert.deepEqual(await everyPage(api, "/v1/transactions?status=blocked", 5), []);
      const { results } = ok(await api.post("/v1/transfers/batch", { mode: "independent", transfers }), 200);
      assert.deepEqual(
        results.map((result) => [result.status, result["code"] ?? null, result["transaction_status"]]),
        [
          [201, null, "posted"],
          [422, "risk_declined", "blocked"],
          [201, null, "posted"],
        ],
      );
      assert.equal((await explain(api, String(results[1]?.["transaction_id"])))["subject"], "transaction");
      assert.equal(await own.balance(payer), FUNDS - 300);
      await auditBooks(own);
    });

    it("is one of a whole batch of strangers on devices of their own, each of which waits for a review", async () => {
      const own = await stage.app.newOrganisation();
      const { api } = own;
      await setPolicy(api, { review_above: 0 });
      const pairs = await Promise.all(Array.from({ length: STRANGERS }, () => parties(own)));
      const transfers = pairs.map(({ payer, payee }, n) => ({
        from_account_id: payer,
        to_account_id: payee,
        amount: 100,
        currency: "EUR",
        context: { device_id: `device-${n}` },
      }));
      const { results } = ok(await api.post("/v1/transfers/batch", { mode: "independent", transfers }), 200);
      assert.deepEqual(
        results.map((result) => [result.status, result["transaction_status"]]),
        pairs.map(() => [202, "pending_review"]),
      );
    });

    it("is blocked as a withdrawal, and leaves no settlement account behind", async () => {
      const own = await stage.app.newOrganisation();
      const { api } = own;
      await activate(own, [{ expression: 'payment_type == "withdrawal"', action: "block" }]);
      const account = await own.account({ currency: "JPY", overdraft: 1_000 });
      const seen = await newestEvent(api);
      const id = blockedIn(
        refused(await api.post("/v1/withdrawals", { account_id: account, amount: 10, currency: "JPY" }), "risk_declined"),
      );
      assert.equal(ok(await api.get(`/v1/transactions/${id}`), 200).status, "blocked");
      assert.deepEqual(
        (await eventsAfter(api, seen)).map((event) => event["event_type"]),
        ["withdrawal.blocked"],
      );
      assert.deepEqual(idsOf(await everyPage(api, "/v1/accounts", 10)), [account]);
      refused(await api.post(`/v1/transactions/${id}/reversals`), "transaction_not_reversible");
      ok(await api.post("/v1/risk/labels", { transaction_id: id, label: "fraud", source: "confirmed" }), 201);
    });
  });

  describe("a declined hold", () => {
    it("reserves nothing, counts for velocity, and an event tells why", async () => {
      const own = await stage.app.newOrganisation();
      const { api } = own;
      await activate(own, [{ name: "large", expression: "amount > 1000", action: "challenge" }]);
      const { payer, payee } = await parties(own);
      const seen = await newestEvent(api);
      const hold = { from_account_id: payer, to_account_id: payee, amount: 1001, currency: "EUR", context: berlin };
      refused(await api.post("/v1/holds", hold), "risk_declined");
      const [event] = await eventsAfter(api, seen);
      assert.equal(event?.["event_type"], "hold.declined");
      const details = event?.["details"] as ApiObject;
      assert.deepEqual([details["action"], details["hits"]], ["challenge", [["large", "challenge", "our_reason"]]]);
      assert.equal(ok(await api.get(`/v1/accounts/${payer}`), 200)["held"], 0);
      const held = ok(await api.post("/v1/holds", { ...hold, amount: 1000 }), 201);
      const explained = await explain(api, held.id);
      assert.deepEqual(
        [explained["subject"], explained["velocity_count"], featureOf(explained, "payer_count_10m"), explained["outcome"]],
        ["hold", 2, 1, { status: "active", review: null, label: null }],
      );
      const captured = ok(await api.post(`/v1/holds/${held.id}/capture`), 201);
      assert.equal((await explain(api, captured.id))["risk_score"], explained["risk_score"]);
    });
  });

  describe("rules and thresholds", () => {
    it("challenge, which waits for a review and says so; and lift what the score asks for", async () => {
      const own = await stage.app.newOrganisation();
      const { api } = own;
      const { payer, payee } = await parties(own);
      const ruleSet = await activate(own, [
        { name: "abroad", expression: 'has(context.country) && context.country != "DE"', action: "challenge" },
        { name: "family", expression: `pair == "${payer}:${payee}" && amount < 100`, action: "allow" },
      ]);
      const waiting = ok(await own.transfer(payer, payee, 500, { context: saoPaulo }), 202);
      const risk = waiting["risk"] as ApiObject;
      assert.deepEqual(
        [waiting.status, risk["action"], (risk["reasons"] as unknown as string[]).slice(0, 2)],
        ["pending_review", "challenge", ["challenge_required", "rule_matched"]],
      );
      assert.equal(ok(await api.get(`/v1/accounts/${payer}`), 200)["held"], 500);
      ok(await api.post(`/v1/reviews/${String(waiting["review_id"])}/approve`), 200);
      const explained = await explain(api, waiting.id);
      assert.deepEqual([(explained["rule_set"] as ApiObject).id, (explained["rule_set"] as ApiObject)["number"]], [ruleSet, 1]);
      const outcome = explained["outcome"] as unknown as { status: string; review: ApiObject; label: ApiObject };
      assert.deepEqual([outcome.status, outcome.review.status, outcome.label["label"]], ["posted", "approved", "legitimate"]);

      await setPolicy(api, { review_above: 0 });
      ok(await own.transfer(payer, payee, 99, { context: berlin }), 201);
      ok(await own.transfer(payer, payee, 100, { context: berlin }), 202);
      await setPolicy(api, { review_above: 0, block_above: 0.001 });
      const id = blockedIn(refused(await own.transfer(payer, payee, 99, { context: berlin }), "risk_declined"));
      assert.deepEqual((await explain(api, id))["thresholds"], { challenge_above: null, review_above: 0, block_above: 0.001 });
      await auditBooks(own);
    });

    it("speak of features, in the decision as in a dry run", async () => {
      const own = await stage.app.newOrganisation();
      const { api } = own;
      const { payer, payee } = await parties(own);
      await activate(own, [{ name: "third", expression: "pair_count_10m >= 2.0", action: "block" }]);
      const statuses: number[] = [];
      for (let n = 0; n < 4; n++) statuses.push((await own.transfer(payer, payee, 10, { context: berlin })).status);
      assert.deepEqual(statuses, [201, 201, 422, 422]);
      const { id } = ok(
        await api.post("/v1/risk/rule-sets", {
          rules: [{ name: "r", expression: "pair_count_10m >= 1.0", action: "review", reason_code: "r" }],
        }),
        201,
      );
      const run = ok(await api.post(`/v1/risk/rule-sets/${id}/dry-runs`, { days: 1 }), 202);
      await stage.app.app.dryRuns.work();
      const ended = ok(await api.get(`/v1/risk/dry-runs/${run.id}`), 200);
      const [rule] = ended["rules"] as unknown as ApiObject[];
      assert.deepEqual([ended.status, ended["examined"], rule?.["hits"], rule?.["failures"]], ["completed", 4, 3, 0]);
    });

    // SQLite has one process for its data, which knows of its own changes at once.
    if (stage.options.store !== "sqlite") {
      it("hold on every node within five seconds", async (t) => {
        const own = await stage.app.newOrganisation();
        const other = await startApp({ ...stage.options, besides: stage.app, models });
        t.after(() => other.close());
        const there = other.anonymous.as(own.apiKey);
        const { payer, payee } = await parties(own);
        const body = { from_account_id: payer, to_account_id: payee, amount: 10, currency: "EUR", context: berlin };
        ok(await there.post("/v1/transfers", body), 201);
        await setPolicy(own.api, { review_above: 0 });
        ok(await own.api.post("/v1/transfers", body), 202);
        stage.app.clock.advance(POLICY_MS);
        ok(await there.post("/v1/transfers", body), 202);
      });
    }
  });

  describe("a burst", () => {
    it("is counted one by one, however parallel it comes", async () => {
      const own = await stage.app.newOrganisation();
      const { api } = own;
      const { payer, payee } = await parties(own);
      stage.app.clock.advance(31 * MINUTE_MS);
      const sent = await Promise.all(Array.from({ length: 11 }, () => own.transfer(payer, payee, 100, { context: berlin })));
      const told = await Promise.all(sent.map(async (answer) => explain(api, ok(answer, 201).id)));
      const counts = told.map((one) =>
        [one["velocity_count"], featureOf(one, "payer_count_10m"), featureOf(one, "payee_count_10m")].map(Number),
      );
      assert.deepEqual(
        counts.toSorted(([a = 0], [b = 0]) => a - b),
        Array.from({ length: 11 }, (_, n) => [n + 1, n, n]),
      );
    });
  });
}
