import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MAX_TOLD_PER_MINUTE } from "#access/index.ts";
import type { Fault, Operation } from "#storage/memory/memory-store.ts";
import type { TestApp } from "../support/app.ts";
import { startApp } from "../support/app.ts";
import type { Answer } from "../support/http-client.ts";
import { freshKey, ok, rawConnection, refused } from "../support/http-client.ts";
import { readDocument } from "./document.ts";
import { everyPage } from "./stage.ts";

const POLLS_MAX = 200;
const OFFICE = "203.0.113.7";
const UNKNOWN = "01J0000000000000000000000B";

async function withApp(options: Partial<Parameters<typeof startApp>[0]>, work: (app: TestApp) => Promise<void>): Promise<void> {
  const app = await startApp({ store: "memory", ...options });
  try {
    await work(app);
  } finally {
    await app.close();
  }
}

describe("limits", () => {
  it("RL-01 an address with 20 bad keys in a minute is turned away unseen, good keys included, and no other address", async () => {
    await withApp({ authFailuresPerMinute: 20, trustedProxyHops: 1 }, async (app) => {
      const own = await app.newOrganisation();
      const from = (ip: string, key: string | null = own.apiKey) =>
        own.api.get("/v1/users", { key, headers: { "x-forwarded-for": `192.0.2.9, ${ip}` } });
      ok(await from(OFFICE), 200);
      // Without a key nothing is tried, so nothing is counted.
      for (let n = 0; n < 30; n++) refused(await from(OFFICE, null), "unauthenticated");
      for (let n = 0; n < 20; n++) refused(await from(OFFICE, `${own.apiKey.slice(0, -1)}!`), "unauthenticated");
      const turned = await from(OFFICE);
      refused(turned, "too_many_failures");
      const wait = Number(turned.headers["retry-after"]);
      assert.ok(wait >= 55 && wait <= 60);
      ok(await from("203.0.113.8"), 200);
      refused(await from(OFFICE, null), "too_many_failures");
      ok(await app.anonymous.get("/healthz"), 200);
      app.clock.advance(wait * 1000);
      ok(await from(OFFICE), 200);
      // A whole /64 is one customer.
      for (let n = 0; n < 20; n++) refused(await from(`2001:db8::${n.toString(16)}`, "nonsense"), "unauthenticated");
      refused(await from("2001:db8::ffff:1"), "too_many_failures");
      ok(await from("2001:db8:0:1::1"), 200);
    });
  });

  it("RL-01 a client at 50 times its limit is refused unread, and another meanwhile loses nothing", async () => {
    let commits = 0;
    const faults = (operation: Operation): Fault => {
      if (operation === "commit") commits += 1;
      return { kind: "none" };
    };
    await withApp({ memory: { faults } }, async (app) => {
      const own = await app.newOrganisation();
      const { secret } = ok(await own.api.post("/v1/api-keys", { name: "Flood", rate_limit_per_minute: 20 }), 201);
      const other = await app.newOrganisation();
      const payer = await other.account({ balance: 10_000 });
      const payee = await other.account();
      const flood = own.api.as(secret);
      commits = 0;
      const body = JSON.stringify({ type: "personal", name: "x".repeat(2_000) });
      const flooded: Promise<Answer>[] = [];
      const served: Promise<Answer>[] = [];
      for (let n = 0; n < 1_000; n++) {
        flooded.push(flood.send("POST", "/v1/users", body));
        if (n % 10 === 0) served.push(other.transfer(payer, payee, 1));
      }
      for (const answer of await Promise.all(served)) ok(answer, 201);
      const answers = await Promise.all(flooded);
      const refusals = answers.filter(({ status }) => status === 429);
      assert.equal(refusals.length, 980, "a name of 2,000 letters is refused too, but after it was drawn from the quota");
      for (const answer of refusals) refused(answer, "rate_limited");
      assert.equal(await other.balance(payee), 100);
      assert.ok(commits > 0 && commits <= 100, "the flood reached the store");

      // The body is not waited for, let alone read: the answer comes though not a byte of it was sent.
      const raw = rawConnection(app.url);
      raw.write(
        `POST /v1/users HTTP/1.1\r\nHost: a\r\nX-API-Key: ${secret}\r\nIdempotency-Key: ${freshKey()}\r\n` +
          "Content-Type: application/json\r\nContent-Length: 900000\r\n\r\n",
      );
      assert.match(await raw.until(/rate_limited/), /^HTTP\/1\.1 429 /);
      raw.destroy();
    });
  });

  it("RL-01 dear operations draw more: lists 2, a batch 20", async () => {
    await withApp({}, async (app) => {
      const own = await app.newOrganisation();
      const payer = await own.account({ balance: 100 });
      const payee = await own.account();
      const { secret } = ok(await own.api.post("/v1/api-keys", { name: "Till" }), 201);
      const api = own.api.as(secret);
      const left = (answer: Answer): number => Number(/"default";r=(\d+)/.exec(String(answer.headers["ratelimit"]))?.[1]);
      assert.equal(left(await api.get(`/v1/accounts/${payer}`)), 99);
      assert.equal(left(await api.get("/v1/accounts")), 97);
      const transfer = { from_account_id: payer, to_account_id: payee, amount: 1, currency: "EUR" };
      assert.equal(left(await api.post("/v1/transfers/batch", { mode: "atomic", transfers: [transfer] })), 77);
      assert.equal(left(await api.post("/v1/transfers", transfer)), 76);
    });
  });

  it("RL-01 nodes share a quota: together they grant no more than it", async () => {
    await withApp({ nodes: 2 }, async (app) => {
      const other = await startApp({ store: "memory", nodes: 2, besides: app });
      try {
        const own = await app.newOrganisation();
        const { id, secret } = ok(await own.api.post("/v1/api-keys", { name: "Both", rate_limit_per_minute: 30 }), 201);
        const path = `/v1/api-keys/${id}`;
        const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => (n % 2 === 0 ? app : other).anonymous.as(secret).get(path)));
        assert.equal(answers.filter(({ status }) => status === 200).length, 30);
        assert.match(String(answers[0]?.headers["ratelimit-policy"]), /"default";q=15;w=60/);
      } finally {
        await other.close();
      }
    });
  });
});

describe("the organisation's allow-list", () => {
  let app: TestApp;
  before(async () => {
    app = await startApp({ store: "memory", trustedProxyHops: 1 });
  });
  after(() => app.close());

  const eventsOf = async (organisation: Awaited<ReturnType<TestApp["newOrganisation"]>>, type: string, atLeast: number) => {
    const inside = organisation.api;
    const fetch = () => inside.get(`/v1/audit/events?limit=100&event_type=${type}`, { headers: { "x-forwarded-for": OFFICE } });
    let events = ok(await fetch(), 200).data;
    for (let poll = 0; poll < POLLS_MAX && events.length < atLeast; poll++) {
      await sleep(5);
      events = ok(await fetch(), 200).data;
    }
    return events;
  };
  const fence = async () => {
    const own = await app.newOrganisation();
    const inside = { headers: { "x-forwarded-for": OFFICE } };
    ok(await own.api.patch("/v1/organisation", { ip_allowlist: ["203.0.113.0/24", "2001:db8::/32"] }, inside), 200);
    return own;
  };

  it("IP-01 refuses every operation from elsewhere before anything else is looked at, and draws no quota for it", async () => {
    const own = await fence();
    const document = await readDocument();
    let tried = 0;
    for (const { method, path, isPublic, operationId } of document.operations) {
      const place = path.replace("{id}", `acc_${UNKNOWN}`);
      const answer = await own.api.send(method, place, method === "GET" ? undefined : "{", { idempotencyKey: null });
      if (isPublic) continue;
      refused(answer, "ip_not_allowed");
      assert.equal(answer.headers["ratelimit"], undefined, operationId);
      tried += 1;
    }
    assert.ok(tried > 35);
    const inside = await own.api.get("/v1/users", { headers: { "x-forwarded-for": OFFICE } });
    assert.match(String(inside.headers["ratelimit"]), /"default";r=9999997;/, "the change before and this list are all that was drawn");
  });

  it("IP-01 goes by what the trusted proxy wrote, whatever the client wrote before it", async () => {
    const own = await fence();
    const from = (forwarded: string | undefined) => own.api.get("/v1/users", { headers: { "x-forwarded-for": forwarded } });
    for (const good of [OFFICE, `198.51.100.1, ${OFFICE}`, "::ffff:203.0.113.9", "2001:db8::7", `nonsense, ${OFFICE}`])
      ok(await from(good), 200);
    for (const bad of [
      undefined,
      "",
      "198.51.100.1",
      `${OFFICE}, 198.51.100.1`,
      `${OFFICE}, nonsense`,
      "::ffff:198.51.100.1",
      "2001:db9::1",
      OFFICE.repeat(2),
    ])
      refused(await from(bad), "ip_not_allowed");
  });

  it("IP-01 leaves a security event for a refused call, but no flood of them", async () => {
    const own = await fence();
    const flood = 5 * MAX_TOLD_PER_MINUTE;
    const answers = await Promise.all(Array.from({ length: flood }, () => own.api.get("/v1/users")));
    for (const answer of answers) refused(answer, "ip_not_allowed");
    const told = await eventsOf(own, "access.ip_refused", MAX_TOLD_PER_MINUTE);
    assert.equal(told.length, MAX_TOLD_PER_MINUTE);
    for (const event of told) {
      assert.deepEqual(event["details"], { operation: "GET /v1/users", allowlist: "organisation" });
      assert.deepEqual([event["object_id"], event["ip_address"]], [own.apiKeyId, "127.0.0.1"]);
    }
    app.clock.advance(60_000);
    await app.app.maintain();
    const [summary, ...more] = await eventsOf(own, "access.refusals_coalesced", 1);
    assert.equal(more.length, 0);
    const details = summary?.["details"] as { refusals: Record<string, number> };
    assert.deepEqual(details.refusals, { ip_not_allowed: flood - MAX_TOLD_PER_MINUTE });
    assert.equal((await eventsOf(own, "access.ip_refused", MAX_TOLD_PER_MINUTE)).length, MAX_TOLD_PER_MINUTE);
  });

  it("IP-01 is lifted by an empty list, from inside only", async () => {
    const own = await fence();
    refused(await own.api.patch("/v1/organisation", { ip_allowlist: [] }), "ip_not_allowed");
    ok(await own.api.patch("/v1/organisation", { ip_allowlist: [] }, { headers: { "x-forwarded-for": OFFICE } }), 200);
    ok(await own.api.get("/v1/users"), 200);
    assert.ok((await everyPage(own.api, "/v1/audit/events?event_type=organisation.updated", 10)).length === 2);
  });
});
