import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Organisation } from "../support/app.ts";
import type { Answer, Client } from "../support/http-client.ts";
import { freshKey, ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import { colleague } from "./controls-kit.ts";
import type { Stage } from "./stage.ts";
import { everyPage, idsOf } from "./stage.ts";

const remove = (api: Client, account: string, user: string): Promise<Answer> =>
  api.send("DELETE", `/v1/accounts/${account}/holders/${user}`, undefined);
const business = async ({ api }: Organisation): Promise<string> =>
  ok(await api.post("/v1/users", { type: "business", name: "Ltd" }), 201).id;

export function accountHolderFlows(stage: Stage): void {
  describe("holders of accounts", () => {
    it("are named when an account is opened, the first owner first, and each of them finds it", async () => {
      const own = await stage.app.newOrganisation();
      const [ada, bob, firm] = [await own.user("Ada"), await own.user("Bob"), await business(own)];
      const holders = [
        { user_id: bob, role: "beneficial_owner" },
        { user_id: firm, role: "owner" },
        { user_id: ada, role: "authorised_signatory" },
      ];
      const asked = { type: "checking", currency: "EUR", metadata: { branch: "north" } };
      const seen = await newestEvent(own.api);
      const made = ok(await own.api.post("/v1/accounts", { ...asked, holders }), 201);
      assert.equal(made["user_id"], firm);
      const ordered = [holders[1], holders[0], holders[2]];
      assert.deepEqual([made["holders"], made["restriction"], made["metadata"]], [ordered, null, { branch: "north" }]);
      assert.deepEqual(ok(await own.api.get(`/v1/accounts/${made.id}`), 200), made);
      const [event] = await eventsAfter(own.api, seen);
      assert.ok(event);
      assert.deepEqual([event["event_type"], event["user_id"]], ["account.created", firm]);
      assert.deepEqual((event["details"] as { holders: unknown }).holders, ordered);
      for (const user of [ada, bob, firm]) {
        assert.deepEqual(idsOf(await everyPage(own.api, `/v1/accounts?user_id=${user}`, 1)), [made.id]);
        assert.equal(ok(await own.api.get(`/v1/users/${user}`), 200)["account_count"], 1);
      }
      const sole = ok(await own.api.post("/v1/accounts", { ...asked, user_id: ada }), 201);
      assert.deepEqual(sole["holders"], [{ user_id: ada, role: "owner" }]);
      const third = ok(await own.api.post("/v1/accounts", { ...asked, holders: [{ user_id: ada, role: "joint_owner" }] }), 201);
      for (const limit of [1, 2, 3])
        assert.deepEqual(idsOf(await everyPage(own.api, `/v1/accounts?user_id=${ada}`, limit)), [third.id, sole.id, made.id]);
      refused(await own.api.get(`/v1/accounts?user_id=${ada}&cursor=nonsense`), "invalid_cursor", "cursor");
    });

    it("are refused where they are not sound, and nothing is opened", async () => {
      const own = await stage.app.newOrganisation();
      const other = await stage.app.newOrganisation();
      const [ada, firm, gone, foreign] = [await own.user(), await business(own), await own.user(), await other.user()];
      ok(await own.api.post(`/v1/users/${gone}/close`), 200);
      const open = (body: object) => own.api.post("/v1/accounts", { type: "checking", currency: "EUR", ...body });
      const owner = { user_id: ada, role: "owner" };
      refused(await open({}), "missing_field", "user_id");
      refused(await open({ user_id: ada, holders: [owner] }), "invalid_request", "holders");
      refused(await open({ holders: [] }), "invalid_request", "holders");
      refused(await open({ holders: [{ user_id: ada, role: "viewer" }] }), "invalid_request", "holders");
      refused(await open({ holders: [owner, { user_id: ada, role: "viewer" }] }), "invalid_request", "holders.1.user_id");
      refused(await open({ holders: [owner, { user_id: foreign, role: "viewer" }] }), "user_not_found", "holders.1.user_id");
      refused(await open({ holders: [owner, { user_id: gone, role: "viewer" }] }), "user_not_active", "holders.1.user_id");
      refused(await open({ holders: [owner, { user_id: firm, role: "beneficial_owner" }] }), "invalid_request", "holders.1.role");
      refused(await open({ holders: [{ ...owner, restriction: null }] }), "unknown_field", "holders.0.restriction");
      refused(await open({ type: "fees", holders: [owner] }), "invalid_request", "holders");
      const eleven = Array.from({ length: 11 }, () => owner);
      refused(await open({ holders: eleven }), "invalid_request", "holders");
      assert.deepEqual(await everyPage(own.api, "/v1/accounts", 10), []);
      assert.equal(ok(await own.api.get(`/v1/users/${ada}`), 200)["account_count"], 0);
    });

    it("who are taken off an account go on to the next page of their transactions, without those that were of it alone", async () => {
      const own = await stage.app.newOrganisation();
      const [ada, bob] = [await own.user(), await own.user()];
      const account = await own.account({ userId: ada, balance: 900 });
      ok(await own.api.post(`/v1/accounts/${account}/holders`, { user_id: bob, role: "viewer" }), 201);
      const mine = await own.account({ userId: bob });
      const stranger = await own.account();
      const paid: string[] = [];
      for (const to of [mine, stranger, mine, stranger, mine]) paid.push(ok(await own.transfer(account, to, 10), 201).id);
      const path = `/v1/transactions?user_id=${bob}&limit=2`;
      const first = ok(await own.api.get(path), 200);
      assert.deepEqual(idsOf(first.data), [paid[4], paid[3]]);
      ok(await remove(own.api, account, bob), 200);
      const next = ok(await own.api.get(`${path}&cursor=${encodeURIComponent(String(first.next_cursor))}`), 200);
      assert.deepEqual([idsOf(next.data), next.has_more], [[paid[2], paid[0]], false]);
    });

    it("are added, given other roles and taken off; every step is audited, and none works for strangers", async () => {
      const own = await stage.app.newOrganisation();
      const other = await stage.app.newOrganisation();
      const [ada, bob] = [await own.user(), await own.user()];
      const account = await own.account({ userId: ada, balance: 900 });
      const path = `/v1/accounts/${account}/holders`;
      const seen = await newestEvent(own.api);
      const idempotencyKey = freshKey();
      const first = await own.api.post(path, { user_id: bob, role: "viewer" }, { idempotencyKey });
      const added = ok(first, 201);
      assert.equal((await own.api.post(path, { user_id: bob, role: "viewer" }, { idempotencyKey })).text, first.text);
      refused(await own.api.post(path, { user_id: bob, role: "owner" }), "already_holder", "user_id");
      const stale = { headers: { "if-match": `"${Number(added["version"]) - 1}"` } };
      refused(await own.api.patch(`${path}/${bob}`, { role: "joint_owner" }, stale), "version_conflict");
      const changed = await own.api.patch(
        `${path}/${bob}`,
        { role: "joint_owner" },
        { headers: { "if-match": `"${String(added["version"])}"` } },
      );
      assert.deepEqual(ok(changed, 200)["holders"], [
        { user_id: ada, role: "owner" },
        { user_id: bob, role: "joint_owner" },
      ]);
      assert.equal(changed.headers["etag"], `"${Number(added["version"]) + 1}"`);
      refused(await own.api.patch(`${path}/${ada}`, { role: "viewer" }), "first_owner_stays", "role");
      refused(await remove(own.api, account, ada), "first_owner_stays");
      const stranger = await own.user();
      refused(await own.api.patch(`${path}/${stranger}`, { role: "viewer" }), "not_found");
      refused(await remove(own.api, account, stranger), "not_found");
      for (const answer of [
        await other.api.post(path, { user_id: await other.user(), role: "viewer" }),
        await other.api.patch(`${path}/${bob}`, { role: "viewer" }),
        await remove(other.api, account, bob),
      ])
        refused(answer, "not_found");
      refused(await own.api.post(path, { user_id: await other.user(), role: "viewer" }), "user_not_found", "user_id");
      assert.equal(ok(await own.api.get(`/v1/transactions?user_id=${bob}`), 200).data.length, 1, "what is shared is seen");
      const left = ok(await remove(own.api, account, bob), 200);
      assert.deepEqual(left["holders"], [{ user_id: ada, role: "owner" }]);
      assert.deepEqual(ok(await own.api.get(`/v1/transactions?user_id=${bob}`), 200).data, []);
      assert.deepEqual(await everyPage(own.api, `/v1/accounts?user_id=${bob}`, 5), []);
      assert.equal(ok(await own.api.get(`/v1/users/${bob}`), 200)["account_count"], 0);
      const told = (await eventsAfter(own.api, seen)).filter((event) => String(event["event_type"]).startsWith("account."));
      assert.deepEqual(
        told.map((event) => [event["event_type"], event["object_id"], event["user_id"], event["details"]]),
        [
          ["account.holder_added", account, bob, { role: "viewer" }],
          ["account.holder_changed", account, bob, { before: "viewer", after: "joint_owner" }],
          ["account.holder_removed", account, bob, { role: "joint_owner" }],
        ],
      );
    });

    it("cannot be closed while an account that they share is open, but can leave it", async () => {
      const own = await stage.app.newOrganisation();
      const [ada, bob, eve] = [await own.user(), await own.user(), await own.user()];
      const account = await own.account({ userId: ada });
      for (const user_id of [bob, eve]) ok(await own.api.post(`/v1/accounts/${account}/holders`, { user_id, role: "joint_owner" }), 201);
      refused(await own.api.post(`/v1/users/${bob}/close`), "user_has_open_accounts");
      ok(await remove(own.api, account, bob), 200);
      ok(await own.api.post(`/v1/users/${bob}/close`), 200);
      refused(await own.api.post(`/v1/accounts/${account}/holders`, { user_id: bob, role: "viewer" }), "user_not_active", "user_id");
      ok(await own.api.post(`/v1/accounts/${account}/close`), 200);
      refused(await remove(own.api, account, eve), "account_closed");
      for (const user of [eve, ada]) {
        ok(await own.api.post(`/v1/users/${user}/close`), 200);
        ok(await own.api.post(`/v1/users/${user}/erase`), 200);
        assert.deepEqual(idsOf(await everyPage(own.api, `/v1/accounts?user_id=${user}`, 5)), [account], "the books stay");
      }
    });

    it("are restricted in one commit, however much their accounts carry", async () => {
      const own = await stage.app.newOrganisation();
      const bob = await own.user();
      const asked = { type: "checking", currency: "EUR", user_id: bob };
      // A control character has six bytes as JSON.
      const metadata = Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`name-${n}`, "\u0001".repeat(500)]));
      const full = { ...metadata, more: "\u0001".repeat(60) };
      for (let n = 0; n < 50; n++) ok(await own.api.post("/v1/accounts", { ...asked, metadata: full }), 201);
      ok(await own.api.post(`/v1/users/${bob}/status`, { status: "restricted", reason_code: "screening_hit" }), 200);
      const account = await own.account();
      const larger = { ...metadata, more: "\u0001".repeat(100) };
      refused(await own.api.post("/v1/accounts", { ...asked, user_id: await own.user(), metadata: larger }), "invalid_request", "metadata");
      refused(await own.api.patch(`/v1/accounts/${account}`, { metadata: larger }), "invalid_request", "metadata");
      assert.deepEqual(ok(await own.api.patch(`/v1/accounts/${account}`, { metadata: full }), 200)["metadata"], full);
    });

    it("whose status binds an account free it of that only by a key that may lift the status itself", async () => {
      const own = await stage.app.newOrganisation();
      const { api: clerk } = await colleague(own, "Clerk", ["accounts:write"]);
      const [ada, bob] = [await own.user(), await own.user()];
      const account = await own.account({ userId: ada, balance: 900 });
      const to = await own.account();
      const path = `/v1/accounts/${account}/holders`;
      ok(await clerk.post(path, { user_id: bob, role: "joint_owner" }), 201);
      ok(await clerk.patch(`${path}/${bob}`, { role: "viewer" }), 200);
      ok(await clerk.patch(`${path}/${bob}`, { role: "owner" }), 200);
      ok(await own.api.post(`/v1/users/${bob}/status`, { status: "restricted", reason_code: "court_order" }), 200);
      refused(await remove(clerk, account, bob), "insufficient_scope");
      refused(await clerk.patch(`${path}/${bob}`, { role: "viewer" }), "insufficient_scope");
      ok(await clerk.patch(`${path}/${bob}`, { role: "joint_owner" }), 200);
      refused(await own.transfer(account, to, 10), "account_restricted", "from_account_id");
      const { api: officer } = await colleague(own, "Compliance", ["accounts:write", "users:verify"]);
      assert.equal(ok(await remove(officer, account, bob), 200)["restriction"], null);
      ok(await own.transfer(account, to, 10), 201);
    });

    it("are not taken off by such a key behind somebody who binds the account for another reason", async () => {
      const own = await stage.app.newOrganisation();
      const { api: clerk } = await colleague(own, "Clerk", ["accounts:write"]);
      const [ada, bob] = [await own.user(), await own.user()];
      const account = await own.account({ userId: ada, balance: 900 });
      const to = await own.account();
      const path = `/v1/accounts/${account}/holders`;
      ok(await clerk.post(path, { user_id: bob, role: "joint_owner" }), 201);
      ok(await own.api.post(`/v1/users/${bob}/status`, { status: "restricted", reason_code: "court_order" }), 200);
      ok(await own.api.patch("/v1/organisation", { new_user_status: "pending" }), 200);
      const eve = await own.user();
      // Somebody who is not verified yet binds the account more strictly than the court does, until that is done.
      assert.equal(ok(await clerk.post(path, { user_id: eve, role: "joint_owner" }), 201)["restriction"], "pending");
      refused(await clerk.patch(`${path}/${bob}`, { role: "viewer" }), "insufficient_scope");
      refused(await remove(clerk, account, bob), "insufficient_scope");
      ok(await clerk.patch(`${path}/${bob}`, { role: "beneficial_owner" }), 200);
      ok(await own.api.post(`/v1/users/${eve}/status`, { status: "active", reason_code: "verified" }), 200);
      refused(await own.transfer(account, to, 10), "account_restricted", "from_account_id");
      ok(await remove(clerk, account, eve), 200);
    });

    it("are added and taken off with If-Match, too", async () => {
      const own = await stage.app.newOrganisation();
      const [ada, bob] = [await own.user(), await own.user()];
      const account = await own.account({ userId: ada });
      const path = `/v1/accounts/${account}/holders`;
      const seen = (version: unknown) => ({ headers: { "if-match": `"${String(version)}"` } });
      const { version } = ok(await own.api.get(`/v1/accounts/${account}`), 200);
      refused(await own.api.post(path, { user_id: bob, role: "viewer" }, seen(Number(version) + 1)), "version_conflict");
      const added = ok(await own.api.post(path, { user_id: bob, role: "viewer" }, seen(version)), 201);
      refused(await own.api.send("DELETE", `${path}/${bob}`, undefined, seen(version)), "version_conflict");
      assert.equal(ok(await own.api.get(`/v1/accounts/${account}`), 200)["version"], added["version"]);
      ok(await own.api.send("DELETE", `${path}/${bob}`, undefined, seen(added["version"])), 200);
    });

    it("are bounded by the accounts one user may hold, shared ones included", async () => {
      const own = await stage.app.newOrganisation();
      const bob = await own.user();
      const asked = { type: "checking", currency: "EUR" };
      const holders = [
        { user_id: await own.user(), role: "owner" },
        { user_id: bob, role: "viewer" },
      ];
      for (let n = 0; n < 48; n++) ok(await own.api.post("/v1/accounts", { ...asked, holders }), 201);
      ok(await own.api.post("/v1/accounts", { ...asked, user_id: bob }), 201);
      const other = await own.account();
      ok(await own.api.post(`/v1/accounts/${other}/holders`, { user_id: bob, role: "viewer" }), 201);
      refused(await own.api.post("/v1/accounts", { ...asked, user_id: bob }), "too_many_accounts", "user_id");
      refused(await own.api.post("/v1/accounts", { ...asked, holders }), "too_many_accounts", "holders.1.user_id");
      const further = await own.account();
      refused(await own.api.post(`/v1/accounts/${further}/holders`, { user_id: bob, role: "viewer" }), "too_many_accounts", "user_id");
      assert.equal((await everyPage(own.api, `/v1/accounts?user_id=${bob}`, 7)).length, 50);
      const status = { status: "restricted", reason_code: "screening_hit" };
      const seen = await newestEvent(own.api);
      ok(await own.api.post(`/v1/users/${bob}/status`, status), 200);
      const [event] = await eventsAfter(own.api, seen);
      assert.deepEqual(event?.["details"], { before: "active", after: "restricted", reason_code: "screening_hit", accounts_changed: 50 });
    });
  });
}
