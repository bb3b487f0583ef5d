import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { refuse } from "#kernel/problems.ts";
import { KEY, createTestServer } from "./testing.ts";

const keyed = { "x-api-key": KEY };
const code = (reply: { json: <T>() => T }): string => reply.json<{ code: string }>().code;

test("the caller is who the key says, from where the socket says", async () => {
  const { app, principal } = createTestServer();
  const reply = await app.inject({
    method: "POST",
    url: "/v1/echo",
    headers: { ...keyed, "x-forwarded-for": "6.6.6.6", "user-agent": "u".repeat(500), "x-request-id": "mine" },
    payload: { amount: 1 },
  });
  assert.equal(reply.statusCode, 200);
  assert.deepEqual(reply.json(), {
    got: { amount: 1 },
    // A set has no members that JSON would show.
    caller: {
      principal: { ...principal, scopes: {} },
      ip: "127.0.0.1",
      userAgent: "u".repeat(256),
      requestId: reply.headers["x-request-id"],
    },
  });
  assert.notEqual(reply.headers["x-request-id"], "mine");
  await app.close();
});

test("an asynchronous authenticator may admit and refuse", async () => {
  const { app } = createTestServer({ authenticate: (key) => Promise.resolve(key === KEY ? testPrincipal : refuse("unauthenticated")) });
  const testPrincipal = createTestServer().principal;
  assert.equal((await app.inject({ url: "/v1/payments", headers: keyed })).statusCode, 200);
  assert.equal((await app.inject({ url: "/v1/payments", headers: { "x-api-key": "no" } })).statusCode, 401);
  await app.close();
});

test("an exception behind an asynchronous authenticator is a 500, not a lost request", async () => {
  const { app, principal } = createTestServer({
    authenticate: () => Promise.resolve(principal),
    takeQuota: () => {
      throw new Error("limiter broke");
    },
  });
  const reply = await app.inject({ url: "/v1/payments", headers: keyed });
  assert.deepEqual([reply.statusCode, code(reply)], [500, "internal_error"]);
  await app.close();
});

test("every authenticated answer tells the quota; a used-up one is 429 before the body is looked at", async () => {
  let allowed = true;
  const { app } = createTestServer({ takeQuota: () => ({ allowed, policy: '"p";q=1;w=60', limit: '"p";r=0;t=9', retryAfterSeconds: 9 }) });
  const request = { method: "POST", url: "/v1/echo", headers: { ...keyed, "content-type": "application/json" }, payload: "{" } as const;
  const bad = await app.inject(request);
  assert.deepEqual([bad.statusCode, bad.headers["ratelimit-policy"], bad.headers.ratelimit], [400, '"p";q=1;w=60', '"p";r=0;t=9']);
  assert.equal(bad.headers["retry-after"], undefined);
  allowed = false;
  const limited = await app.inject(request);
  assert.deepEqual([limited.statusCode, code(limited), limited.headers["retry-after"]], [429, "rate_limited", "9"]);
  assert.equal(limited.headers.ratelimit, '"p";r=0;t=9');
  await app.close();
});

test("an unauthenticated request draws no quota", async () => {
  let drawn = 0;
  const { app } = createTestServer({
    takeQuota: () => {
      drawn += 1;
      return { allowed: true, policy: "p", limit: "l", retryAfterSeconds: 0 };
    },
  });
  await app.inject("/v1/payments");
  await app.inject("/v1/public");
  assert.equal(drawn, 0);
  await app.inject({ url: "/v1/payments", headers: keyed });
  assert.equal(drawn, 1);
  await app.close();
});

test("IP-01 allow-lists are asked before the quota is drawn; refusals are reported with whose list it was", async () => {
  const asked: [string, boolean][] = [];
  let drawn = 0;
  const { app, securityEvents, principal } = createTestServer({
    trustedProxyHops: 1,
    refusesIp: (_principal, ip, sensitive) => {
      asked.push([ip, sensitive]);
      if (ip === "10.0.0.9") return "organisation";
      return sensitive && ip !== "10.0.0.1" ? "key" : undefined;
    },
    takeQuota: () => {
      drawn += 1;
      return { allowed: true, policy: "p", limit: "l", retryAfterSeconds: 0 };
    },
  });
  const close = (headers: Record<string, string>) =>
    app.inject({ method: "POST", url: "/v1/payments/1/close", headers: { "idempotency-key": "k", ...headers } });
  assert.equal((await close({ ...keyed, "x-forwarded-for": "10.0.0.1" })).statusCode, 200);
  assert.equal(drawn, 1);
  const refused = await close({ ...keyed, "x-forwarded-for": "10.0.0.1, 10.0.0.2" });
  assert.deepEqual([refused.statusCode, code(refused), refused.headers.ratelimit], [403, "ip_not_allowed", undefined]);
  assert.equal((await close({ "x-api-key": "no", "x-forwarded-for": "10.0.0.3" })).statusCode, 401);
  const list = (ip: string) => app.inject({ url: "/v1/payments", headers: { ...keyed, "x-forwarded-for": ip } });
  assert.equal((await list("10.0.0.2")).statusCode, 200);
  const outside = await list("10.0.0.9");
  assert.deepEqual([outside.statusCode, code(outside)], [403, "ip_not_allowed"]);
  await app.inject("/v1/payments");
  assert.equal(drawn, 2);
  assert.deepEqual(asked, [
    ["10.0.0.1", true],
    ["10.0.0.2", true],
    ["10.0.0.2", false],
    ["10.0.0.9", false],
  ]);
  const operation = "POST /v1/payments/:id/close";
  assert.deepEqual(
    securityEvents.map((event) => ({ ...event, requestId: "" })),
    [
      { code: "ip_not_allowed", allowlist: "key", principal, ip: "10.0.0.2", operation, requestId: "" },
      { code: "unauthenticated", principal: undefined, ip: "10.0.0.3", operation, requestId: "" },
      { code: "ip_not_allowed", allowlist: "organisation", principal, ip: "10.0.0.9", operation: "GET /v1/payments", requestId: "" },
    ],
  );
  assert.equal(securityEvents[0]?.requestId, refused.headers["x-request-id"]);
  await app.close();
});

test("AUTHZ-03 a key without the scope is refused before its body is looked at; sensitive calls are reported", async () => {
  const { app, securityEvents, principal } = createTestServer({
    authenticate: () => ({ ...principal, scopes: new Set(["transactions:read"]) }),
  });
  const bad = { method: "POST", headers: { ...keyed, "content-type": "application/json" }, payload: "{" } as const;
  for (const url of ["/v1/echo", "/v1/payments/1", "/v1/payments/1/close"]) {
    const reply = await app.inject({ ...bad, url });
    assert.deepEqual([reply.statusCode, code(reply)], [403, "insufficient_scope"], url);
    assert.match(reply.json<{ detail: string }>().detail, /transfers:write/);
    assert.notEqual(reply.headers.ratelimit, undefined, "a refused call draws its quota, so that it can be made to end");
  }
  assert.equal((await app.inject({ url: "/v1/payments", headers: keyed })).statusCode, 200);
  assert.deepEqual(
    securityEvents.map(({ code, scope, operation }) => [code, scope, operation]),
    [["insufficient_scope", "transfers:write", "POST /v1/payments/:id/close"]],
  );
  await app.close();
});

test("a route draws what it costs", async () => {
  const costs: number[] = [];
  const { app } = createTestServer({
    takeQuota: (_principal, cost) => {
      costs.push(cost);
      return { allowed: true, policy: "p", limit: "l", retryAfterSeconds: 0 };
    },
  });
  app.get("/v1/dear", { config: { access: "key", scope: "transactions:read", cost: 7 }, schema: { operationId: "dear" } }, () => ({}));
  await app.inject({ url: "/v1/dear", headers: keyed });
  await app.inject({ url: "/v1/payments", headers: keyed });
  assert.deepEqual(costs, [7, 1]);
  await app.close();
});

test("a route without a scope of the table, or a public one with a scope, stops the start", async () => {
  const { app } = createTestServer();
  const route = (config: object) => () =>
    app.get("/v1/wrong", { config: config as { access: "key"; scope: null }, schema: { operationId: "wrong" } }, () => ({}));
  assert.throws(route({ access: "key" }), /scope/);
  assert.throws(route({ access: "key", scope: null }), /scope/);
  assert.throws(route({ access: "key", scope: "everything" }), /scope/);
  assert.throws(route({ access: "key", scope: "toString" }), /scope/);
  assert.throws(route({ access: "public" }), /scope/);
  assert.throws(route({ access: "public", scope: "users:read" }), /scope/);
  assert.throws(route({ access: "key", scope: "users:read", cost: 0 }), /cost/);
  await app.close();
});

test("RL-01 an address with too many bad keys is turned away before its key is looked at; a missing or ended one is no failure", async () => {
  const noted: string[] = [];
  let authenticated = 0;
  const { app, principal } = createTestServer({
    authenticate: (key) => {
      authenticated += 1;
      return key === KEY ? principal : { ...refuse("unauthenticated"), ...(key === "ended" ? { ended: true } : {}) };
    },
    failures: { note: (ip) => void noted.push(ip), waitSeconds: () => (noted.length < 2 ? 0 : 17) },
  });
  const ask = (headers: Record<string, string>) => app.inject({ url: "/v1/payments", headers });
  assert.equal((await ask({})).statusCode, 401);
  assert.equal((await ask(keyed)).statusCode, 200);
  assert.equal((await ask({ "x-api-key": "ended" })).statusCode, 401);
  assert.deepEqual(noted, []);
  assert.equal((await ask({ "x-api-key": "no" })).statusCode, 401);
  assert.equal((await ask({ "x-api-key": "no" })).statusCode, 401);
  assert.deepEqual(noted, ["127.0.0.1", "127.0.0.1"]);
  const before = authenticated;
  const turned = await ask(keyed);
  assert.deepEqual([turned.statusCode, code(turned), turned.headers["retry-after"]], [429, "too_many_failures", "17"]);
  assert.equal(authenticated, before);
  assert.equal((await app.inject("/v1/public")).statusCode, 200);
  await app.close();
});

test("an overloaded server refuses before it authenticates, but not its public routes", async () => {
  let authenticated = 0;
  const { app } = createTestServer({
    overloaded: () => true,
    authenticate: () => {
      authenticated += 1;
      return refuse("unauthenticated");
    },
  });
  const reply = await app.inject({ url: "/v1/payments", headers: keyed });
  assert.deepEqual([reply.statusCode, code(reply), reply.headers["retry-after"]], [503, "overloaded", "1"]);
  assert.equal(authenticated, 0);
  assert.equal((await app.inject("/healthz")).statusCode, 200);
  await app.close();
});

test("idempotency: the id binds organisation and key, the fingerprint method, path and bytes", async () => {
  const { app, principal } = createTestServer();
  const pay = async (payload: string, key = "abc", url = "/v1/payments/1") => {
    const reply = await app.inject({
      method: "POST",
      url,
      headers: { ...keyed, "idempotency-key": key, "content-type": "application/json" },
      payload,
    });
    assert.equal(reply.statusCode, 201);
    return reply.json<{ id: string; fingerprint: string }>();
  };
  const first = await pay('{"amount":1}');
  const sha256 = (text: string) => createHash("sha256").update(text).digest();
  assert.equal(first.id, sha256(`${principal.organisationId}\nabc`).subarray(0, 16).toString("base64url"));
  assert.equal(first.id.length, 22);
  assert.equal(first.fingerprint, sha256('POST\n/v1/payments/1\n{"amount":1}').toString("base64url"));
  assert.deepEqual(await pay('{"amount":1}', '"abc"'), first, "the quoted form is the same key");
  assert.notEqual((await pay('{"amount":1}', "abd")).id, first.id);
  assert.notEqual((await pay('{"amount": 1}')).fingerprint, first.fingerprint);
  assert.notEqual((await pay('{"amount":1}', "abc", "/v1/payments/2")).fingerprint, first.fingerprint);
  await app.close();
});

test("idempotency: a request without a body has a fingerprint too", async () => {
  const { app } = createTestServer();
  const close = async (extra: object) => {
    const reply = await app.inject({
      method: "POST",
      url: "/v1/payments/1/close",
      headers: { ...keyed, "idempotency-key": "k" },
      ...extra,
    });
    return reply.json<{ fingerprint: string }>().fingerprint;
  };
  const bare = await close({});
  assert.equal(bare, createHash("sha256").update("POST\n/v1/payments/1/close\n").digest("base64url"));
  assert.notEqual(await close({ payload: {} }), bare);
  await app.close();
});

test("a body that may be absent is taken as an empty object", async () => {
  const { app } = createTestServer();
  const headers = { ...keyed, "idempotency-key": "k" };
  const got = async (extra: object) => (await app.inject({ method: "POST", url: "/v1/optional", headers, ...extra })).json<unknown>();
  assert.deepEqual(await got({}), { got: {} });
  assert.deepEqual(await got({ headers: { ...headers, "content-type": "application/json" }, payload: "" }), { got: {} });
  assert.deepEqual(await got({ payload: { reason: "x" } }), { got: { reason: "x" } });
  await app.close();
});

test("replays say so; stored problems keep their media type", async () => {
  const { app } = createTestServer();
  const pay = (amount: number) =>
    app.inject({ method: "POST", url: "/v1/payments/1", headers: { ...keyed, "idempotency-key": "k" }, payload: { amount } });
  assert.equal((await pay(1)).headers["idempotent-replayed"], undefined);
  const replayed = await pay(2);
  assert.equal(replayed.headers["idempotent-replayed"], "true");
  assert.equal(replayed.headers["content-type"], "application/json; charset=utf-8");
  await app.close();
});

test("pages: the limit is a number, 20 when absent; the cursor is opaque", async () => {
  const { app } = createTestServer();
  const page = async (query: string) => (await app.inject({ url: `/v1/payments${query}`, headers: keyed })).json<unknown>();
  assert.deepEqual(await page(""), { limit: 20 });
  assert.deepEqual(await page("?limit=100&cursor=a%20b"), { limit: 100, cursor: "a b" });
  assert.deepEqual(await page("?limit=1"), { limit: 1 });
  await app.close();
});

test("one access line a request, with ids and pattern, without anything a client wrote", async () => {
  const { app, lines, principal } = createTestServer();
  const reply = await app.inject({
    method: "GET",
    url: "/v1/payments/private-4711?secret_4712=1",
    headers: { ...keyed, "user-agent": "agent-4713", "x-request-id": "client-1", "x-other": "4714" },
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(lines.length, 1);
  const { time: _, duration_ms: duration, ...line } = lines[0] ?? {};
  assert.deepEqual(line, {
    level: 30,
    request_id: reply.headers["x-request-id"],
    method: "GET",
    route: "/v1/payments/:id",
    status: 400,
    organisation_id: principal.organisationId,
    api_key_id: principal.apiKeyId,
    client_request_id: "client-1",
    msg: "request",
  });
  assert.ok(typeof duration === "number" && duration >= 0);
  await app.inject({ url: "/v1/public", headers: { "x-request-id": "bad id\u00e9".repeat(20) } });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(lines[1]?.client_request_id, undefined);
  assert.equal(lines.length, 2);
  await app.close();
});

test("readiness is asked anew once its answer is old, and bounded; health is not asked", async () => {
  const answers = [() => Promise.resolve(), () => Promise.reject(new Error("down")), () => new Promise<void>(() => undefined)];
  let turn = 0;
  const { app } = createTestServer({
    ready: () => (answers[turn++] ?? (() => Promise.resolve()))(),
    limits: { readyMs: 20, readySharedMs: 0 },
  });
  const statuses: number[] = [];
  for (let i = 0; i < 4; i++) statuses.push((await app.inject("/readyz")).statusCode);
  assert.deepEqual(statuses, [200, 503, 503, 200]);
  assert.deepEqual((await app.inject("/healthz")).json(), { status: "ok" });
  assert.equal((await app.inject({ method: "HEAD", url: "/healthz" })).statusCode, 200);
  assert.equal(turn, 4);
  await app.close();
});

test("DOS-02: all who ask for readiness within a moment share one question, also while it is open", async () => {
  let asked = 0;
  let well = false;
  const { app } = createTestServer({
    ready: async () => {
      asked += 1;
      return well ? undefined : refuse("overloaded");
    },
    limits: { readySharedMs: 60_000 },
  });
  const read = async (): Promise<number> => (await app.inject("/readyz")).statusCode;
  assert.equal(await read(), 503);
  well = true;
  // The end of trouble is told at once, then kept for a while.
  for (const status of [...(await Promise.all(Array.from({ length: 20 }, read))), await read()]) assert.equal(status, 200);
  assert.equal(asked, 2);
  await app.close();
});
