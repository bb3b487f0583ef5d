import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Organisation } from "../support/app.ts";
import type { Answer } from "../support/http-client.ts";
import { ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import type { Stage } from "./stage.ts";
import { auditBooks, everyPage, idsOf } from "./stage.ts";

const setStatus = (
  { api }: Organisation,
  user: string,
  status: string,
  reason_code = status === "restricted" ? "court_order" : "verified",
  ifMatch?: string,
): Promise<Answer> =>
  api.post(`/v1/users/${user}/status`, { status, reason_code }, ifMatch === undefined ? {} : { headers: { "if-match": ifMatch } });

async function cautious(stage: Stage): Promise<Organisation> {
  const own = await stage.app.newOrganisation();
  assert.equal(ok(await own.api.patch("/v1/organisation", { new_user_status: "pending" }), 200)["new_user_status"], "pending");
  return own;
}

export function userStatusFlows(stage: Stage): void {
  describe("the status of users", () => {
    it("begins as the organisation wants, and a pending user's accounts move no money until the user is active", async () => {
      const own = await cautious(stage);
      const [ada, bob] = [await own.user("Ada"), await own.user("Bob")];
      assert.equal(ok(await own.api.get(`/v1/users/${ada}`), 200).status, "pending");
      const mine = await own.account({ userId: ada, overdraft: 1_000 });
      const theirs = await own.account({ userId: bob });
      assert.equal(ok(await own.api.get(`/v1/accounts/${mine}`), 200)["restriction"], "pending");
      ok(await setStatus(own, bob, "active"), 200);
      const deposit = { account_id: mine, amount: 500, currency: "EUR" };
      refused(await own.api.post("/v1/deposits", deposit), "account_restricted", "account_id");
      refused(await own.api.post("/v1/withdrawals", deposit), "account_restricted", "account_id");
      refused(await own.transfer(mine, theirs, 10), "account_restricted", "from_account_id");
      refused(await own.transfer(theirs, mine, 10), "account_restricted", "to_account_id");
      const active = ok(await setStatus(own, ada, "active"), 200);
      assert.deepEqual([active.status, active["status_reason"], active["version"]], ["active", "verified", 3]);
      assert.equal(ok(await own.api.get(`/v1/accounts/${mine}`), 200)["restriction"], null);
      ok(await own.api.post("/v1/deposits", deposit), 201);
      ok(await own.transfer(mine, theirs, 10), 201);
      assert.deepEqual(idsOf(await everyPage(own.api, "/v1/users?status=pending", 5)), []);
      await auditBooks(own);
    });

    it("takes no money in for somebody who was never verified, restricted since or not", async () => {
      const own = await cautious(stage);
      const [ada, bob] = [await own.user("Ada"), await own.user("Bob")];
      const [mine, shared] = [await own.account({ userId: ada }), await own.account({ userId: bob })];
      ok(await setStatus(own, bob, "active"), 200);
      ok(await own.api.post(`/v1/accounts/${shared}/holders`, { user_id: ada, role: "joint_owner" }), 201);
      ok(await setStatus(own, ada, "restricted", "verification_failed"), 200);
      for (const account_id of [mine, shared]) {
        assert.equal(ok(await own.api.get(`/v1/accounts/${account_id}`), 200)["restriction"], "pending");
        refused(await own.api.post("/v1/deposits", { account_id, amount: 5, currency: "EUR" }), "account_restricted", "account_id");
      }
      ok(await setStatus(own, ada, "active"), 200);
      ok(await setStatus(own, ada, "restricted", "documents_expired"), 200);
      for (const account_id of [mine, shared]) {
        assert.equal(ok(await own.api.get(`/v1/accounts/${account_id}`), 200)["restriction"], "restricted");
        ok(await own.api.post("/v1/deposits", { account_id, amount: 5, currency: "EUR" }), 201);
      }
      await auditBooks(own);
    });

    it("restricted lets nothing out of any account the user owns, lets money in, and is lifted again", async () => {
      const own = await stage.app.newOrganisation();
      const [ada, bob] = [await own.user(), await own.user()];
      const [mine, second, shared] = [
        await own.account({ userId: ada, balance: 1_000 }),
        await own.account({ userId: ada, balance: 1_000 }),
        await own.account({ userId: bob, balance: 1_000 }),
      ];
      const other = await own.account({ balance: 1_000 });
      ok(await own.api.post(`/v1/accounts/${shared}/holders`, { user_id: ada, role: "joint_owner" }), 201);
      const body = { from_account_id: mine, to_account_id: other, amount: 100, currency: "EUR" };
      const hold = ok(await own.api.post("/v1/holds", body), 201).id;
      const paid = ok(await own.transfer(other, mine, 50), 201).id;
      const seen = await newestEvent(own.api);
      const restricted = ok(await setStatus(own, ada, "restricted", "suspicious_activity"), 200);
      assert.deepEqual([restricted.status, restricted["status_reason"]], ["restricted", "suspicious_activity"]);
      for (const account of [mine, second, shared]) {
        refused(await own.transfer(account, other, 10), "account_restricted", "from_account_id");
        ok(await own.transfer(other, account, 10), 201);
      }
      refused(await own.api.post("/v1/withdrawals", { account_id: mine, amount: 10, currency: "EUR" }), "account_restricted", "account_id");
      refused(await own.api.post("/v1/holds", body), "account_restricted", "from_account_id");
      refused(await own.api.post(`/v1/holds/${hold}/increment`, { amount: 5 }), "account_restricted");
      refused(await own.api.post(`/v1/holds/${hold}/capture`), "account_restricted", "from_account_id");
      refused(await own.api.post(`/v1/transactions/${paid}/reversals`), "account_restricted");
      const batch = { mode: "independent", transfers: [{ from_account_id: second, to_account_id: other, amount: 1, currency: "EUR" }] };
      const [item] = ok(await own.api.post("/v1/transfers/batch", batch), 200)["results"] as readonly unknown[];
      assert.ok(JSON.stringify(item).includes("account_restricted"), JSON.stringify(item));
      ok(await own.api.post("/v1/deposits", { account_id: mine, amount: 5, currency: "EUR" }), 201);
      refused(await own.api.post("/v1/accounts", { type: "checking", currency: "EUR", user_id: ada }), "user_not_active", "user_id");
      ok(await own.api.post(`/v1/holds/${hold}/void`), 200);
      // As a viewer the user binds the account no longer, and as an owner again at once.
      const role = (name: string) => own.api.patch(`/v1/accounts/${shared}/holders/${ada}`, { role: name });
      assert.equal(ok(await role("viewer"), 200)["restriction"], null);
      ok(await own.transfer(shared, other, 10), 201);
      assert.equal(ok(await role("joint_owner"), 200)["restriction"], "restricted");
      refused(await own.transfer(shared, other, 10), "account_restricted", "from_account_id");
      ok(await setStatus(own, ada, "active", "cleared"), 200);
      for (const account of [mine, second, shared]) ok(await own.transfer(account, other, 10), 201);
      const told = (await eventsAfter(own.api, seen)).filter((event) => event["event_type"] === "user.status_changed");
      assert.deepEqual(
        told.map((event) => [event["user_id"], event["details"]]),
        [
          [ada, { before: "active", after: "restricted", reason_code: "suspicious_activity", accounts_changed: 3 }],
          [ada, { before: "restricted", after: "active", reason_code: "cleared", accounts_changed: 3 }],
        ],
      );
      await auditBooks(own);
    });

    it("moves by its table only, with If-Match, and needs a scope of its own", async () => {
      const own = await cautious(stage);
      const other = await stage.app.newOrganisation();
      const ada = await own.user();
      refused(await setStatus(other, ada, "active"), "not_found");
      refused(await setStatus(own, ada, "pending"), "invalid_request", "status");
      refused(await setStatus(own, ada, "closed"), "invalid_request", "status");
      refused(await setStatus(own, ada, "active", "because"), "invalid_request", "reason_code");
      // A reason that says the opposite of the status would stand in the audit log for good.
      refused(await setStatus(own, ada, "restricted", "verified"), "invalid_request", "reason_code");
      refused(await setStatus(own, ada, "restricted", "cleared"), "invalid_request", "reason_code");
      for (const reason of ["verification_failed", "documents_expired", "information_outdated", "screening_hit", "suspicious_activity"])
        refused(await setStatus(own, ada, "active", reason), "invalid_request", "reason_code");
      assert.equal(ok(await own.api.get(`/v1/users/${ada}`), 200)["version"], 1);
      refused(await own.api.post(`/v1/users/${ada}/status`, { status: "active" }), "missing_field", "reason_code");
      refused(await setStatus(own, ada, "active", "verified", '"7"'), "version_conflict");
      const changed = await setStatus(own, ada, "active", "verified", '"1"');
      assert.equal(ok(changed, 200).status, "active");
      assert.equal(changed.headers["etag"], '"2"');
      refused(await setStatus(own, ada, "active"), "user_status_conflict");
      ok(await setStatus(own, ada, "restricted", "documents_expired"), 200);
      refused(await setStatus(own, ada, "restricted", "documents_expired"), "user_status_conflict");
      ok(await own.api.post(`/v1/users/${ada}/close`), 200);
      for (const status of ["active", "restricted"]) refused(await setStatus(own, ada, status), "user_status_conflict");
      const rejected = await own.user();
      ok(await own.api.post(`/v1/users/${rejected}/close`), 200);
      const key = ok(await own.api.post("/v1/api-keys", { name: "Office", scopes: ["users:write"] }), 201).secret;
      refused(await own.api.as(key).post(`/v1/users/${ada}/status`, { status: "active", reason_code: "verified" }), "insufficient_scope");
    });

    it("never lets a payment past a restriction that was committed before it", async () => {
      const own = await stage.app.newOrganisation();
      for (let round = 0; round < 4; round++) {
        const ada = await own.user();
        const from = await own.account({ userId: ada, balance: 1_000 });
        const to = await own.account();
        const paying = Array.from({ length: 8 }, () => own.transfer(from, to, 10));
        const restricting = setStatus(own, ada, "restricted", "court_order");
        const opening = own.api.post("/v1/accounts", { type: "checking", currency: "EUR", user_id: ada });
        const opened = await opening;
        ok(await restricting, 200);
        refused(await own.transfer(from, to, 1), "account_restricted", "from_account_id");
        // An account that was opened just before is restricted like the others.
        if (opened.status === 201)
          assert.equal(ok(await own.api.get(`/v1/accounts/${ok(opened, 201).id}`), 200)["restriction"], "restricted");
        const answers = await Promise.all(paying);
        const posted = answers.filter(({ status }) => status === 201).length;
        assert.ok(answers.every(({ status }) => status === 201 || status === 422));
        assert.equal(await own.balance(to), posted * 10);
      }
    });

    it("business users carry what the register says of them, sealed like the rest, and lists filter by type and time", async () => {
      const own = await stage.app.newOrganisation();
      const register = { registration_number: "HRB 123456 B", legal_form: "GmbH" };
      const firm = ok(await own.api.post("/v1/users", { type: "business", name: "Analytical Engines", ...register }), 201);
      assert.deepEqual({ ...firm, ...register }, firm);
      const stored = JSON.stringify(await stage.app.store.get("smartfinance-users", { hash: firm.id }));
      for (const text of Object.values(register)) assert.ok(!stored.includes(text));
      refused(await own.api.post("/v1/users", { name: "Ada", legal_form: "GmbH" }), "invalid_request", "legal_form");
      const ada = ok(await own.api.post("/v1/users", { name: "Ada" }), 201);
      refused(await own.api.patch(`/v1/users/${ada.id}`, { registration_number: "1" }), "invalid_request", "registration_number");
      assert.equal(ok(await own.api.patch(`/v1/users/${firm.id}`, { legal_form: null }), 200)["legal_form"], null);
      const find = async (query: string) => idsOf(await everyPage(own.api, `/v1/users?${query}`, 1));
      assert.deepEqual(await find("type=business"), [firm.id]);
      assert.deepEqual(await find("type=personal&status=active"), [ada.id]);
      const at = (user: typeof firm, ms: number): string => new Date(Date.parse(String(user["created_at"])) + ms).toISOString();
      assert.deepEqual(await find(`created_from=${at(firm, 0)}&created_to=${at(ada, 0)}`), [ada.id, firm.id]);
      assert.deepEqual(await find(`created_from=${at(ada, 1)}`), []);
      assert.deepEqual(await find(`created_to=${at(firm, -1)}`), []);
      refused(await own.api.get("/v1/users?created_from=2026-02-30T00:00:00Z"), "invalid_request", "created_from");
    });
  });
}
