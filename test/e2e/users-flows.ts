import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Answer } from "../support/http-client.ts";
import { freshKey, ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import type { Stage } from "./stage.ts";
import { everyPage, idsOf } from "./stage.ts";
import { berlin } from "./suspicious.ts";

const person = {
  type: "personal",
  name: "Katherine Johnson",
  email: "Katherine.Johnson@Example.com",
  phone: "+17575550142",
  date_of_birth: "1918-08-26",
  address: { line1: "Langley Blvd 1", city: "Hampton", postal_code: "23681", state: "Virginia", country: "US" },
  tax_id: "123-45-6789",
  reference: "crm-1",
  metadata: { tier: "gold" },
};
const business = { type: "business", name: "West Computers Ltd", email: "hello@west.example", tax_id: "GB123" };

const ifMatch = (answer: Answer) => ({ headers: { "if-match": String(answer.headers["etag"]) } });

export function userFlows(stage: Stage): void {
  describe("users", () => {
    it("are created, read and changed with If-Match, null clearing a field", async () => {
      const own = await stage.app.newOrganisation();
      const made = ok(await own.api.post("/v1/users", person), 201);
      assert.deepEqual({ ...made, ...person, status: "active", closed_at: null, erased_at: null, version: 1 }, made);
      const path = `/v1/users/${made.id}`;
      const read = await own.api.get(path);
      assert.deepEqual(ok(read, 200), made);
      const changed = ok(await own.api.patch(path, { phone: null, email: "kj@example.com", address: null }, ifMatch(read)), 200);
      const expected = { ...made, phone: null, email: "kj@example.com", address: null, version: 2, updated_at: changed["updated_at"] };
      assert.deepEqual(changed, expected);
      assert.deepEqual(ok(await own.api.get(path), 200), expected);
      refused(await own.api.patch(path, { name: "Other" }, ifMatch(read)), "version_conflict");
      refused(await own.api.patch(path, { name: null }), "invalid_request", "name");
      refused(await own.api.patch(path, { name: " " }), "invalid_request", "name");
      refused(await own.api.post("/v1/users", { name: " \u00a0 " }), "invalid_request", "name");
      refused(await own.api.patch(path, { type: "business" }), "unknown_field", "type");
      refused(await own.api.patch(path, { address: { line1: "a", city: "b" } }), "missing_field", "address.country");
      refused(await own.api.patch(path, { date_of_birth: "1918-02-29" }), "invalid_request", "date_of_birth");
      const firm = ok(await own.api.post("/v1/users", business), 201);
      assert.deepEqual([firm["type"], firm["date_of_birth"], firm["metadata"]], ["business", null, {}]);
      refused(await own.api.patch(`/v1/users/${firm.id}`, { date_of_birth: "1990-01-01" }), "invalid_request", "date_of_birth");
    });

    it("are found by e-mail, phone and status within their organisation, and by nothing they were before", async () => {
      const own = await stage.app.newOrganisation();
      const other = await stage.app.newOrganisation();
      const foreign = ok(await other.api.post("/v1/users", person), 201);
      const twins: string[] = [];
      for (let n = 0; n < 3; n++) twins.unshift(ok(await own.api.post("/v1/users", person), 201).id);
      const firm = ok(await own.api.post("/v1/users", business), 201).id;
      const find = async (query: Record<string, string>, limit = 2): Promise<string[]> =>
        idsOf(await everyPage(own.api, `/v1/users?${new URLSearchParams(query).toString()}`, limit));
      assert.deepEqual(await find({ email: "KATHERINE.johnson@example.COM" }), twins);
      assert.deepEqual(await find({ phone: "+17575550142" }), twins);
      assert.deepEqual(await find({ email: "hello@west.example", status: "active" }), [firm]);
      assert.deepEqual(await find({ email: "hello@west.example", phone: "+17575550142" }), []);
      assert.deepEqual(await find({ email: "nobody@example.com" }), []);
      assert.deepEqual(await find({ status: "active" }), [firm, ...twins]);
      assert.deepEqual(idsOf(await everyPage(other.api, "/v1/users?phone=%2B17575550142", 5)), [foreign.id]);
      const [changed = "", ...rest] = twins;
      ok(await own.api.patch(`/v1/users/${changed}`, { email: "new@example.com", phone: null }), 200);
      assert.deepEqual(await find({ email: person.email }), rest);
      assert.deepEqual(await find({ email: "new@example.com" }), [changed]);
      assert.deepEqual(await find({ phone: person.phone }), rest);
      ok(await own.api.post(`/v1/users/${firm}/close`), 200);
      assert.deepEqual(await find({ status: "closed" }), [firm]);
      assert.deepEqual(await find({ status: "active" }), twins);
      refused(await own.api.get("/v1/users?phone=+17575550142"), "invalid_request", "phone");
      refused(await own.api.get("/v1/users?email=a%C2%A8@b"), "invalid_request", "email");
    });

    it("are closed once their accounts are, then erased; the books stay, and nobody sees who it was", async () => {
      const own = await stage.app.newOrganisation();
      const idempotencyKey = freshKey();
      const made = await own.api.post("/v1/users", person, { idempotencyKey });
      const userId = ok(made, 201).id;
      const path = `/v1/users/${userId}`;
      const account = await own.account({ userId, balance: 700 });
      const to = await own.account();
      refused(await own.api.post(`${path}/erase`), "user_status_conflict");
      refused(await own.api.post(`${path}/close`), "user_has_open_accounts");
      ok(await own.transfer(account, to, 700, { context: berlin }), 201);
      const habits = await stage.app.store.get("smartfinance-risk-profiles", { hash: userId });
      assert.ok(Array.isArray(habits?.["location"]) && habits["location"].includes(525_200), JSON.stringify(habits));
      ok(await own.api.post(`/v1/accounts/${account}/close`), 200);
      const seen = await newestEvent(own.api);
      assert.equal(ok(await own.api.post(`${path}/close`), 200).status, "closed");
      refused(await own.api.post(`${path}/close`), "user_status_conflict");
      const asked = { type: "checking", currency: "EUR", user_id: userId };
      refused(await own.api.post("/v1/accounts", asked), "user_not_active", "user_id");
      assert.equal(ok(await own.api.patch(path, { tax_id: "corrected" }), 200)["tax_id"], "corrected");
      const again = await own.api.post("/v1/users", person, { idempotencyKey });
      assert.equal(again.text, made.text, "a replay shows what was shown then");

      const erased = ok(await own.api.post(`${path}/erase`), 200);
      assert.deepEqual(ok(await own.api.get(path), 200), erased);
      assert.deepEqual([erased["name"], erased["email"], erased["metadata"], erased["account_count"]], [null, null, {}, 1]);
      assert.notEqual(erased["erased_at"], null);
      const left = await stage.app.store.get("smartfinance-risk-profiles", { hash: userId });
      assert.deepEqual([left?.["location"], left?.["places"], left?.["devices"], left?.["amounts"]], [null, [], [], []]);
      assert.deepEqual(
        (await everyPage(own.api, "/v1/users?status=closed", 3)).find(({ id }) => id === userId),
        erased,
      );
      for (const query of ["phone=%2B17575550142", `email=${person.email}`])
        assert.deepEqual(await everyPage(own.api, `/v1/users?${query}`, 5), [], query);
      refused(await own.api.post(`${path}/erase`), "user_erased");
      refused(await own.api.patch(path, { name: "Back" }), "user_erased");
      refused(await own.api.post("/v1/users", person, { idempotencyKey }), "user_erased");
      assert.equal(ok(await own.api.get(`/v1/accounts/${account}`), 200)["user_id"], userId);
      assert.equal((await everyPage(own.api, `/v1/transactions?user_id=${userId}`, 10)).length, 2);
      const told = await eventsAfter(own.api, seen);
      assert.deepEqual(
        told.map((event) => [event["event_type"], event["user_id"], event["details"]]),
        [
          ["user.closed", userId, null],
          ["user.updated", userId, { fields: ["tax_id"] }],
          ["user.erased", userId, null],
        ],
      );
    });
  });
}
