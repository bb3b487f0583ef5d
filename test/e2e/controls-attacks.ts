import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Scope } from "#kernel/scopes.ts";
import type { Answer, Client } from "../support/http-client.ts";
import { ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import { act, approve, colleague, setPolicy, waiting } from "./controls-kit.ts";
import { browserOf, PASSWORD, person } from "./operators-kit.ts";
import type { Stage } from "./stage.ts";
import { auditBooks } from "./stage.ts";
import { HOUR_MS, suspect } from "./suspicious.ts";

const DAY_MS = 24 * HOUR_MS;
const MAX = Number.MAX_SAFE_INTEGER;
const bare = { idempotencyKey: null };
const MAKING: readonly Scope[] = [
  "withdrawals:write",
  "accounts:write",
  "reviews:write",
  "journals:write",
  "controls:write",
  "factors:reset",
];

/** Ways around the controls, each as somebody would try it who has most rights but not all. */
export function controlAttackFlows(stage: Stage): void {
  const scene = async () => {
    const own = await stage.app.newOrganisation();
    const checker = await colleague(own, "Checker");
    const account = await own.account({ balance: 100_000 });
    const ask = (api: Client): Promise<Answer> => api.post("/v1/withdrawals", { account_id: account, amount: 10, currency: "EUR" });
    return { own, checker, account, ask };
  };

  describe("SOX-01 nobody makes himself the maker whom he checks", () => {
    it("a key that could ask for what is controlled is made, widened or taken over by two persons only", async () => {
      const { own, checker, ask } = await scene();
      const service = await colleague(own, "Service", ["withdrawals:write"]);
      ok(await setPolicy(own.api, [{ kind: "withdrawal" }]), 200);
      for (const scope of MAKING) waiting(await own.api.post("/v1/api-keys", { name: "Puppet", scopes: [scope] }));
      const reader = ok(await own.api.post("/v1/api-keys", { name: "Reader", scopes: ["accounts:read"] }), 201);
      waiting(await own.api.patch(`/v1/api-keys/${reader.id}`, { scopes: ["accounts:read", "withdrawals:write"] }));
      refused(await own.api.post(`/v1/api-keys/${service.keyId}/rotate`, { overlap_seconds: 0 }), "second_person_required");
      const reads = ok(await own.api.post(`/v1/api-keys/${reader.id}/rotate`, { overlap_seconds: 0 }), 200);
      ok(await own.api.as(reads.secret).get("/v1/accounts"), 200);
      // Whoever is a machine of its own still asks, and either of the two approves.
      const asked = waiting(await ask(service.api));
      assert.equal(ok(await approve(checker.api, asked.id), 200).status, "executed");
    });

    it("what an approver may approve is widened by two persons only", async () => {
      const { own } = await scene();
      const clerk = await colleague(own, "Clerk", ["approvals:read", "approvals:write"]);
      ok(await setPolicy(own.api, [{ kind: "withdrawal" }]), 200);
      waiting(await own.api.patch(`/v1/api-keys/${clerk.keyId}`, { scopes: ["approvals:read", "approvals:write", "withdrawals:write"] }));
    });

    it("an operator's own key is he himself, so he makes one that asks but does not approve", async () => {
      const { own, ask } = await scene();
      const maker = await person(stage.app, own, ["admin"]);
      ok(await setPolicy(own.api, [{ kind: "withdrawal" }]), 200);
      const made = ok(await maker.browser.post("/v1/api-keys", { name: "Own", scopes: ["withdrawals:write"] }), 201);
      const asked = waiting(await ask(own.api.as(made.secret)));
      const { payload_hash } = asked;
      refused(await maker.browser.post(`/v1/approvals/${asked.id}/approve`, { payload_hash }), "second_person_required");
      ok(await maker.browser.post(`/v1/api-keys/${made.id}/rotate`, { overlap_seconds: 0 }), 200);
    });
  });

  it("what the operation's route refuses beside its schema is not asked for, and not done where it comes by an amendment", async () => {
    const { own, checker, account, ask } = await scene();
    ok(await setPolicy(own.api, [{ kind: "withdrawal" }]), 200);
    // Latitude without longitude.
    const body = { account_id: account, amount: 10, currency: "EUR", context: { latitude: 52.5 } };
    refused(await own.api.post("/v1/withdrawals", body), "invalid_request", "context.longitude");
    const { id } = waiting(await ask(own.api));
    ok(await act(own.api, id, "amend", { body }), 200);
    const { status, failure } = ok(await approve(checker.api, id), 200);
    assert.deepEqual([status, (failure as { readonly code: string } | null)?.code], ["failed", "invalid_request"]);
  });

  it("SOX-02 what an operator may give alone he may give with approval, too", async () => {
    const { own, checker } = await scene();
    const maker = await person(stage.app, own, ["admin"]);
    const body = { name: "Fast", scopes: ["accounts:read"], rate_limit_per_minute: 1_200 };
    ok(await maker.browser.post("/v1/api-keys", body), 201);
    ok(await setPolicy(own.api, [{ kind: "api_key" }]), 200);
    for (const [rate_limit_per_minute, status] of [
      [1_200, "executed"],
      [1_201, "failed"],
    ] as const) {
      const { id } = waiting(await maker.browser.post("/v1/api-keys", { ...body, rate_limit_per_minute }));
      assert.equal(ok(await approve(checker.api, id), 200).status, status);
    }
  });

  describe("SOX-01 as many persons as are asked for then", () => {
    it("what somebody narrows is not made wide again by changes that widened nothing when the gate looked", async () => {
      const { own } = await scene();
      const key = await colleague(own, "Clerk", ["accounts:read", "approvals:write"]);
      const account = await own.account({ overdraft: 5_000 });
      ok(await setPolicy(own.api, [{ kind: "api_key" }, { kind: "account.overdraft" }]), 200);
      const limit = (overdraft_limit: number) => own.api.patch(`/v1/accounts/${account}`, { overdraft_limit });
      const scopes = (...has: Scope[]) => own.api.patch(`/v1/api-keys/${key.keyId}`, { scopes: has });
      const race = async (narrow: () => Promise<Answer>, keep: () => Promise<Answer>): Promise<void> => {
        const before = Array.from({ length: 5 }, keep);
        const narrowed = narrow();
        const answers = await Promise.all([...before, ...Array.from({ length: 5 }, keep)]);
        ok(await narrowed, 200);
        for (const { status, body } of answers) assert.ok([200, 202].includes(status) || body.code === "contention", String(status));
      };
      await race(
        () => limit(0),
        () => limit(5_000),
      );
      assert.equal(ok(await own.api.get(`/v1/accounts/${account}`), 200)["overdraft_limit"], 0);
      await race(
        () => scopes("accounts:read"),
        () => scopes("accounts:read", "approvals:write"),
      );
      assert.deepEqual(ok(await own.api.get(`/v1/api-keys/${key.keyId}`), 200)["scopes"], ["accounts:read"]);
    });

    it("a loosening that waits needs what the policy asks for when it is approved", async () => {
      const { own, checker, ask } = await scene();
      const third = await colleague(own, "Third");
      ok(await setPolicy(own.api, [{ kind: "withdrawal" }]), 200);
      const off = waiting(await setPolicy(own.api, []));
      assert.equal(off["required_approvals"], 1);
      ok(await setPolicy(own.api, [{ kind: "withdrawal", approvals: 2 }]), 200);
      const seen = ok(await approve(checker.api, off.id), 200);
      assert.deepEqual([seen.status, seen["required_approvals"]], ["pending", 2]);
      waiting(await ask(own.api));
      assert.equal(ok(await approve(third.api, off.id), 200).status, "executed");
      ok(await ask(own.api), 201);
    });

    it("an amendment that needs nobody at the moment asks for no fewer", async () => {
      const { own, checker, account } = await scene();
      const third = await colleague(own, "Third");
      const above_amount = [{ currency: "EUR", amount: 100 }];
      ok(await setPolicy(own.api, [{ kind: "withdrawal", approvals: 2, above_amount }]), 200);
      const body = { account_id: account, amount: 200, currency: "EUR" };
      const large = waiting(await own.api.post("/v1/withdrawals", body));
      const small = ok(await act(own.api, large.id, "amend", { body: { ...body, amount: 100 } }), 200);
      assert.deepEqual([large["required_approvals"], small["required_approvals"]], [2, 2]);
      ok(await own.api.patch(`/v1/accounts/${account}`, { overdraft_limit: 500 }), 200);
      const both = [
        { kind: "withdrawal", approvals: 2, above_amount },
        { kind: "account.overdraft", approvals: 2 },
      ];
      ok(await setPolicy(own.api, both), 200);
      const asked = waiting(await own.api.patch(`/v1/accounts/${account}`, { overdraft_limit: 600 }));
      const amended = ok(await act(own.api, asked.id, "amend", { body: { overdraft_limit: 500 } }), 200);
      assert.equal(amended["required_approvals"], 2);
      ok(await own.api.patch(`/v1/accounts/${account}`, { overdraft_limit: 0 }), 200);
      assert.equal(ok(await approve(checker.api, asked.id), 200).status, "pending");
      assert.equal(ok(await own.api.get(`/v1/accounts/${account}`), 200)["overdraft_limit"], 0);
      assert.equal(ok(await approve(third.api, asked.id), 200).status, "executed");
    });
  });

  describe("SOX-02 nothing is swapped behind what was approved", () => {
    it("approved, amended, taken back and rejected at once, it ends in one way, and is done at most once", async () => {
      const { own, checker, account, ask } = await scene();
      ok(await setPolicy(own.api, [{ kind: "withdrawal" }]), 200);
      const body = { account_id: account, amount: 20, currency: "EUR" };
      let left = 100_000;
      for (let round = 0; round < 8; round++) {
        const { id, payload_hash } = waiting(await ask(own.api));
        const acts = [
          () => act(checker.api, id, "approve", { payload_hash }),
          () => act(own.api, id, "amend", { body }),
          () => act(own.api, id, "cancel", {}),
          () => act(checker.api, id, "reject", { reason: "No." }),
          () => stage.app.app.approvals.work().then(() => undefined),
        ];
        const answers = await Promise.all([...acts.slice(round % 5), ...acts.slice(0, round % 5)].map((one) => one()));
        for (const answer of answers) if (answer !== undefined) assert.ok([200, 409].includes(answer.status), answer.text);
        const came = ok(await own.api.get(`/v1/approvals/${id}`), 200);
        // Whatever was amended was another payload than the one that was approved.
        if (came.status === "executed") left -= 10;
        else assert.ok(came.status === "voided" || came.status === "rejected", String(came.status));
        assert.equal(came.status === "executed" ? came["revision"] : 1, 1);
        assert.equal(await own.balance(account), left);
      }
      await auditBooks(own);
    });

    it("AUTHZ-04 a key outside its allow-list cannot ask for by an amendment what it could not ask for", async () => {
      const { own, checker, account } = await scene();
      const maker = await colleague(own, "Maker");
      ok(await setPolicy(own.api, [{ kind: "withdrawal" }]), 200);
      const body = { account_id: account, amount: 10, currency: "EUR" };
      const { id, payload_hash } = waiting(await maker.api.post("/v1/withdrawals", body));
      ok(await own.api.patch(`/v1/api-keys/${maker.keyId}`, { ip_allowlist: ["203.0.113.1"] }), 200);
      refused(await maker.api.post("/v1/withdrawals", { ...body, amount: 9_000 }), "ip_not_allowed");
      refused(await act(maker.api, id, "amend", { body: { ...body, amount: 9_000 } }), "ip_not_allowed");
      assert.equal(ok(await checker.api.get(`/v1/approvals/${id}`), 200)["payload_hash"], payload_hash);
      // To stop is free to everybody who may.
      assert.equal(ok(await act(maker.api, id, "cancel", {}), 200).status, "voided");
    });

    it("a key with few rights asks for no more by amending what its owner asked for with all of his", async () => {
      const { own, checker } = await scene();
      const maker = await person(stage.app, own, ["admin"]);
      ok(await setPolicy(own.api, [{ kind: "operator" }]), 200);
      const few = ["operators:write", "approvals:read", "approvals:write"];
      const { id: asked } = waiting(await maker.browser.post("/v1/api-keys", { name: "Few", scopes: few }));
      ok(await approve(checker.api, asked), 200);
      const key = own.api.as(String(ok(await maker.browser.post(`/v1/approvals/${asked}/claim`), 200)["secret"]));
      const invitation = { name: "Eve", email: "eve@example.com", roles: ["developer"] };
      const more = { ...invitation, roles: ["admin"] };
      const direct = waiting(await key.post("/v1/operators", more, bare));
      const amended = waiting(await maker.browser.post("/v1/operators", invitation));
      ok(await act(key, amended.id, "amend", { body: more }), 200);
      for (const { id } of [direct, amended]) {
        const done = ok(await approve(checker.api, id), 200);
        assert.deepEqual([done.status, (done["failure"] as { code: string } | null)?.code], ["failed", "beyond_own_permissions"]);
      }
    });

    it("a rule set edited after its activation was asked for is not activated", async () => {
      const { own, checker } = await scene();
      const drafter = await colleague(own, "Drafter");
      ok(await setPolicy(own.api, [{ kind: "risk_rules" }]), 200);
      const rule = { name: "large", expression: "amount > 100000", action: "review", reason_code: "amount_unusual" };
      const { id } = ok(await drafter.api.post("/v1/risk/rule-sets", { rules: [rule] }), 201);
      const asked = waiting(await own.api.post(`/v1/risk/rule-sets/${id}/activate`));
      ok(await drafter.api.patch(`/v1/risk/rule-sets/${id}`, { rules: [{ ...rule, expression: "amount > 900000000" }] }), 200);
      const failed = ok(await approve(checker.api, asked.id), 200);
      assert.deepEqual([failed.status, (failed["failure"] as { code: string } | null)?.code], ["failed", "version_conflict"]);
      const again = waiting(await own.api.post(`/v1/risk/rule-sets/${id}/activate`));
      assert.equal(ok(await approve(drafter.api, again.id), 200).status, "executed");
    });

    it("a review whose time was over is not told as approved", async () => {
      const { own, checker } = await scene();
      const held = await suspect(own, stage.app.clock);
      const review = ok(await held.pay(), 202).review_id;
      ok(await setPolicy(own.api, [{ kind: "review.approval" }], { expiry_hours: 720 }), 200);
      const asked = waiting(await own.api.post(`/v1/reviews/${review}/approve`, { note: "Called back." }));
      stage.app.clock.advance(20 * DAY_MS);
      const before = await newestEvent(own.api);
      const done = ok(await approve(checker.api, asked.id), 200);
      assert.equal(ok(await own.api.get(`/v1/reviews/${review}`), 200).status, "expired");
      assert.equal(done.status, "failed", JSON.stringify(done));
      const told = (await eventsAfter(own.api, before)).map((event) => event["event_type"]);
      assert.deepEqual(told, ["approval.approved", "review.expired", "approval.failed"]);
    });

    it("a secret that was not taken is not taken later, when it is somebody's", async () => {
      const { own, checker } = await scene();
      ok(await setPolicy(own.api, [{ kind: "operator" }, { kind: "api_key" }]), 200);
      const invitation = { name: "Bob", email: "bob@example.com", roles: ["operations"] };
      const first = waiting(await own.api.post("/v1/operators", invitation, bare));
      const operator = String(ok(await approve(checker.api, first.id), 200)["result_object_id"]);
      const second = waiting(await own.api.post(`/v1/operators/${operator}/invitation`, undefined, bare));
      assert.equal(ok(await approve(checker.api, second.id), 200).status, "executed");
      const { secret } = ok(await act(own.api, second.id, "claim"), 200);
      const bob = browserOf(stage.app);
      ok(await bob.post("/v1/operator-invitations/accept", { token: secret, password: PASSWORD }), 200);
      refused(await act(own.api, first.id, "claim"), "nothing_to_claim");

      const made = waiting(await own.api.post("/v1/api-keys", { name: "New", scopes: ["accounts:read"] }));
      const key = String(ok(await approve(checker.api, made.id), 200)["result_object_id"]);
      const theirs = ok(await checker.api.post(`/v1/api-keys/${key}/rotate`, { overlap_seconds: 0 }), 200).secret;
      refused(await act(own.api, made.id, "claim"), "nothing_to_claim");
      ok(await own.api.as(theirs).get("/v1/accounts"), 200);

      const late = waiting(await own.api.post("/v1/api-keys", { name: "Late", scopes: ["accounts:read"] }));
      ok(await approve(checker.api, late.id), 200);
      stage.app.clock.advance(3 * DAY_MS + 1);
      refused(await act(own.api, late.id, "claim"), "nothing_to_claim");
    });
  });

  it("SOX-05 a journal of more than an amount can be is refused before anybody is asked", async () => {
    const { own } = await scene();
    const accounts = await Promise.all([own.account(), own.account(), own.account(), own.account()]);
    for (const id of accounts.slice(0, 2)) ok(await own.api.patch(`/v1/accounts/${id}`, { overdraft_limit: MAX }), 200);
    const entries = accounts.map((account_id, n) => ({ account_id, direction: n < 2 ? "debit" : "credit", amount: MAX }));
    const journal = { currency: "EUR", entries, reason: "Too much.", attachment_ref: "DMS-1" };
    refused(await own.api.post("/v1/journals", journal), "invalid_request", "entries");
    await auditBooks(own);
  });
}
