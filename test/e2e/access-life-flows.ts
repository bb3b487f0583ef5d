import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ALL_SCOPES } from "#kernel/scopes.ts";
import { freshKey, ok, rawConnection, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import type { Stage } from "./stage.ts";

/** The life of a key: what it may do, how it is changed, rotated and ends. */
export function keyLifeFlows(stage: Stage): void {
  describe("the life of an API key", () => {
    it("KEY-02 has the scopes it was given, and gives no others", async () => {
      const own = await stage.app.newOrganisation();
      const all = ok(await own.api.get(`/v1/api-keys/${own.apiKeyId}`), 200);
      assert.deepEqual(all["scopes"], [...ALL_SCOPES]);
      const made = ok(await own.api.post("/v1/api-keys", { name: "Some", scopes: ["users:read", "api_keys:write", "users:read"] }), 201);
      assert.deepEqual(made["scopes"], ["users:read", "api_keys:write"]);
      const some = own.api.as(made.secret);
      ok(await some.get("/v1/users"), 200);
      const lacking = refused(await some.get("/v1/accounts"), "insufficient_scope");
      assert.match(String(lacking["detail"]), /accounts:read/);
      refused(
        await some.post("/v1/api-keys", { name: "More", scopes: ["users:read", "accounts:read"] }),
        "beyond_own_permissions",
        "scopes",
      );
      assert.deepEqual(ok(await some.post("/v1/api-keys", { name: "Same" }), 201)["scopes"], ["users:read", "api_keys:write"]);
      refused(await own.api.post("/v1/api-keys", { name: "None", scopes: [] }), "invalid_request", "scopes");
      refused(await own.api.post("/v1/api-keys", { name: "Odd", scopes: ["users:*"] }), "invalid_request", "scopes.0");
      // A key that manages keys can neither take over one that may do more, nor change it, nor itself upwards.
      refused(await some.post(`/v1/api-keys/${own.apiKeyId}/rotate`, { overlap_seconds: 60 }), "beyond_own_permissions");
      refused(await some.patch(`/v1/api-keys/${own.apiKeyId}`, { name: "Mine" }), "beyond_own_permissions");
      refused(
        await some.patch(`/v1/api-keys/${made.id}`, { rate_limit_per_minute: 101 }),
        "beyond_own_permissions",
        "rate_limit_per_minute",
      );
      refused(await some.patch(`/v1/api-keys/${made.id}`, { ip_allowlist: ["203.0.113.7"] }), "would_lock_out", "ip_allowlist");
    });

    it("KEY-02 is changed from the version seen, at once, and the change is audited", async () => {
      const own = await stage.app.newOrganisation();
      const { id, secret } = ok(await own.api.post("/v1/api-keys", { name: "Till" }), 201);
      const read = await own.api.get(`/v1/api-keys/${id}`);
      const tag = String(read.headers.etag);
      assert.equal(tag, '"1"');
      const seen = await newestEvent(own.api);
      const change = { scopes: ["users:read"], rate_limit_per_minute: 7, ip_allowlist: ["127.0.0.1"], expires_at: "2120-01-01T00:00:00Z" };
      const changed = ok(await own.api.patch(`/v1/api-keys/${id}`, change, { headers: { "if-match": tag } }), 200);
      assert.deepEqual(
        [changed.version, changed["expires_at"], changed["burst_limit_per_second"], changed["name"]],
        [2, "2120-01-01T00:00:00.000Z", 7, "Till"],
      );
      refused(await own.api.patch(`/v1/api-keys/${id}`, { name: "Late" }, { headers: { "if-match": tag } }), "version_conflict");
      refused(await own.api.as(secret).get("/v1/accounts"), "insufficient_scope");
      const answer = await own.api.as(secret).get("/v1/users");
      ok(answer, 200);
      assert.match(String(answer.headers["ratelimit-policy"]), /"default";q=7;w=60/);
      const [event] = await eventsAfter(own.api, seen);
      assert.equal(event?.["event_type"], "api_key.updated");
      const details = event["details"] as { before: { scopes: string[] }; after: { scopes: string[] } };
      assert.deepEqual([details.before.scopes, details.after.scopes], [[...ALL_SCOPES], ["users:read"]]);
      refused(await own.api.patch(`/v1/api-keys/${id}`, { expires_at: "2020-01-01T00:00:00Z" }), "invalid_request", "expires_at");
      refused(await own.api.patch(`/v1/api-keys/${id}`, { expires_at: "2119-02-31T00:00:00Z" }), "invalid_request", "expires_at");
    });

    it("KEY-02 is rotated: both secrets are good while they overlap, never three, and the new one is shown once", async () => {
      const { clock } = stage.app;
      const own = await stage.app.newOrganisation();
      const { id, secret } = ok(await own.api.post("/v1/api-keys", { name: "Till" }), 201);
      const rotate = (overlap_seconds: number) => own.api.post(`/v1/api-keys/${id}/rotate`, { overlap_seconds });
      const rotated = ok(await rotate(3_600), 200);
      assert.equal(rotated.id, id);
      assert.notEqual(rotated.secret, secret);
      for (const good of [secret, rotated.secret]) ok(await own.api.as(good).get("/v1/users"), 200);
      const read = await own.api.get(`/v1/api-keys/${id}`);
      assert.ok(!read.text.includes("sfk_"));
      assert.notEqual(ok(read, 200)["previous_secret_expires_at"], null);
      refused(await rotate(60), "rotation_overlapping");
      clock.advance(3_600_000);
      refused(await own.api.as(secret).get("/v1/users"), "unauthenticated");
      ok(await own.api.as(rotated.secret).get("/v1/users"), 200);
      assert.equal(ok(await own.api.get(`/v1/api-keys/${id}`), 200)["previous_secret_expires_at"], null);
      const again = ok(await rotate(604_800), 200);
      const emergency = ok(await rotate(0), 200);
      for (const ended of [rotated.secret, again.secret]) refused(await own.api.as(ended).get("/v1/users"), "unauthenticated");
      ok(await own.api.as(emergency.secret).get("/v1/users"), 200);
      refused(await rotate(604_801), "invalid_request", "overlap_seconds");
      // A key may rotate itself.
      const itself = ok(await own.api.as(emergency.secret).post(`/v1/api-keys/${id}/rotate`, { overlap_seconds: 0 }), 200);
      refused(await own.api.as(emergency.secret).get("/v1/users"), "unauthenticated");
      ok(await own.api.as(itself.secret).get("/v1/users"), 200);
    });

    it("KEY-02 ends when it was said to", async () => {
      const { clock } = stage.app;
      const own = await stage.app.newOrganisation();
      const expires_at = new Date(clock.now() + 60_000).toISOString();
      const { id, secret } = ok(await own.api.post("/v1/api-keys", { name: "Guest", expires_at }), 201);
      ok(await own.api.as(secret).get("/v1/users"), 200);
      clock.advance(60_000);
      refused(await own.api.as(secret).get("/v1/users"), "unauthenticated");
      assert.equal(ok(await own.api.get(`/v1/api-keys/${id}`), 200).status, "expired");
      refused(await own.api.post(`/v1/api-keys/${id}/rotate`, { overlap_seconds: 0 }), "api_key_expired");
      // What has ended does not come back: a secret believed worthless stays so.
      for (const change of [{ expires_at: null }, { expires_at: "2120-01-01T00:00:00Z" }, { name: "Old", scopes: ["users:read"] }])
        refused(await own.api.patch(`/v1/api-keys/${id}`, change), "api_key_expired");
      refused(await own.api.as(secret).get("/v1/users"), "unauthenticated");
      assert.equal(ok(await own.api.patch(`/v1/api-keys/${id}`, { name: "Former guest" }), 200)["name"], "Former guest");
    });

    it("KEY-02 is judged again when a body comes after its head: what was revoked meanwhile does nothing", async () => {
      const own = await stage.app.newOrganisation();
      const account = await own.account({ balance: 1_000 });
      const primed = async (secret: string, path: string, body: object) => {
        const text = JSON.stringify(body);
        const raw = rawConnection(stage.app.url);
        raw.write(
          `POST ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-API-Key: ${secret}\r\nContent-Type: application/json\r\n` +
            `${path === "/v1/api-keys" ? "" : `Idempotency-Key: ${freshKey()}\r\n`}Content-Length: ${text.length}\r\n\r\n${text[0]}`,
        );
        return () => {
          raw.write(text.slice(1));
          return raw.ended;
        };
      };
      const withdrawal = { account_id: account, amount: 500, currency: "EUR" };
      const ends: ((id: string) => Promise<unknown>)[] = [
        async (id) => ok(await own.api.post(`/v1/api-keys/${id}/revoke`, undefined, { idempotencyKey: null }), 200),
        async (id) => ok(await own.api.patch(`/v1/api-keys/${id}`, { scopes: ["users:read"] }), 200),
        async (id) => ok(await own.api.patch(`/v1/api-keys/${id}`, { ip_allowlist: ["203.0.113.7"] }), 200),
        async () => undefined,
      ];
      for (const [n, status] of [401, 403, 403, 201].entries()) {
        const { id, secret } = ok(await own.api.post("/v1/api-keys", { name: "Stolen" }), 201);
        const bodies = [await primed(secret, "/v1/api-keys", { name: "Persists" }), await primed(secret, "/v1/withdrawals", withdrawal)];
        // The server has both heads once it has answered what was sent after them.
        for (let k = 0; k < 5; k++) ok(await own.api.as(secret).get("/v1/organisation"), 200);
        await ends[n]?.(id);
        for (const send of bodies) assert.match(await send(), new RegExp(`^HTTP/1\\.1 ${status} `));
        const persisting = ok(await own.api.get("/v1/api-keys"), 200).data.filter((key) => key["name"] === "Persists");
        assert.equal(persisting.length, status === 201 ? 1 : 0);
        assert.equal(await own.balance(account), status === 201 ? 500 : 1_000);
      }
    });

    it("KEY-02 tells when it was last used, without the key changing by it", async () => {
      const { app, clock } = stage.app;
      const own = await stage.app.newOrganisation();
      const { id, secret } = ok(await own.api.post("/v1/api-keys", { name: "Till" }), 201);
      assert.equal(ok(await own.api.get(`/v1/api-keys/${id}`), 200)["last_used_at"], null);
      ok(await own.api.as(secret).get("/v1/users"), 200);
      const before = clock.now();
      await app.maintain();
      const read = ok(await own.api.get(`/v1/api-keys/${id}`), 200);
      const used = Date.parse(String(read["last_used_at"]));
      assert.ok(Math.abs(before - used) < 10_000);
      assert.equal(read.version, 1);
      const listed = ok(await own.api.get("/v1/api-keys"), 200).data.find((key) => key.id === id);
      assert.equal(listed?.["last_used_at"], read["last_used_at"]);
    });

    it("AUTHZ-03 give no key a higher limit than their own, or the organisation's for keys where that is more", async () => {
      const own = await stage.app.newOrganisation();
      const body = { name: "Clerk", rate_limit_per_minute: 150 };
      const clerk = own.api.as(ok(await own.api.post("/v1/api-keys", body), 201).secret);
      const make = (rate_limit_per_minute: number) => clerk.post("/v1/api-keys", { name: "Made", rate_limit_per_minute });
      const { id } = ok(await make(150), 201);
      refused(await make(151), "beyond_own_permissions", "rate_limit_per_minute");
      refused(await clerk.patch(`/v1/api-keys/${id}`, { rate_limit_per_minute: 151 }), "beyond_own_permissions", "rate_limit_per_minute");
      ok(await clerk.patch(`/v1/api-keys/${id}`, { rate_limit_per_minute: 5 }), 200);
      ok(await own.api.patch("/v1/organisation", { key_rate_limit_per_minute: 160 }), 200);
      ok(await make(160), 201);
      refused(await make(161), "beyond_own_permissions", "rate_limit_per_minute");
    });

    it("IDEM-01 refuse an Idempotency-Key where a secret is shown, and change nothing", async () => {
      const own = await stage.app.newOrganisation();
      const idempotencyKey = freshKey();
      for (const [path, body] of [
        ["/v1/api-keys", { name: "Twice" }],
        [`/v1/api-keys/${own.apiKeyId}/rotate`, { overlap_seconds: 0 }],
      ] as const)
        assert.match(
          String(refused(await own.api.post(path, body, { idempotencyKey }), "idempotency_key_not_taken")["detail"]),
          /^Operations whose answer shows a secret refuse one/,
        );
      assert.equal(ok(await own.api.get("/v1/api-keys"), 200).data.length, 1);
    });

    it("are refused the balance at a time to come, and take one that clocks may differ by for now", async () => {
      const own = await stage.app.newOrganisation();
      const account = await own.account({ balance: 70 });
      const ahead = (ms: number) => own.api.get(`/v1/accounts/${account}/balance?at=${new Date(stage.app.clock.now() + ms).toISOString()}`);
      refused(await ahead(86_400_000), "invalid_request", "at");
      const told = ok(await ahead(1_000), 200);
      assert.equal(told.balance, 70);
      assert.ok(Date.parse(String(told["at"])) <= stage.app.clock.now());
    });

    it("answer a change with the ETag for the next one, and a used-up quota by its name", async () => {
      const own = await stage.app.newOrganisation();
      const { id, secret } = ok(await own.api.post("/v1/api-keys", { name: "Till", rate_limit_per_minute: 2 }), 201);
      const user = ok(await own.api.post("/v1/users", { name: "Ada" }), 201).id;
      for (const [path, body] of [
        [`/v1/api-keys/${id}`, { name: "Other" }],
        [`/v1/users/${user}`, { name: "Other" }],
        ["/v1/organisation", { name: "Other" }],
        [`/v1/accounts/${await own.account()}`, { overdraft_limit: 5 }],
      ] as const) {
        const changed = await own.api.patch(path, body);
        assert.equal(changed.headers["etag"], `"${ok(changed, 200).version}"`, path);
        ok(await own.api.patch(path, body, { headers: { "if-match": String(changed.headers["etag"]) } }), 200);
        const late = await own.api.patch(path, body, { headers: { "if-match": String(changed.headers["etag"]) } });
        refused(late, "version_conflict");
        assert.equal(late.headers["etag"], undefined);
      }
      const till = own.api.as(secret);
      ok(await till.get(`/v1/api-keys/${id}`), 200);
      ok(await till.get(`/v1/api-keys/${id}`), 200);
      const detail = String(refused(await till.get(`/v1/api-keys/${id}`), "rate_limited")["detail"]);
      assert.match(detail, /The quota "default" is used up: 2 units of this key in one minute\./);
    });
  });
}

export function organisationFlows(stage: Stage): void {
  describe("the organisation", () => {
    it("is read, and changed from the version seen, which is audited", async () => {
      const own = await stage.app.newOrganisation();
      const read = await own.api.get("/v1/organisation");
      const first = ok(read, 200);
      assert.deepEqual(
        [first.id, first["rate_limit_ceiling"], first["key_rate_limit_per_minute"], first["ip_allowlist"]],
        [own.id, 10_000_000, 100, []],
      );
      const tag = String(read.headers.etag);
      const seen = await newestEvent(own.api);
      const change = {
        name: "Bank of Test",
        rate_limit_per_minute: 9_000,
        key_rate_limit_per_minute: 33,
        ip_allowlist: ["127.0.0.0/8", "::1"],
      };
      const changed = ok(await own.api.patch("/v1/organisation", change, { headers: { "if-match": tag } }), 200);
      const { created_at } = first;
      assert.deepEqual(changed, { ...first, ...change, created_at, version: 2 });
      assert.deepEqual(ok(await own.api.get("/v1/organisation"), 200), changed);
      refused(await own.api.patch("/v1/organisation", { name: "Late" }, { headers: { "if-match": tag } }), "version_conflict");
      const [event] = await eventsAfter(own.api, seen);
      assert.deepEqual([event?.["event_type"], event?.["object_id"]], ["organisation.updated", own.id]);
      assert.equal(ok(await own.api.post("/v1/api-keys", { name: "Usual" }), 201)["rate_limit_per_minute"], 33);
    });

    it("refuses limits above its ceiling and lists that lock out who sets them", async () => {
      const own = await stage.app.newOrganisation();
      const patch = (body: object) => own.api.patch("/v1/organisation", body);
      refused(await patch({ rate_limit_per_minute: 10_000_001 }), "beyond_own_permissions", "rate_limit_per_minute");
      refused(await patch({ ip_allowlist: ["203.0.113.0/24"] }), "would_lock_out", "ip_allowlist");
      refused(await patch({ ip_allowlist: ["127.0.0.1", "10.0.0.1/8"] }), "invalid_request", "ip_allowlist.1");
      refused(await patch({}), "invalid_request");
      refused(await patch({ rate_limit_ceiling: 5 }), "unknown_field", "rate_limit_ceiling");
      assert.equal(ok(await own.api.get("/v1/organisation"), 200).version, 1);
      ok(await own.api.get("/v1/users"), 200);
    });

    it("RL-01 has one quota over all its keys", async () => {
      const own = await stage.app.newOrganisation();
      const keys = await Promise.all(
        Array.from({ length: 3 }, async (_, n) => ok(await own.api.post("/v1/api-keys", { name: `Key ${n}` }), 201).secret),
      );
      ok(await own.api.patch("/v1/organisation", { rate_limit_per_minute: 40 }), 200);
      const answers = await Promise.all(
        Array.from({ length: 60 }, (_, n) => own.api.as(keys[n % 3] ?? "").get(`/v1/api-keys/${own.apiKeyId}`)),
      );
      // What made the keys and set the limit was counted too, under the limit before.
      const granted = answers.filter(({ status }) => status === 200).length;
      assert.equal(granted, 40 - 4);
      const turned = answers.find(({ status }) => status === 429);
      assert.ok(turned);
      assert.match(String(turned.headers["ratelimit"]), /"organisation";r=0;t=\d+$/);
      const other = await stage.app.newOrganisation();
      ok(await other.api.get("/v1/users"), 200);
      stage.app.clock.advance(60_000);
      ok(await own.api.as(keys[0] ?? "").get("/v1/users"), 200);
    });
  });
}
