import assert from "node:assert/strict";
import { test } from "node:test";
import { InvariantError } from "#kernel/assert.ts";
import type { ProblemCode } from "#kernel/problems.ts";
import { problems } from "#kernel/problems.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { MAX_CURSOR_LENGTH } from "./page-query.ts";
import { KEY, createTestServer } from "./testing.ts";

const json = { "content-type": "application/json", "x-api-key": KEY };
const keyed = { "x-api-key": KEY };
interface Request {
  readonly method: "GET" | "HEAD" | "OPTIONS" | "POST" | "PUT";
  readonly url: string;
  readonly headers?: Record<string, string>;
  readonly payload?: string | Buffer;
}

const post = (payload: string | Buffer, headers: Record<string, string> = {}, url = "/v1/echo"): Request => ({
  method: "POST",
  url,
  headers: { ...json, ...headers },
  payload,
});

/** One request for every problem this room answers by itself, and the param it must name. */
const refusals: readonly (readonly [string, Request, ProblemCode, string?])[] = [
  ["no JSON", post("{"), "invalid_json"],
  ["trailing text", post('{"amount":1}}'), "invalid_json"],
  ["not UTF-8", post(Buffer.from([0x22, 0xff, 0x22])), "invalid_encoding"],
  ["byte order mark", post("\ufeff{}"), "invalid_encoding"],
  ["compressed body", post("{}", { "content-encoding": "gzip" }), "unsupported_media_type"],
  ["form body", post("a=1", { "content-type": "application/x-www-form-urlencoded" }), "unsupported_media_type"],
  ["text body", post("{}", { "content-type": "text/plain" }), "unsupported_media_type"],
  ["nonsense content type", post("{}", { "content-type": "nonsense" }), "unsupported_media_type"],
  ["body too large", post(`{"amount":1}${" ".repeat(1024 * 1024)}`), "body_too_large"],
  ["body far too large", post(" ".repeat(5 * 1024 * 1024)), "body_too_large"],
  ["too deep", post(`{"nested":${"[".repeat(40)}${"]".repeat(40)}}`), "too_deep", `nested${".0".repeat(31)}`],
  ["duplicate field", post('{"amount":1,"amount":2}'), "duplicate_field", "amount"],
  ["inexact number", post('{"amount":9007199254740993}'), "number_out_of_range", "amount"],
  ["prototype field", post('{"amount":1,"__proto__":{}}'), "unknown_field", "__proto__"],
  ["number as string is not coerced", post('{"amount":"1"}'), "invalid_request", "amount"],
  ["string as number is not coerced", post('{"amount":1,"kind":1}'), "invalid_request", "kind"],
  ["not one of", post('{"amount":1,"kind":"c"}'), "invalid_request", "kind"],
  ["unknown field is not dropped", post('{"amount":1,"extra":1}'), "unknown_field", "extra"],
  ["unknown field in a list", post('{"amount":1,"items":[{"amount":1},{"amount":1,"x":1}]}'), "unknown_field", "items.1.x"],
  ["missing field", post("{}"), "missing_field", "amount"],
  ["missing field in a list", post('{"amount":1,"items":[{}]}'), "missing_field", "items.0.amount"],
  ["invalid field in a list", post('{"amount":1,"items":[{"amount":1,"note":"too long"}]}'), "invalid_request", "items.0.note"],
  ["the meant branch of a choice", post('{"amount":1,"choice":{"deep":{"n":"x"}}}'), "invalid_request", "choice.deep.n"],
  ["no branch of a choice", post('{"amount":1,"choice":3}'), "invalid_request", "choice"],
  ["null body", post("null"), "invalid_request"],
  ["no body", { method: "POST", url: "/v1/echo", headers: keyed }, "missing_field"],
  ["empty body", post(""), "missing_field"],
  ["field of an operation without body", post('{"x":1}', { "idempotency-key": "k" }, "/v1/payments/1/close"), "unknown_field", "x"],
  ["list to an operation without body", post("[]", { "idempotency-key": "k" }, "/v1/payments/1/close"), "invalid_request"],
  ["no idempotency key", post('{"amount":1}', {}, "/v1/payments/1"), "idempotency_key_missing"],
  ["bad idempotency key", post('{"amount":1}', { "idempotency-key": "with space" }, "/v1/payments/1"), "idempotency_key_invalid"],
  ["no key", { method: "GET", url: "/v1/payments" }, "unauthenticated"],
  ["wrong key", { method: "GET", url: "/v1/payments", headers: { "x-api-key": "nope" } }, "unauthenticated"],
  ["key in query", { method: "GET", url: `/v1/payments?api_key=${KEY}` }, "key_in_query"],
  ["key in query of no route", { method: "GET", url: `/nowhere?X-API-Key=${KEY}` }, "key_in_query"],
  ["unknown query parameter", { method: "GET", url: "/v1/payments?x=1", headers: keyed }, "unknown_field", "x"],
  ["query of a route without", { method: "GET", url: "/v1/payments/1?x=1", headers: keyed }, "unknown_field", "x"],
  ["query parameter twice", { method: "GET", url: "/v1/payments?limit=1&limit=2", headers: keyed }, "invalid_request", "limit"],
  ["limit 0", { method: "GET", url: "/v1/payments?limit=0", headers: keyed }, "invalid_request", "limit"],
  ["limit 101", { method: "GET", url: "/v1/payments?limit=101", headers: keyed }, "invalid_request", "limit"],
  ["limit 1e1", { method: "GET", url: "/v1/payments?limit=1e1", headers: keyed }, "invalid_request", "limit"],
  ["empty cursor", { method: "GET", url: "/v1/payments?cursor=", headers: keyed }, "invalid_request", "cursor"],
  [
    "long cursor",
    { method: "GET", url: `/v1/payments?cursor=${"x".repeat(MAX_CURSOR_LENGTH + 1)}`, headers: keyed },
    "invalid_request",
    "cursor",
  ],
  ["long path", { method: "GET", url: `/v1/payments?cursor=${"x".repeat(8200)}`, headers: keyed }, "uri_too_long"],
  ["long path parameter", { method: "GET", url: `/v1/payments/${"x".repeat(101)}`, headers: keyed }, "uri_too_long"],
  ["bad percent-encoding", { method: "GET", url: "/v1/payments/%zz", headers: keyed }, "invalid_request"],
  ["no route", { method: "GET", url: "/v1/nope", headers: keyed }, "not_found"],
  ["no route, body not read", post("{", {}, "/v1/nope"), "not_found"],
  ["no method", { method: "PUT", url: "/v1/payments/1", headers: keyed }, "method_not_allowed"],
  ["no HEAD", { method: "HEAD", url: "/v1/payments/1", headers: keyed }, "method_not_allowed"],
  ["OPTIONS", { method: "OPTIONS", url: "/v1/payments/1" }, "method_not_allowed"],
  ["exception", { method: "GET", url: "/v1/whoami" }, "internal_error"],
];

test("ERR-01 every refusal is a complete problem with its code, place and headers", async (t) => {
  const { app } = createTestServer();
  for (const [name, request, code, param] of refusals) {
    await t.test(`${name}: ${code}`, async () => {
      const reply = await app.inject(request);
      const { status, title } = problems[code];
      assert.equal(reply.statusCode, status);
      assert.equal(reply.headers["content-type"], "application/problem+json; charset=utf-8");
      assert.equal(reply.headers["x-content-type-options"], "nosniff");
      assert.equal(reply.headers["cache-control"], "no-store");
      if (request.method === "HEAD") return;
      const body = reply.json<Record<string, unknown>>();
      const { detail, ...rest } = body;
      const expected = { type: `urn:smartfinance:problem:${code}`, title, status, code, request_id: reply.headers["x-request-id"] };
      assert.deepEqual(rest, param === undefined ? expected : { ...expected, param });
      assert.ok(detail === undefined || typeof detail === "string");
      assert.match(String(body.request_id), /^req_[0-9A-Z]{26}$/);
    });
  }
  await app.close();
});

test("ERR-01 405 names the methods there are; 401 challenges", async () => {
  const { app } = createTestServer();
  assert.equal((await app.inject({ method: "DELETE", url: "/v1/payments/1" })).headers.allow, "GET, POST");
  assert.equal((await app.inject({ method: "POST", url: "/healthz" })).headers.allow, "GET, HEAD");
  assert.equal((await app.inject("/v1/payments")).headers["www-authenticate"], 'ApiKey header="X-API-Key"');
  await app.close();
});

test("ERR-01 an exception says nothing to the client and everything to the log", async () => {
  const { app, lines } = createTestServer({
    authenticate: () => {
      throw Object.assign(new Error("secret 4711"), { item: "4712" });
    },
  });
  const reply = await app.inject({ method: "GET", url: "/v1/payments", headers: keyed });
  assert.equal(reply.statusCode, 500);
  assert.doesNotMatch(reply.body, /4711|Error|at /);
  const line = lines.find((one) => one.msg === "request failed");
  assert.equal(line?.request_id, reply.headers["x-request-id"]);
  assert.match(JSON.stringify(line), /secret 4711/);
  assert.doesNotMatch(JSON.stringify(line), /4712/, "properties of errors are not logged");
  await app.close();
});

test("a store that cannot answer is 503 with Retry-After, also from an asynchronous authenticator", async () => {
  const { app } = createTestServer({ authenticate: () => Promise.reject(new StoreUnavailableError("down")) });
  const reply = await app.inject({ method: "GET", url: "/v1/payments", headers: keyed });
  assert.equal(reply.statusCode, 503);
  assert.equal(reply.headers["retry-after"], "1");
  assert.equal(reply.json<{ code: string }>().code, "store_unavailable");
  await app.close();
});

test("a route that does not say how it is guarded, or what it is called, stops the start", async () => {
  const { app } = createTestServer();
  assert.throws(() => app.get("/v1/open", () => ({})), InvariantError);
  assert.throws(() => app.get("/v1/open", { schema: { operationId: "open" } }, () => ({})), InvariantError);
  assert.throws(() => app.get("/v1/open", { config: { access: "key", scope: "users:read" } }, () => ({})), InvariantError);
  assert.throws(
    () => app.get("/v1/open", { config: { access: "public", scope: null, sensitive: true }, schema: { operationId: "open" } }, () => ({})),
    InvariantError,
  );
  assert.throws(
    () => app.get("/v1/open", { config: { access: "key", scope: "accounts:read" }, schema: { operationId: "echo" } }, () => ({})),
    InvariantError,
  );
  await app.close();
});

test("timeouts that Node would not enforce stop the start", () => {
  assert.throws(() => createTestServer({ limits: { headersTimeoutMs: 5_000, requestTimeoutMs: 5_000 } }), InvariantError);
});
