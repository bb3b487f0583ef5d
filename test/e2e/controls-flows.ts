import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { freshKey, ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import { act, approve, colleague, setPolicy, waiting } from "./controls-kit.ts";
import type { Person } from "./operators-kit.ts";
import { browserOf, PASSWORD, person } from "./operators-kit.ts";
import type { Stage } from "./stage.ts";
import { auditBooks, everyPage, idsOf } from "./stage.ts";
import { suspect } from "./suspicious.ts";

const DAY_MS = 86_400_000;

export function controlFlows(stage: Stage): void {
  const scene = async () => {
    const own = await stage.app.newOrganisation();
    const checker = await colleague(own, "Checker");
    const account = await own.account({ balance: 100_000 });
    const withdraw = (amount: number, options = {}) =>
      own.api.post("/v1/withdrawals", { account_id: account, amount, currency: "EUR", metadata: { note: "rent" } }, options);
    return { own, checker, account, withdraw };
  };
  const above = (amount: number) => [{ kind: "withdrawal", above_amount: [{ currency: "EUR", amount }] }];

  describe("SOX-01 maker and checker are two persons", () => {
    it("with the policy off everything is done at once", async () => {
      const { own, withdraw } = await scene();
      assert.equal(ok(await withdraw(1_000), 201)["type"], "withdrawal");
      assert.deepEqual(await everyPage(own.api, "/v1/approvals", 10), []);
      const policy = ok(await own.api.get("/v1/control-policy"), 200);
      assert.deepEqual([policy["controls"], policy.version, policy["expiry_hours"]], [[], 1, 72]);
    });

    it("a withdrawal above the limit waits, and is done once when somebody else approves it", async () => {
      const { own, checker, account, withdraw } = await scene();
      ok(await setPolicy(own.api, above(5_000)), 200);
      ok(await withdraw(5_000), 201);
      const before = await newestEvent(own.api);
      const asked = waiting(await withdraw(5_001));
      assert.equal(await own.balance(account), 95_000);
      assert.deepEqual((asked["payload"] as { body: object }).body, {
        account_id: account,
        amount: 5_001,
        currency: "EUR",
        metadata: { note: "rent" },
      });
      refused(await approve(own.api, asked.id), "second_person_required");
      const done = ok(await approve(checker.api, asked.id, "Seen the invoice."), 200);
      assert.equal(done.status, "executed", JSON.stringify(done));
      assert.equal(await own.balance(account), 89_999);
      const made = ok(await own.api.get(`/v1/transactions/${String(done["result_object_id"])}`), 200);
      assert.deepEqual([made["type"], made.amount, made["metadata"]], ["withdrawal", 5_001, { note: "rent" }]);
      const told = await eventsAfter(own.api, before);
      assert.deepEqual(
        told.map((event) => event["event_type"]),
        ["approval.requested", "approval.approved", "withdrawal.posted", "approval.executed"],
      );
      const posted = told[2];
      assert.equal(posted?.["api_key_id"], own.apiKeyId, "the withdrawal is told of its maker");
      assert.ok(posted);
      const { approval } = posted["details"] as { approval: { maker: string; checkers: string[]; payload_hash: string } };
      assert.deepEqual([approval.maker, approval.checkers, approval.payload_hash], [own.apiKeyId, [checker.keyId], asked["payload_hash"]]);
      // Approving again changes nothing, and nothing is done twice.
      assert.equal(ok(await approve(checker.api, asked.id), 200).status, "executed");
      await stage.app.app.approvals.work();
      assert.equal(await own.balance(account), 89_999);
      await auditBooks(own);
    });

    it("the approver needs the scope of the operation, and approvals:write", async () => {
      const { own, withdraw } = await scene();
      const clerk = await colleague(own, "Clerk", ["approvals:read", "approvals:write"]);
      const payer = await colleague(own, "Payer", ["approvals:read", "withdrawals:write"]);
      ok(await setPolicy(own.api, above(1)), 200);
      const { id } = waiting(await withdraw(10));
      refused(await approve(clerk.api, id), "insufficient_scope");
      refused(await approve(payer.api, id), "insufficient_scope");
      refused(await act(clerk.api, id, "reject", { reason: "no" }), "insufficient_scope");
    });

    it("one person counts once, and so many are needed as the policy says", async () => {
      const { own, checker, account, withdraw } = await scene();
      const third = await colleague(own, "Third");
      ok(await setPolicy(own.api, [{ kind: "withdrawal", approvals: 2 }]), 200);
      const { id } = waiting(await withdraw(10));
      for (let n = 0; n < 2; n++) {
        const seen = ok(await approve(checker.api, id), 200);
        assert.deepEqual([seen.status, (seen["approvals"] as unknown[]).length], ["pending", 1]);
      }
      assert.equal(ok(await approve(third.api, id), 200).status, "executed");
      assert.equal(await own.balance(account), 99_990);
    });

    it("one key with every scope cannot switch it off, nor make itself a colleague", async () => {
      const { own, checker, withdraw } = await scene();
      const policy = above(1_000);
      ok(await setPolicy(own.api, policy), 200);
      const off = waiting(await setPolicy(own.api, []));
      const looser = waiting(await setPolicy(own.api, above(2_000)));
      refused(await approve(own.api, off.id), "second_person_required");
      refused(await act(own.api, looser.id, "reject", { reason: "no" }), "second_person_required");
      // Tighter holds at once.
      ok(await setPolicy(own.api, above(500)), 200);
      waiting(await withdraw(501));
      const twin = waiting(await own.api.post("/v1/api-keys", { name: "Twin" }));
      refused(await own.api.post(`/v1/api-keys/${checker.keyId}/rotate`, { overlap_seconds: 0 }), "second_person_required");
      const reader = ok(await own.api.post("/v1/api-keys", { name: "Reader", scopes: ["accounts:read"] }), 201);
      waiting(await own.api.patch(`/v1/api-keys/${reader.id}`, { scopes: ["accounts:read", "approvals:write"] }));
      // What was named in `If-Match`, or was above the policy of the time, is judged when it is done.
      assert.equal(ok(await approve(checker.api, twin.id), 200).status, "executed");
      assert.equal(ok(await approve(checker.api, off.id), 200).status, "executed");
      assert.deepEqual(ok(await own.api.get("/v1/control-policy"), 200)["controls"], []);
      ok(await withdraw(900), 201);
    });

    it("a control that too few could satisfy is refused", async () => {
      const own = await stage.app.newOrganisation();
      refused(await setPolicy(own.api, above(1)), "too_few_approvers", "controls");
      await colleague(own, "Checker");
      refused(await setPolicy(own.api, [{ kind: "withdrawal", approvals: 2 }]), "too_few_approvers");
      refused(await setPolicy(own.api, [{ kind: "withdrawal" }, { kind: "withdrawal" }]), "invalid_request", "controls.1.kind");
      const amounts = [{ currency: "EUR", amount: 5 }];
      refused(await setPolicy(own.api, [{ kind: "api_key", above_amount: amounts }]), "invalid_request", "controls.0.above_amount");
      const twice = [...amounts, ...amounts];
      refused(await setPolicy(own.api, [{ kind: "withdrawal", above_amount: twice }]), "invalid_request", "controls.0.above_amount");
      refused(await setPolicy(own.api, [{ kind: "sorcery" }]), "invalid_request", "controls.0.kind");
      ok(await setPolicy(own.api, above(1)), 200);
    });

    it("whoever may not act any more neither asks nor counts", async () => {
      const { own, checker, account } = await scene();
      const maker = await colleague(own, "Maker");
      const third = await colleague(own, "Third");
      ok(await setPolicy(own.api, [{ kind: "withdrawal", approvals: 2 }]), 200);
      const ask = async () => waiting(await maker.api.post("/v1/withdrawals", { account_id: account, amount: 10, currency: "EUR" })).id;
      const [first, second] = [await ask(), await ask()];
      ok(await approve(third.api, first), 200);
      ok(await own.api.post(`/v1/api-keys/${third.keyId}/revoke`), 200);
      const seen = ok(await approve(checker.api, first), 200);
      assert.deepEqual([seen.status, (seen["approvals"] as unknown[]).length], ["pending", 1]);
      ok(await own.api.post(`/v1/api-keys/${maker.keyId}/revoke`), 200);
      refused(await approve(checker.api, second), "approval_not_pending");
      assert.equal(ok(await own.api.get(`/v1/approvals/${second}`), 200).status, "voided");
      assert.equal(await own.balance(account), 100_000);
    });

    it("neither his session nor a key of his makes an operator another person, and disabled he is nobody", async () => {
      const { own, account } = await scene();
      const { app } = stage;
      const [maker, checker] = [await person(app, own, ["admin"]), await person(app, own, ["admin"])];
      ok(await setPolicy(own.api, [{ kind: "withdrawal" }]), 200);
      const keyOf = async ({ browser }: Person) => {
        const scopes = ["approvals:read", "approvals:write", "withdrawals:write"];
        const asked = waiting(await browser.post("/v1/api-keys", { name: "Own", scopes }));
        ok(await approve(own.api, asked.id), 200);
        return own.api.as(ok(await browser.post(`/v1/approvals/${asked.id}/claim`), 200).secret);
      };
      const [makersKey, checkersKey] = [await keyOf(maker), await keyOf(checker)];
      const body = { account_id: account, amount: 10, currency: "EUR" };
      const asked = waiting(await makersKey.post("/v1/withdrawals", body));
      assert.equal((asked["requested_by"] as { person_id: string }).person_id, maker.id);
      const { payload_hash } = asked;
      const path = `/v1/approvals/${asked.id}/approve`;
      refused(await approve(makersKey, asked.id), "second_person_required");
      refused(await maker.browser.post(path, { payload_hash }), "second_person_required");
      const done = ok(await checker.browser.post(path, { payload_hash }), 200);
      assert.deepEqual([done.status, (done["approvals"] as { person_id: string }[])[0]?.person_id], ["executed", checker.id]);
      assert.equal(ok(await approve(checkersKey, asked.id), 200).status, "executed");
      const left = waiting(await makersKey.post("/v1/withdrawals", body));
      ok(await own.api.post(`/v1/operators/${maker.id}/disable`), 200);
      refused(await approve(checkersKey, left.id), "approval_not_pending");
      assert.equal(ok(await own.api.get(`/v1/approvals/${left.id}`), 200).status, "voided");
      assert.equal(await own.balance(account), 99_990);
    });

    it("an invitation of somebody who could approve needs a second person, and its token goes to the maker only", async () => {
      const { own, checker } = await scene();
      const { app } = stage;
      const there = await person(app, own, ["operations"]);
      ok(await setPolicy(own.api, [{ kind: "withdrawal" }]), 200);
      ok(
        await own.api.post("/v1/operators", { name: "Dev", email: "dev@example.com", roles: ["developer"] }, { idempotencyKey: null }),
        201,
      );
      const invitation = { name: "Twin", email: "twin@example.com", roles: ["operations"] };
      const asked = waiting(await own.api.post("/v1/operators", invitation, { idempotencyKey: null }));
      // Neither may one who is there be invited again, or be given the role, by one person alone.
      waiting(await own.api.post(`/v1/operators/${there.id}/invitation`, undefined, { idempotencyKey: null }));
      waiting(await own.api.patch(`/v1/operators/${there.id}`, { roles: ["fraud_analyst"] }));
      ok(await own.api.patch(`/v1/operators/${there.id}`, { name: "Renamed" }), 200);
      const done = ok(await approve(checker.api, asked.id), 200);
      assert.equal(done.status, "executed", JSON.stringify(done));
      refused(await act(checker.api, asked.id, "claim"), "not_the_maker");
      const { secret, object_id } = ok(await act(own.api, asked.id, "claim"), 200);
      assert.equal(object_id, done["result_object_id"]);
      const browser = browserOf(app);
      const accepted = ok(await browser.post("/v1/operator-invitations/accept", { token: secret, password: PASSWORD }), 200);
      assert.equal(accepted["operator_id"], object_id);
    });

    it("SOX-03 roles that are not for one person are refused to whoever asks for them, and again when they are to be given", async () => {
      const { own, checker } = await scene();
      const { app } = stage;
      const there = await person(app, own, ["operations"]);
      ok(await setPolicy(own.api, [{ kind: "operator" }]), 200);
      const roles = ["operations", "fraud_analyst"];
      const invitation = { name: "Twin", email: "twin@example.com", roles };
      const invite = (more: object) => own.api.post("/v1/operators", { ...invitation, ...more }, { idempotencyKey: null });
      const give = (body: object) => own.api.patch(`/v1/operators/${there.id}`, body);
      const until = (days: number) => ({
        reason: "Stands in for the analyst.",
        expires_at: new Date(app.clock.now() + days * 86_400_000).toISOString(),
      });
      for (const ask of [invite, give]) {
        refused(await ask({ roles }), "roles_conflict", "roles");
        refused(await ask({ roles, exception: until(93) }), "invalid_request", "exception.expires_at");
        refused(await ask({ roles: ["operations"], exception: until(1) }), "invalid_request", "exception");
      }
      // Without roles the exception is for those that the operator has, which do not conflict.
      refused(await give({ exception: until(1) }), "invalid_request", "exception");
      refused(await own.api.patch("/v1/operators/opr_01J0000000000000000000000B", { exception: until(1) }), "not_found");
      const asked = waiting(await invite({ exception: until(1) }));
      refused(await act(own.api, asked.id, "amend", { body: invitation }), "roles_conflict", "roles");
      const kept = ok(await own.api.get(`/v1/approvals/${asked.id}`), 200);
      assert.deepEqual([kept["revision"], kept["payload_hash"]], [1, asked["payload_hash"]]);
      // What was right when it was asked for is not any more when it is done.
      app.clock.advance(25 * 3_600_000);
      const done = ok(await approve(checker.api, asked.id), 200);
      assert.deepEqual([done.status, (done["failure"] as { code: string } | null)?.code], ["failed", "invalid_request"]);
      assert.deepEqual(ok(await own.api.get(`/v1/operators/${there.id}`), 200)["roles"], ["operations"]);
    });

    it("settings, overdrafts, keys and reviews are controlled, each by its own function", async () => {
      const { own, checker, account } = await scene();
      const held = await suspect(own, stage.app.clock);
      const review = ok(await held.pay(), 202).review_id;
      const kinds = ["organisation", "account.overdraft", "api_key", "review.approval"];
      ok(
        await setPolicy(
          own.api,
          kinds.map((kind) => ({ kind })),
        ),
        200,
      );
      const settings = waiting(await own.api.patch("/v1/organisation", { rate_limit_per_minute: 5_000, review_four_eyes_above: [] }));
      ok(await own.api.patch("/v1/organisation", { name: "Renamed" }), 200);
      const overdraft = waiting(await own.api.patch(`/v1/accounts/${account}`, { overdraft_limit: 700, metadata: { tier: "gold" } }));
      ok(await own.api.patch(`/v1/accounts/${account}`, { metadata: { tier: "silver" } }), 200);
      const key = waiting(await own.api.post("/v1/api-keys", { name: "New", scopes: ["accounts:read"] }));
      const decision = waiting(await own.api.post(`/v1/reviews/${review}/approve`, { note: "Called back." }));
      for (const { id } of [settings, overdraft, key, decision]) assert.equal(ok(await approve(checker.api, id), 200).status, "executed");
      assert.equal(ok(await own.api.get("/v1/organisation"), 200)["rate_limit_per_minute"], 5_000);
      assert.equal(ok(await own.api.get(`/v1/accounts/${account}`), 200)["overdraft_limit"], 700);
      assert.equal(ok(await own.api.get(`/v1/reviews/${review}`), 200).status, "approved");
      const made = ok(await own.api.get(`/v1/approvals/${key.id}`), 200)["result_object_id"];
      const shown = ok(await own.api.get(`/v1/api-keys/${String(made)}`), 200);
      assert.deepEqual([shown["name"], shown["secret"]], ["New", undefined]);
      // Nobody was shown its secret yet: its maker takes one, once.
      const claim = (api: typeof own.api, id: string) => act(api, id, "claim");
      refused(await claim(checker.api, key.id), "not_the_maker");
      refused(await claim(own.api, settings.id), "nothing_to_claim");
      const claims = await Promise.all([claim(own.api, key.id), claim(own.api, key.id), claim(own.api, key.id)]);
      const taken = claims.filter(({ status }) => status === 200);
      assert.equal(taken.length, 1);
      for (const answer of claims) if (answer.status !== 200) refused(answer, "nothing_to_claim");
      const fresh = own.api.as(ok(taken[0] ?? claims[0], 200).secret);
      ok(await fresh.get("/v1/accounts"), 200);
      assert.equal(JSON.stringify(await everyPage(own.api, "/v1/approvals", 3)).includes(ok(taken[0] ?? claims[0], 200).secret), false);
    });
  });

  describe("SOX-02 what was approved is what is done", () => {
    it("an amendment voids the approvals, and a stale hash approves nothing", async () => {
      const { own, checker, account, withdraw } = await scene();
      const third = await colleague(own, "Third");
      ok(await setPolicy(own.api, [{ kind: "withdrawal", approvals: 2 }]), 200);
      const asked = waiting(await withdraw(10));
      ok(await approve(checker.api, asked.id), 200);
      const body = { account_id: account, amount: 20, currency: "EUR" };
      refused(await act(checker.api, asked.id, "amend", { body }), "not_the_maker");
      refused(await act(own.api, asked.id, "amend", { body: { ...body, amount: 0 } }), "invalid_request", "amount");
      refused(await act(own.api, asked.id, "amend", { body: { ...body, extra: 1 } }), "unknown_field", "extra");
      const amended = ok(await act(own.api, asked.id, "amend", { body }), 200);
      assert.deepEqual([amended["revision"], amended["approvals"], amended.status], [2, [], "pending"]);
      assert.notEqual(amended["payload_hash"], asked["payload_hash"]);
      refused(await act(checker.api, asked.id, "approve", { payload_hash: asked["payload_hash"] }), "approval_changed", "payload_hash");
      ok(await approve(checker.api, asked.id), 200);
      assert.equal(ok(await approve(third.api, asked.id), 200).status, "executed");
      assert.equal(await own.balance(account), 99_980);
      refused(await act(own.api, asked.id, "amend", { body }), "approval_not_pending");
    });

    it("rejected, taken back or expired, it is never done", async () => {
      const { own, checker, account, withdraw } = await scene();
      ok(await setPolicy(own.api, [{ kind: "withdrawal" }], { expiry_hours: 24 }), 200);
      const [no, back, late] = [waiting(await withdraw(1)), waiting(await withdraw(2)), waiting(await withdraw(3))];
      refused(await act(checker.api, no.id, "reject", {}), "missing_field", "reason");
      const rejected = ok(await act(checker.api, no.id, "reject", { reason: "No invoice." }), 200);
      assert.deepEqual([rejected.status, (rejected["ended_by"] as { reason: string }).reason], ["rejected", "No invoice."]);
      refused(await act(checker.api, back.id, "cancel"), "not_the_maker");
      assert.equal(ok(await act(own.api, back.id, "cancel"), 200).status, "voided");
      stage.app.clock.advance(DAY_MS);
      refused(await approve(checker.api, late.id), "approval_not_pending");
      assert.equal(ok(await own.api.get(`/v1/approvals/${late.id}`), 200).status, "expired");
      const before = await newestEvent(own.api);
      await stage.app.app.approvals.work();
      assert.deepEqual(
        (await eventsAfter(own.api, before)).map((event) => [event["event_type"], event["object_id"]]),
        [["approval.expired", late.id]],
      );
      for (const { id } of [no, back, late]) refused(await approve(checker.api, id), "approval_not_pending");
      assert.deepEqual(idsOf(await everyPage(own.api, "/v1/approvals?status=expired", 5)), [late.id]);
      assert.deepEqual(idsOf(await everyPage(own.api, "/v1/approvals?kind=withdrawal", 2)), [late.id, back.id, no.id]);
      assert.deepEqual(await everyPage(own.api, "/v1/approvals?status=pending", 5), []);
      assert.equal(await own.balance(account), 100_000);
    });

    it("twenty at once are counted once each, and it is done once", async () => {
      const { own, checker, account, withdraw } = await scene();
      const third = await colleague(own, "Third");
      ok(await setPolicy(own.api, [{ kind: "withdrawal", approvals: 2 }]), 200);
      const { id } = waiting(await withdraw(10));
      const clients = Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? checker.api : third.api));
      const answers = await Promise.all([
        ...clients.map((api) => approve(api, id)),
        ...Array.from({ length: 5 }, () => stage.app.app.approvals.work().then(() => undefined)),
      ]);
      for (const answer of answers) if (answer !== undefined) assert.ok([200, 409].includes(answer.status), answer.text);
      const done = ok(await own.api.get(`/v1/approvals/${id}`), 200);
      assert.deepEqual([done.status, (done["approvals"] as unknown[]).length], ["executed", 2]);
      assert.equal(await own.balance(account), 99_990);
      const posted = await everyPage(own.api, "/v1/audit/events?event_type=withdrawal.posted", 10);
      assert.equal(posted.length, 1);
    });

    it("one request is one approval, however often it is sent", async () => {
      const { own, withdraw } = await scene();
      ok(await setPolicy(own.api, [{ kind: "withdrawal" }]), 200);
      const idempotencyKey = freshKey();
      const first = waiting(await withdraw(10, { idempotencyKey }));
      const again = await withdraw(10, { idempotencyKey });
      assert.deepEqual([again.body, again.headers["idempotent-replayed"]], [first, "true"]);
      assert.equal((await everyPage(own.api, "/v1/approvals", 10)).length, 1);
    });

    it("what cannot be done any more fails, and says why", async () => {
      const { own, checker, account, withdraw } = await scene();
      ok(await setPolicy(own.api, [{ kind: "withdrawal" }]), 200);
      const { id } = waiting(await withdraw(10));
      ok(await own.api.post(`/v1/accounts/${account}/freeze`), 200);
      const failed = ok(await approve(checker.api, id), 200);
      assert.deepEqual([failed.status, (failed["failure"] as { code: string }).code], ["failed", "account_frozen"]);
      ok(await own.api.post(`/v1/accounts/${account}/unfreeze`), 200);
      await stage.app.app.approvals.work();
      assert.equal(await own.balance(account), 100_000);
    });

    it("another organisation neither sees nor touches it", async () => {
      const { own, withdraw } = await scene();
      const other = await stage.app.newOrganisation();
      ok(await setPolicy(own.api, [{ kind: "withdrawal" }]), 200);
      const { id, payload_hash } = waiting(await withdraw(10));
      refused(await other.api.get(`/v1/approvals/${id}`), "not_found");
      refused(await act(other.api, id, "approve", { payload_hash }), "not_found");
      for (const verb of ["cancel", "reject", "amend"])
        refused(await act(other.api, id, verb, verb === "cancel" ? {} : verb === "reject" ? { reason: "x" } : { body: {} }), "not_found");
      assert.deepEqual(await everyPage(other.api, "/v1/approvals", 10), []);
    });
  });
}
