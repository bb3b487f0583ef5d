import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { API_KEY_PATTERN, issueApiKey } from "#access/index.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import { startApp } from "../support/app.ts";
import { keyLifeFlows, organisationFlows } from "./access-life-flows.ts";
import { ok, refused } from "../support/http-client.ts";
import { suspect } from "./suspicious.ts";
import type { Stage } from "./stage.ts";
import { everyPage } from "./stage.ts";

/** How long another node may still take a revoked key, ms. */
const REVOCATION_BOUND_MS = 5_000;
const POLLS_MAX = 200;

export function accessFlows(stage: Stage): void {
  describe("API keys", () => {
    it("KEY-01 are shown once, and read back without their secret", async () => {
      const own = await stage.app.newOrganisation();
      const made = await own.api.post("/v1/api-keys", { name: "Till", rate_limit_per_minute: 7 });
      const { id, secret } = ok(made, 201);
      assert.match(secret, new RegExp(`^${API_KEY_PATTERN}$`));
      assert.equal(made.headers["cache-control"], "no-store");
      const read = await own.api.get(`/v1/api-keys/${id}`);
      assert.equal(ok(read, 200)["rate_limit_per_minute"], 7);
      const list = await own.api.get("/v1/api-keys");
      assert.equal(ok(list, 200).data.length, 2);
      for (const { text } of [read, list]) {
        assert.ok(!text.includes("sfk_"));
        assert.doesNotMatch(text, /"secret"|hash/);
      }
      ok(await own.api.as(secret).get("/v1/users"), 200);
    });

    it("KEY-02 overlap while they are rotated; a revoked one is refused at once", async () => {
      const own = await stage.app.newOrganisation();
      const { id, secret } = ok(await own.api.post("/v1/api-keys", { name: "New" }), 201);
      const renewed = own.api.as(secret);
      ok(await renewed.get("/v1/users"), 200);
      ok(await own.api.get("/v1/users"), 200);
      refused(await renewed.post(`/v1/api-keys/${id}/revoke`), "cannot_revoke_self");
      const revoked = ok(await renewed.post(`/v1/api-keys/${own.apiKeyId}/revoke`), 200);
      assert.equal(revoked.status, "revoked");
      refused(await own.api.get("/v1/users"), "unauthenticated");
      ok(await renewed.get("/v1/users"), 200);
      refused(await renewed.post(`/v1/api-keys/${own.apiKeyId}/revoke`), "api_key_revoked");
    });

    it("IP-01 with an allow-list are refused sensitive operations from elsewhere, which is audited", async () => {
      const own = await stage.app.newOrganisation();
      const from = await own.account({ balance: 1_000 });
      const to = await own.account();
      const { pay } = await suspect(own, stage.app.clock);
      const { review_id } = ok(await pay(), 202);
      const make = async (...ip_allowlist: string[]) => ok(await own.api.post("/v1/api-keys", { name: "Listed", ip_allowlist }), 201);
      refused(await own.api.post("/v1/api-keys", { name: "Bad", ip_allowlist: ["10.0.0.1/8"] }), "invalid_request", "ip_allowlist.0");
      const elsewhere = await make("203.0.113.0/24", "2001:db8::/32");
      const api = own.api.as(elsewhere.secret);
      const sensitive = [
        ["/v1/withdrawals", { account_id: from, amount: 1, currency: "EUR" }],
        [`/v1/reviews/${review_id}/approve`, undefined],
        [`/v1/reviews/${review_id}/reject`, undefined],
        ["/v1/api-keys", { name: "Mine" }],
        [`/v1/api-keys/${own.apiKeyId}/revoke`, undefined],
      ] as const;
      for (const [path, body] of sensitive) {
        refused(await api.post(path, body), "ip_not_allowed");
        // Nobody vouches for this header here, so it moves nobody.
        refused(await api.post(path, body, { headers: { "x-forwarded-for": "203.0.113.7" } }), "ip_not_allowed");
      }
      ok(await api.get(`/v1/accounts/${from}`), 200);
      ok(await api.post("/v1/transfers", { from_account_id: from, to_account_id: to, amount: 1, currency: "EUR" }), 201);
      assert.equal(await own.balance(from), 999);

      // The refusal does not wait for its event.
      let events: Awaited<ReturnType<typeof everyPage>> = [];
      for (let poll = 0; poll < POLLS_MAX && events.length < 2 * sensitive.length; poll++) {
        await sleep(5);
        events = await everyPage(own.api, "/v1/audit/events?event_type=access.ip_refused", 50);
      }
      assert.equal(events.length, 2 * sensitive.length);
      for (const event of events)
        assert.deepEqual([event["api_key_id"], event["object_id"], event["ip_address"]], [elsewhere.id, elsewhere.id, "127.0.0.1"]);

      const here = own.api.as((await make("127.0.0.0/8")).secret);
      ok(await here.post("/v1/withdrawals", { account_id: from, amount: 1, currency: "EUR" }), 201);
      ok(await here.post(`/v1/reviews/${review_id}/approve`), 200);
    });

    it("RL-01 have a quota of 100 a minute, told on every answer", async () => {
      const { clock } = stage.app;
      const own = await stage.app.newOrganisation();
      const { secret } = ok(await own.api.post("/v1/api-keys", { name: "Default" }), 201);
      const api = own.api.as(secret);
      const ask = () => api.get(`/v1/api-keys/${own.apiKeyId}`);
      const first = await ask();
      assert.equal(first.headers["ratelimit-policy"], '"burst";q=50;w=1, "default";q=100;w=60, "organisation";q=10000000;w=60');
      assert.match(String(first.headers["ratelimit"]), /^"burst";r=49;t=1, "default";r=99;t=60, "organisation";r=\d+;t=60$/);
      const turnedAway = async (asked: number) => {
        const answers = await Promise.all(Array.from({ length: asked }, ask));
        return answers.filter(({ status }) => status === 429);
      };
      const began = clock.now();
      const short = await turnedAway(49);
      clock.advance(1_000);
      const long = await turnedAway(59);
      assert.ok(clock.now() - began < 2_000, "the machine was too slow for what this test looks at");
      assert.deepEqual([short.length, long.length], [0, 9]);
      for (const answer of long) {
        refused(answer, "rate_limited");
        assert.match(String(answer.headers["ratelimit"]), /"burst";r=0;t=1, "default";r=0;t=\d+/);
        const seconds = Number(answer.headers["retry-after"]);
        assert.ok(seconds >= 1 && seconds <= 60);
      }
      ok(await own.api.get("/v1/users"), 200);
      clock.advance(60_000);
      ok(await ask(), 200);
    });
  });
  keyLifeFlows(stage);
  organisationFlows(stage);
}

/** What does not depend on the store. */
export function proxyFlows(): void {
  it("ENC-11 a server that asks for no client certificates binds no key to one", async () => {
    const app = await startApp({ store: "memory", clientCertificates: false });
    try {
      const own = await app.newOrganisation();
      const certificate_sha256 = "ab".repeat(32);
      const { detail } = refused(
        await own.api.post("/v1/api-keys", { name: "Bound", certificate_sha256 }),
        "invalid_request",
        "certificate_sha256",
      );
      assert.match(String(detail), /SMARTFINANCE_TLS_CLIENT_CA_FILE/);
      const { id } = ok(await own.api.post("/v1/api-keys", { name: "Free" }), 201);
      refused(await own.api.patch(`/v1/api-keys/${id}`, { certificate_sha256 }), "invalid_request", "certificate_sha256");
      ok(await own.api.patch(`/v1/api-keys/${id}`, { certificate_sha256: null }), 200);
      const foreign = issueApiKey(app.deps, { organisationId: own.id as OrganisationId, name: "Live", environment: "live" });
      const told = refused(await own.api.as(foreign.text).get("/v1/users"), "unauthenticated");
      assert.equal(told["detail"], "This is a live key; the installation takes test keys.");
    } finally {
      await app.close();
    }
  });

  it("IP-01 behind a proxy the address it appended counts, not what the client wrote before it", async () => {
    const app = await startApp({ store: "memory", trustedProxyHops: 1 });
    try {
      const own = await app.newOrganisation();
      const account_id = await own.account({ balance: 100 });
      const { secret } = ok(await own.api.post("/v1/api-keys", { name: "Office", ip_allowlist: ["203.0.113.0/24", "2001:db8::/32"] }), 201);
      const from = (forwarded: string | undefined) =>
        own.api
          .as(secret)
          .post("/v1/withdrawals", { account_id, amount: 1, currency: "EUR" }, { headers: { "x-forwarded-for": forwarded } });
      for (const good of ["203.0.113.7", "198.51.100.1, 203.0.113.7", "nonsense,203.0.113.9", "::ffff:203.0.113.7", "2001:db8::1"])
        ok(await from(good), 201);
      for (const bad of [undefined, "", "203.0.114.7", "203.0.113.7, 198.51.100.1", "203.0.113.7, nonsense", "203.0.113.7,"])
        refused(await from(bad), "ip_not_allowed");
      const events = await everyPage(own.api, "/v1/audit/events?event_type=withdrawal.posted", 10);
      assert.deepEqual(new Set(events.map((event) => event["ip_address"])), new Set(["203.0.113.7", "203.0.113.9", "2001:db8::1"]));
    } finally {
      await app.close();
    }
  });
}

/** What takes two nodes over one store. */
export function twoNodeFlows(stage: Stage): void {
  describe("two nodes", () => {
    it("KEY-02 a key revoked on one is refused on the other within the bound; writes of one are read on the other", async () => {
      const { app, options } = stage;
      const other = await startApp({ ...options, besides: app });
      try {
        const own = await app.newOrganisation();
        const { id, secret } = ok(await own.api.post("/v1/api-keys", { name: "Abroad" }), 201);
        const abroad = other.anonymous.as(secret);
        ok(await abroad.get("/v1/users"), 200);
        const account = await own.account({ balance: 70 });
        assert.equal(ok(await abroad.get(`/v1/accounts/${account}`), 200).balance, 70);
        ok(await own.api.post(`/v1/api-keys/${id}/revoke`), 200);
        refused(await own.api.as(secret).get("/v1/users"), "unauthenticated");
        app.clock.advance(REVOCATION_BOUND_MS);
        refused(await abroad.get("/v1/users"), "unauthenticated");
      } finally {
        await other.close();
      }
    });

    it("AUTHZ-04 what changes of a key or its organisation on one holds on the other within the bound", async () => {
      const { app, options } = stage;
      const other = await startApp({ ...options, besides: app });
      try {
        const own = await app.newOrganisation();
        const { id, secret } = ok(await own.api.post("/v1/api-keys", { name: "Abroad" }), 201);
        const abroad = other.anonymous.as(secret);
        ok(await abroad.get("/v1/users"), 200);
        ok(await own.api.patch(`/v1/api-keys/${id}`, { scopes: ["audit:read"], rate_limit_per_minute: 77 }), 200);
        refused(await own.api.as(secret).get("/v1/users"), "insufficient_scope");
        app.clock.advance(REVOCATION_BOUND_MS);
        refused(await abroad.get("/v1/users"), "insufficient_scope");
        const policy = (await abroad.get("/v1/audit/events")).headers["ratelimit-policy"];
        assert.match(String(policy), /"default";q=77;w=60/);
        ok(await own.api.patch("/v1/organisation", { rate_limit_per_minute: 5_000 }), 200);
        app.clock.advance(REVOCATION_BOUND_MS);
        assert.match(String((await abroad.get("/v1/audit/events")).headers["ratelimit-policy"]), /"organisation";q=5000;w=60/);
        const rotated = ok(await own.api.post(`/v1/api-keys/${id}/rotate`, { overlap_seconds: 0 }), 200);
        refused(await own.api.as(secret).get("/v1/audit/events"), "unauthenticated");
        app.clock.advance(REVOCATION_BOUND_MS);
        refused(await abroad.get("/v1/audit/events"), "unauthenticated");
        ok(await other.anonymous.as(rotated.secret).get("/v1/audit/events"), 200);
      } finally {
        await other.close();
      }
    });
  });
}
