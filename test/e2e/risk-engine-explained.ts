import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FEATURES } from "#features/index.ts";
import type { ApiObject } from "../support/http-client.ts";
import { ok, refused } from "../support/http-client.ts";
import type { TestModels } from "./risk-engine-kit.ts";
import { amountModel, explain, featureOf, makeOld, parties } from "./risk-engine-kit.ts";
import type { Stage } from "./stage.ts";
import { auditBooks, everyPage } from "./stage.ts";
import { berlin, suspect } from "./suspicious.ts";

/** Models in force, explanations, and what is learnt of frauds that become known, on any store. */
export function explanationFlows(stage: Stage, models: TestModels): void {
  describe("a model in force", () => {
    it("decides, is replayed with the same score, and is explained as long as it is kept", async () => {
      const own = await stage.app.newOrganisation();
      const { api } = own;
      const { payer, payee } = await parties(own);
      const champion = amountModel("mdl_champion");
      models.inForce.set(own.id, { champion, shadow: amountModel("mdl_shadow") });
      const calm = ok(await own.transfer(payer, payee, 9_999, { context: berlin }), 201);
      const risky = ok(await own.transfer(payer, payee, 10_000, { context: berlin }), 202);
      assert.deepEqual([calm["risk_score"], risky["risk_score"], (risky["risk"] as ApiObject)["model"]], [0.05, 0.95, "mdl_champion"]);
      const told = await explain(api, risky.id);
      assert.deepEqual([told["replayed_score"], told["matches"]], [0.95, true]);
      assert.deepEqual(told["shadow"], { model: "mdl_shadow", score: 0.95 });
      const { contributions } = told["champion"] as unknown as { contributions: ApiObject[] };
      assert.deepEqual([contributions.length, contributions[0]?.["feature"]], [10, "payer_count_1m"]);
      assert.notEqual(told["factor_score"], told["risk_score"]);

      models.inForce.delete(own.id);
      const gone = await explain(api, risky.id);
      assert.deepEqual([gone["replayed_score"], gone["matches"], (gone["champion"] as ApiObject)["contributions"]], [null, null, null]);
      models.kept.set("mdl_champion", champion);
      assert.equal((await explain(api, risky.id))["matches"], true);
      models.kept.set("mdl_champion", { ...champion, score: () => 0.94 });
      assert.deepEqual([(await explain(api, risky.id))["replayed_score"], (await explain(api, risky.id))["matches"]], [0.94, false]);
      models.kept.clear();
    });

    it("decides nothing when it was made for other features", async () => {
      const own = await stage.app.newOrganisation();
      const { payer, payee } = await parties(own);
      models.inForce.set(own.id, { champion: amountModel("mdl_old", "other"), shadow: undefined });
      const posted = ok(await own.transfer(payer, payee, 10_000, { context: berlin }), 201);
      assert.equal((posted["risk"] as ApiObject)["model"], "factors-1");
    });
  });

  describe("an assessment", () => {
    it("is explained from what was stored, and scored again by it", async () => {
      const own = await stage.app.newOrganisation();
      const { api } = own;
      const { payer, payee } = await parties(own);
      for (let n = 0; n < 3; n++) ok(await own.transfer(payer, payee, 1_000 + n, { context: { ...berlin, ip: "192.0.2.1" } }), 201);
      const last = ok(await own.transfer(payer, payee, 2_000, { context: berlin }), 201);
      const told = await explain(api, last.id);
      assert.deepEqual([told.id, told.object, told["subject"], told["action"]], [last.id, "risk_assessment", "transaction", "allow"]);
      assert.deepEqual(
        [told["matches"], told["replayed_score"], told["champion"], told["shadow"], told["rule_set"]],
        [true, last["risk_score"], null, null, null],
      );
      assert.deepEqual(told["thresholds"], { challenge_above: null, review_above: 0.8, block_above: null });
      assert.equal((told["features"] as unknown as unknown[]).length, FEATURES.length);
      assert.deepEqual(
        ["amount", "payer_count_10m", "pair_sum_10m"].map((name) => featureOf(told, name)),
        [2_000, 3, 3_003],
      );
      const factors = told["factors"] as unknown as { weight: number; contribution: number }[];
      assert.equal(factors.reduce((sum, { weight }) => sum + weight, 0).toFixed(6), "1.000000");
      assert.ok(Math.abs(factors.reduce((sum, { contribution }) => sum + contribution, 0) - Number(told["factor_score"])) <= 0.000_1);
      const deposit = (await everyPage(api, "/v1/transactions?type=deposit", 5))[0];
      refused(await api.get(`/v1/risk/assessments/${deposit?.id}`), "not_found");
      refused(await api.get(`/v1/risk/assessments/${last.id.slice(0, -1)}${last.id.endsWith("A") ? "B" : "A"}`), "not_found");
      refused(await (await stage.app.newOrganisation()).api.get(`/v1/risk/assessments/${last.id}`), "not_found");
    });

    it("of before there were features is still shown and explained, and its account goes on", async () => {
      const own = await stage.app.newOrganisation();
      const { api } = own;
      const { payer, payee } = await parties(own);
      const { id } = ok(await own.transfer(payer, payee, 1_000, { context: berlin }), 201);
      await makeOld(stage, own.id, id, [payer, payee]);
      const shown = ok(await api.get(`/v1/transactions/${id}`), 200);
      assert.deepEqual(
        [shown["risk_score"], Object.keys(shown["risk"] as ApiObject)],
        [shown["risk_score"], ["risk_score", "model", "factors", "reasons", "velocity_count"]],
      );
      const told = await explain(api, id);
      assert.deepEqual([told["features"], told["thresholds"], told["matches"], "action" in told], [null, null, true, false]);
    });
  });

  describe("what the features remember of a payer", () => {
    it("lies with the habits, and goes with them when the user is erased", async () => {
      const own = await stage.app.newOrganisation();
      const { api } = own;
      const userId = await own.user();
      const payer = await own.account({ userId, balance: 700 });
      ok(await own.transfer(payer, await own.account(), 700, { context: berlin }), 201);
      const remembered = async () => (await stage.app.store.get("smartfinance-risk-profiles", { hash: userId }))?.["features"];
      assert.equal(typeof (await remembered()), "string");
      ok(await api.post(`/v1/accounts/${payer}/close`), 200);
      ok(await api.post(`/v1/users/${userId}/close`), 200);
      ok(await api.post(`/v1/users/${userId}/erase`), 200);
      assert.equal(await remembered(), undefined);
    });
  });

  describe("a fraud that becomes known", () => {
    it("is taught to payer, payee and device with the label, once", async () => {
      const own = await stage.app.newOrganisation();
      const { api } = own;
      const { payer, payee } = await parties(own);
      const { id } = ok(await own.transfer(payer, payee, 1_000, { context: berlin }), 201);
      const label = (value: string) => api.post("/v1/risk/labels", { transaction_id: id, label: value, source: "confirmed" });
      const frauds = async () => {
        const { id: next } = ok(await own.transfer(payer, payee, 1_000, { context: berlin }), 201);
        const told = await explain(api, next);
        return ["payer_frauds_1d", "payee_frauds_1d", "device_frauds_1d"].map((name) => featureOf(told, name));
      };
      ok(await label("legitimate"), 201);
      assert.deepEqual(await frauds(), [0, 0, 0]);
      ok(await label("fraud"), 201);
      assert.deepEqual(await frauds(), [1, 1, 1]);
      for (const value of ["fraud", "legitimate", "fraud"]) ok(await label(value), 201);
      assert.deepEqual(await frauds(), [1, 1, 1]);
      await auditBooks(own);
    });

    it("is taught by the review that rejects, and not by one that says nothing of fraud", async () => {
      const own = await stage.app.newOrganisation();
      const { api } = own;
      const { payer, payee, pay } = await suspect(own, stage.app.clock);
      const review = async (body: object) => {
        const { review_id } = ok(await pay(), 202);
        ok(await api.post(`/v1/reviews/${String(review_id)}/reject`, body), 200);
      };
      const told = async () => explain(api, ok(await pay(), 202).id);
      await review({ reason_code: "policy" });
      assert.equal(featureOf(await told(), "payee_frauds_1d"), 0);
      await review({ reason_code: "confirmed_fraud" });
      const after = await told();
      assert.deepEqual(
        [featureOf(after, "payee_frauds_1d"), featureOf(after, "payer_frauds_1d"), featureOf(after, "device_frauds_1d")],
        [1, 1, 1],
      );
      assert.ok(payer !== payee);
      await auditBooks(own);
    });
  });
}
