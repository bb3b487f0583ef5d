import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Scope } from "#kernel/scopes.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { Organisation, TestApp } from "../support/app.ts";
import type { Answer, ApiObject, Client } from "../support/http-client.ts";
import { freshKey, ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import { berlin, suspect, SUSPICIOUS_AMOUNT } from "./suspicious.ts";
import type { Stage } from "./stage.ts";
import { everyPage } from "./stage.ts";

const RULE = { name: "large", expression: "amount > 100000", action: "review", reason_code: "large_amount" };
const AMOUNT = 1_000;

/** The client of a second person. */
async function colleague(
  { api }: Organisation,
  scopes: readonly Scope[] = ["rules:read", "rules:write", "rules:activate"],
): Promise<Client> {
  return api.as(ok(await api.post("/v1/api-keys", { name: "Colleague", scopes, rate_limit_per_minute: 1_000_000 }), 201).secret);
}

async function draft(api: Client, rules: readonly object[] = [RULE]): Promise<ApiObject> {
  return ok(await api.post("/v1/risk/rule-sets", { description: "For tests", rules }), 201);
}

const put = (api: Client, body: object, headers: Readonly<Record<string, string>> = {}): Promise<Answer> =>
  api.send("PUT", "/v1/risk/policy", JSON.stringify(body), { headers });
const typesOf = (events: readonly ApiObject[]) => events.map((event) => event["event_type"]);

/** The policy as a decision gets it. */
const inForce = (app: TestApp, { id }: Organisation) => app.app.policies.of(id as OrganisationId);

/** Rule sets, lists, thresholds and dry runs, on any store. */
export function ruleFlows(stage: Stage): void {
  describe("risk rules", () => {
    it("are drafted, edited, put in force by somebody else, and gone back from", async () => {
      const own = await stage.app.newOrganisation();
      const { api } = own;
      const second = await colleague(own);
      const seen = await newestEvent(api);
      const first = await draft(api);
      assert.deepEqual([first.status, first["number"], first.version, first["created_by"]], ["draft", 1, 1, own.apiKeyId]);
      assert.deepEqual(first["rules"], [{ ...RULE, description: null, internal_text: null, enabled: true }]);

      const path = `/v1/risk/rule-sets/${first.id}`;
      const got = await api.get(path);
      assert.equal(got.headers.etag, '"1"');
      refused(await api.patch(path, { description: "x" }, { headers: { "if-match": '"9"' } }), "version_conflict");
      const edited = ok(await api.patch(path, { rules: [{ ...RULE, action: "block" }] }, { headers: { "if-match": '"1"' } }), 200);
      assert.deepEqual([edited.version, edited["description"]], [2, "For tests"]);
      assert.notEqual(edited["rules_sha256"], first["rules_sha256"]);

      refused(await api.post(`${path}/activate`), "second_person_required");
      refused(await second.post(`${path}/activate`, undefined, { headers: { "if-match": '"1"' } }), "version_conflict");
      const idempotencyKey = freshKey();
      const active = await second.post(`${path}/activate`, undefined, { idempotencyKey, headers: { "if-match": '"2"' } });
      assert.deepEqual([ok(active, 200).status, active.body.version], ["active", 3]);
      const replay = await second.post(`${path}/activate`, undefined, { idempotencyKey, headers: { "if-match": '"2"' } });
      assert.equal(replay.text, active.text);
      assert.equal(replay.headers["idempotent-replayed"], "true");
      refused(await second.post(`${path}/activate`), "rule_set_active");
      refused(await api.patch(path, { description: "later" }), "rule_set_not_draft");
      assert.equal((await inForce(stage.app, own)).ruleSetId, first.id);

      const next = await draft(second, []);
      assert.equal(next["number"], 2);
      refused(await second.post(`/v1/risk/rule-sets/${next.id}/activate`), "second_person_required");
      ok(await api.post(`/v1/risk/rule-sets/${next.id}/activate`), 200);
      assert.equal(ok(await api.get(path), 200).status, "superseded");
      assert.equal((await inForce(stage.app, own)).ruleSetNumber, 2);
      // Going back needs a second person as well: it can be what weakens the protection.
      refused(await api.post(`${path}/activate`), "second_person_required");
      ok(await second.post(`${path}/activate`), 200);
      assert.equal(ok(await api.get("/v1/risk/policy"), 200)["active_rule_set_id"], first.id);

      const events = await eventsAfter(api, seen);
      assert.deepEqual(typesOf(events), [
        "rule_set.created",
        "rule_set.updated",
        "rule_set.activated",
        "rule_set.created",
        "rule_set.activated",
        "rule_set.activated",
      ]);
      assert.deepEqual(
        events.filter((event) => event["event_type"] === "rule_set.activated").map((event) => (event["details"] as ApiObject)["rollback"]),
        [false, false, true],
      );
      const listed = await everyPage(api, "/v1/risk/rule-sets", 1);
      assert.deepEqual(
        listed.map((set) => [set.id, set.status, set["rule_count"], set["rules"]]),
        [
          [next.id, "superseded", 0, undefined],
          [first.id, "active", 1, undefined],
        ],
      );
    });

    it("refuse whoever ever edited a draft, not only the last", async () => {
      const own = await stage.app.newOrganisation();
      const [second, third] = [await colleague(own), await colleague(own)];
      const { id } = await draft(own.api);
      ok(await second.patch(`/v1/risk/rule-sets/${id}`, { description: "mine" }), 200);
      ok(await own.api.patch(`/v1/risk/rule-sets/${id}`, { description: "ours" }), 200);
      for (const editor of [own.api, second]) refused(await editor.post(`/v1/risk/rule-sets/${id}/activate`), "second_person_required");
      ok(await third.post(`/v1/risk/rule-sets/${id}/activate`), 200);
    });

    it("are refused with the rule and the place in its expression", async () => {
      const { api } = await stage.app.newOrganisation();
      const post = (...rules: object[]) => api.post("/v1/risk/rule-sets", { rules });
      const bad = refused(
        await post(RULE, { ...RULE, name: "second", expression: "amount > 1 && nope" }),
        "invalid_request",
        "rules.1.expression",
      );
      assert.equal(bad["detail"], "Rule second, character 15: There is no variable nope.");
      refused(await post(RULE, RULE), "invalid_request", "rules.1.name");
      const listed = refused(await post({ ...RULE, expression: 'in_list("nobody", payee_account_id)' }), "invalid_request", "rules");
      assert.match(String(listed["detail"]), /no list nobody/);
      const many = Array.from({ length: 101 }, (_, n) => ({ ...RULE, name: `r${n}` }));
      refused(await post(...many), "invalid_request", "rules");
      const long = many.slice(0, 100).map((rule) => ({ ...rule, expression: `amount > 1 ${" ".repeat(1_900)}` }));
      assert.match(String(refused(await post(...long), "invalid_request", "rules")["detail"]), /bytes of JSON/);
      const { id } = await draft(api);
      refused(
        await api.patch(`/v1/risk/rule-sets/${id}`, { rules: [{ ...RULE, expression: "amount" }] }),
        "invalid_request",
        "rules.0.expression",
      );
    });

    it("are stored up to the largest set there may be, and shown again to a repetition", async () => {
      const { api } = await stage.app.newOrganisation();
      const rules = Array.from({ length: 50 }, (_, n) => ({ ...RULE, name: `r${n}`, expression: `currency == '${'"'.repeat(1_200)}'` }));
      const idempotencyKey = freshKey();
      const first = await api.post("/v1/risk/rule-sets", { rules }, { idempotencyKey });
      const { id } = ok(first, 201);
      assert.equal((await api.post("/v1/risk/rule-sets", { rules }, { idempotencyKey })).text, first.text);
      assert.deepEqual(ok(await api.get(`/v1/risk/rule-sets/${id}`), 200)["rules"], first.body["rules"]);
    });

    it("keep to one organisation", async () => {
      const own = await stage.app.newOrganisation();
      const other = await stage.app.newOrganisation();
      const { id } = await draft(own.api);
      const list = ok(await own.api.post("/v1/risk/lists", { name: "mine" }), 201).id;
      const run = ok(await own.api.post(`/v1/risk/rule-sets/${id}/dry-runs`, { days: 1 }), 202).id;
      for (const path of [`rule-sets/${id}`, `lists/${list}`, `lists/${list}/entries`, `dry-runs/${run}`])
        refused(await other.api.get(`/v1/risk/${path}`), "not_found");
      refused(await other.api.patch(`/v1/risk/rule-sets/${id}`, { description: "x" }), "not_found");
      refused(await other.api.post(`/v1/risk/rule-sets/${id}/activate`), "not_found");
      refused(await other.api.post(`/v1/risk/rule-sets/${id}/dry-runs`, { days: 1 }), "not_found");
      refused(await other.api.post(`/v1/risk/lists/${list}/entries`, { values: ["a"] }), "not_found");
      refused(await other.api.post(`/v1/risk/lists/${list}/entries/remove`, { values: ["a"] }), "not_found");
      refused(await other.api.post(`/v1/risk/dry-runs/${run}/cancel`), "not_found");
      for (const path of ["rule-sets", "lists", "dry-runs"]) assert.deepEqual(ok(await other.api.get(`/v1/risk/${path}`), 200).data, []);
      refused(
        await other.api.post("/v1/risk/rule-sets", { rules: [{ ...RULE, expression: 'in_list("mine", pair)' }] }),
        "invalid_request",
        "rules",
      );
    });
  });

  describe("the risk policy", () => {
    it("reviews above 0.8 until something else is set, and keeps the order of the thresholds", async () => {
      const own = await stage.app.newOrganisation();
      const { api } = own;
      const before = await api.get("/v1/risk/policy");
      const { challenge_above, review_above, block_above, active_rule_set_id, version } = ok(before, 200);
      assert.deepEqual([challenge_above, review_above, block_above, active_rule_set_id, version], [null, 0.8, null, null, 1]);
      assert.equal(before.headers.etag, '"1"');
      assert.deepEqual((await inForce(stage.app, own)).thresholds, { challengeAbove: null, reviewAbove: 8000, blockAbove: null });
      const seen = await newestEvent(api);
      refused(await put(api, { review_above: 0.7 }, { "if-match": '"2"' }), "version_conflict");
      const set = ok(await put(api, { challenge_above: 0.5, review_above: 0.7123, block_above: 0.95 }, { "if-match": '"1"' }), 200);
      assert.deepEqual([set["challenge_above"], set["review_above"], set["block_above"], set.version], [0.5, 0.7123, 0.95, 2]);
      assert.deepEqual((await inForce(stage.app, own)).thresholds, { challengeAbove: 5000, reviewAbove: 7123, blockAbove: 9500 });
      refused(await put(api, { review_above: 0.7, challenge_above: 0.71 }), "invalid_request", "challenge_above");
      refused(await put(api, { review_above: 0.7, block_above: 0.69 }), "invalid_request", "block_above");
      refused(await put(api, { review_above: 0.12345 }), "invalid_request", "review_above");
      const off = ok(await put(api, { review_above: 1 }), 200);
      assert.deepEqual([off["challenge_above"], off["block_above"]], [null, null]);
      const told = ok(await put(api, { challenge_above: null, review_above: 0.8, block_above: null }), 200);
      assert.deepEqual([told["challenge_above"], told["block_above"]], [null, null], "what a GET shows can be put back");
      assert.deepEqual(typesOf(await eventsAfter(api, seen)), ["risk_policy.updated", "risk_policy.updated", "risk_policy.updated"]);
    });

    it("is in force at once on the node that changed it, rules included", async () => {
      const own = await stage.app.newOrganisation();
      const second = await colleague(own);
      const other = await inForce(stage.app, own);
      assert.equal(other.ruleSetId, null);
      const { id } = await draft(own.api);
      ok(await second.post(`/v1/risk/rule-sets/${id}/activate`), 200);
      const now = await inForce(stage.app, own);
      assert.deepEqual(
        [now.ruleSetId, now.evaluate({ amount: 200_000 }).action, now.evaluate({ amount: 1 }).action],
        [id, "review", undefined],
      );
    });
  });

  describe("lists of risk rules", () => {
    it("take entries in and out, page by page, and rules in force see them", async () => {
      const own = await stage.app.newOrganisation();
      const { api } = own;
      const seen = await newestEvent(api);
      const list = ok(await api.post("/v1/risk/lists", { name: "blocked_payees", description: "Fraud" }), 201);
      refused(await api.post("/v1/risk/lists", { name: "blocked_payees" }), "list_name_taken", "name");
      const { id } = await draft(api, [{ ...RULE, expression: 'in_list("blocked_payees", payee_account_id)', action: "block" }]);
      ok(await (await colleague(own)).post(`/v1/risk/rule-sets/${id}/activate`), 200);
      const judge = async () => (await inForce(stage.app, own)).evaluate({ payee_account_id: "acc_7" }).action;
      assert.equal(await judge(), undefined);

      const path = `/v1/risk/lists/${list.id}/entries`;
      const values = Array.from({ length: 45 }, (_, n) => `acc_${n}`);
      assert.equal(ok(await api.post(path, { values }), 200)["size"], 45);
      assert.equal(await judge(), "block");
      const again = ok(await api.post(path, { values: ["acc_44", "acc_45", "acc_45"] }), 200);
      assert.equal(again["size"], 46);
      const found = await everyPage(api, path, 7);
      assert.deepEqual(found.map((entry) => String(entry["value"])).sort(), [...values, "acc_45"].sort());
      assert.ok(found.every((entry) => entry["added_by"] === own.apiKeyId));
      assert.deepEqual(await everyPage(api, path, 100), found);
      assert.equal(ok(await api.post(`${path}/remove`, { values: ["acc_7", "acc_8", "nobody"] }), 200)["size"], 44);
      assert.equal(await judge(), undefined);
      assert.equal((await everyPage(api, path, 20)).length, 44);
      assert.equal(ok(await api.get(`/v1/risk/lists/${list.id}`), 200)["size"], 44);
      refused(await api.get(`${path}?cursor=3%3Aacc_1%20`), "invalid_cursor", "cursor");
      refused(await api.get(`${path}?cursor=99%3Aacc_1`), "invalid_cursor", "cursor");
      for (const value of ["", "with space", "ü", "x".repeat(101)])
        refused(await api.post(path, { values: [value] }), "invalid_request", "values.0");
      refused(await api.post(path, { values: Array.from({ length: 51 }, (_, n) => String(n)) }), "invalid_request", "values");

      const events = (await eventsAfter(api, seen)).filter((event) => String(event["event_type"]).startsWith("risk_list"));
      assert.deepEqual(typesOf(events), [
        "risk_list.created",
        "risk_list.entries_added",
        "risk_list.entries_added",
        "risk_list.entries_removed",
      ]);
      assert.deepEqual(events[2]?.["details"], { name: "blocked_payees", size: 46, values: ["acc_45"] });
      assert.deepEqual(events[3]?.["details"], { name: "blocked_payees", size: 44, values: ["acc_7", "acc_8"] });
    });

    it("are twenty at most", async () => {
      const { api } = await stage.app.newOrganisation();
      for (let n = 0; n < 20; n++) ok(await api.post("/v1/risk/lists", { name: `list_${n}` }), 201);
      refused(await api.post("/v1/risk/lists", { name: "one_more" }), "limit_reached");
      assert.equal((await everyPage(api, "/v1/risk/lists", 9)).length, 20);
    });

    it("lose no entry when many are added at the same time", async () => {
      const { api } = await stage.app.newOrganisation();
      const { id } = ok(await api.post("/v1/risk/lists", { name: "busy" }), 201);
      const answers = await Promise.all(
        Array.from({ length: 12 }, (_, n) => api.post(`/v1/risk/lists/${id}/entries`, { values: [`a${n}`, `b${n}`, "same"] })),
      );
      for (const answer of answers) ok(answer, 200);
      assert.equal(ok(await api.get(`/v1/risk/lists/${id}`), 200)["size"], 25);
      assert.equal((await everyPage(api, `/v1/risk/lists/${id}/entries`, 10)).length, 25);
    });
  });

  describe("dry runs", () => {
    it("count what rules would have done to past payments, and change nothing", async () => {
      const { app } = stage;
      const own = await app.newOrganisation();
      const { api } = own;
      const { pay, payer, payee } = await suspect(own, app.clock);
      const waiting = ok(await pay(), 202);
      ok(await api.post(`/v1/reviews/${waiting.review_id}/reject`), 200);
      ok(await own.transfer(payer, payee, AMOUNT, { context: berlin }), 201);
      const payments = (await everyPage(api, "/v1/transactions?type=transfer", 50)).length;
      const rules = [
        RULE,
        { ...RULE, name: "everything", expression: "amount > 0", action: "challenge" },
        { ...RULE, name: "risky", expression: "score > 0.8 && factors.velocity > 0.5", action: "block" },
        { ...RULE, name: "unknown", expression: 'context.country == "NG"', action: "block" },
        { ...RULE, name: "off", expression: "amount > 0", enabled: false },
      ];
      const { id: ruleSet } = await draft(api, rules);
      const seen = await newestEvent(api);
      const started = ok(await api.post(`/v1/risk/rule-sets/${ruleSet}/dry-runs`, { days: 30 }), 202);
      assert.deepEqual([started.status, started["examined"], started["progress"]], ["running", 0, { steps_done: 0, steps_total: 16 }]);
      refused(await api.post(`/v1/risk/rule-sets/${ruleSet}/dry-runs`, { days: 1 }), "dry_run_running");
      await app.app.dryRuns.work();
      const done = ok(await api.get(`/v1/risk/dry-runs/${started.id}`), 200);
      assert.deepEqual(
        [done.status, done["reason"], done["examined"], done["matched"], done["reviewed"], done["rejected"]],
        ["completed", null, payments, payments, 1, 1],
        app.log.filter((line) => line.includes("dry run")).join(""),
      );
      const figures = done["rules"] as readonly Record<string, unknown>[];
      const hit = { hits: 1, failures: 0, reviewed: 1, rejected: 1, amounts: [{ currency: "EUR", amount: SUSPICIOUS_AMOUNT }] };
      assert.deepEqual(figures[0], { rule: "large", action: "review", ...hit });
      assert.deepEqual([figures[1]?.["rule"], figures[1]?.["hits"], figures[1]?.["reviewed"]], ["everything", payments, 1]);
      assert.deepEqual(figures[2], { rule: "risky", action: "block", ...hit });
      assert.deepEqual([figures[3]?.["hits"], figures[3]?.["failures"]], [payments, payments]);
      assert.equal(figures.length, 4);
      assert.deepEqual(typesOf(await eventsAfter(api, seen)), ["dry_run.started", "dry_run.completed"]);
      assert.equal(ok(await api.get("/v1/risk/policy"), 200)["active_rule_set_id"], null);
      assert.deepEqual(
        (await everyPage(api, "/v1/risk/dry-runs", 1)).map(({ id }) => id),
        [started.id],
      );
      // The next one may start now.
      ok(await api.post(`/v1/risk/rule-sets/${ruleSet}/dry-runs`, { days: 1 }), 202);
    });

    it("are canceled once, and fail when their draft is edited", async () => {
      const { app } = stage;
      const own = await app.newOrganisation();
      const { api } = own;
      const { id } = await draft(api);
      const start = async () => ok(await api.post(`/v1/risk/rule-sets/${id}/dry-runs`, { days: 1 }), 202);
      const seen = await newestEvent(api);
      const first = await start();
      const canceled = ok(await api.post(`/v1/risk/dry-runs/${first.id}/cancel`), 200);
      assert.equal(canceled.status, "canceled");
      assert.notEqual(canceled["ended_at"], null);
      refused(await api.post(`/v1/risk/dry-runs/${first.id}/cancel`), "dry_run_finished");
      const second = await start();
      ok(await api.patch(`/v1/risk/rule-sets/${id}`, { description: "other" }), 200);
      await app.app.dryRuns.work();
      const failed = ok(await api.get(`/v1/risk/dry-runs/${second.id}`), 200);
      assert.deepEqual([failed.status, failed["reason"]], ["failed", "The rule set was changed."]);
      assert.equal(ok(await api.get(`/v1/risk/dry-runs/${first.id}`), 200).status, "canceled");
      assert.deepEqual(typesOf(await eventsAfter(api, seen)), [
        "dry_run.started",
        "dry_run.canceled",
        "dry_run.started",
        "rule_set.updated",
        "dry_run.failed",
      ]);
      refused(await api.post(`/v1/risk/rule-sets/${id}/dry-runs`, { days: 31 }), "invalid_request", "days");
    });
  });
}
