import assert from "node:assert/strict";
import { test } from "node:test";
import type { OperatorId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import { KEY, createTestServer } from "./testing.ts";

const keyed = { "x-api-key": KEY };
const code = (reply: { json: <T>() => T }): string => reply.json<{ code: string }>().code;

test("a session's cookie is taken where there is no key, for changes from this very origin only", async () => {
  const asked: string[] = [];
  const own = createTestServer();
  const { apiKeyId: _none, ...who } = own.principal;
  const operatorId = "opr_01M82BHM94EKAVVN1J472JCKY4" as OperatorId;
  const { app } = createTestServer({
    sessions: {
      cookie: "__Host-session",
      authenticate: (token) => {
        asked.push(token);
        return token === "good" ? { ...who, apiKeyId: null, operatorId, personId: operatorId } : refuse("unauthenticated");
      },
    },
  });
  const cookie = "theme=dark; __Host-session=good";
  const read = (headers: Record<string, string>) => app.inject({ url: "/v1/payments", headers });
  assert.equal((await read({ cookie })).statusCode, 200);
  for (const other of ["__Host-session=bad", "__Host-session2=good", "x__Host-session=good", `x=${"y".repeat(9_000)}; ${cookie}`, ""])
    assert.equal((await read({ cookie: other })).statusCode, 401, other.slice(0, 40));
  assert.deepEqual(asked, ["good", "bad"]);
  assert.equal(code(await read({ cookie, ...keyed })), "two_credentials");
  assert.equal((await read({ cookie: "theme=dark", ...keyed })).statusCode, 200);

  const change = (headers: Record<string, string>) =>
    app.inject({ method: "POST", url: "/v1/echo", headers: { cookie, host: "bank.example", ...headers }, payload: { amount: 1 } });
  const here: Record<string, string>[] = [
    { "sec-fetch-site": "same-origin" },
    { "sec-fetch-site": "same-origin", origin: "https://evil.example" },
    { origin: "https://bank.example" },
    { origin: "http://bank.example" },
  ];
  for (const headers of here) assert.equal((await change(headers)).statusCode, 200, JSON.stringify(headers));
  const elsewhere: Record<string, string>[] = [
    {},
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site", origin: "https://bank.example" },
    { "sec-fetch-site": "none" },
    { "sec-fetch-site": "" },
    { origin: "https://bank.example:8443" },
    { origin: "https://bank.example.evil.example" },
    { origin: "null" },
    { origin: "" },
  ];
  for (const headers of elsewhere) assert.equal(code(await change(headers)), "cross_site_request", JSON.stringify(headers));
  assert.match((await change({})).json<{ detail: string }>().detail, /`Origin`/);
  // No cookie, no browser: a key is not sent by itself.
  assert.equal((await change({ cookie: "", ...keyed, "sec-fetch-site": "cross-site" })).statusCode, 200);
  await app.close();
  await own.app.close();
});

test("made-up sessions are counted against their address as made-up keys are, and ended ones are not", async () => {
  const noted: string[] = [];
  let wait = 0;
  const { app } = createTestServer({
    sessions: {
      cookie: "session",
      authenticate: (token) => (token === "ended" ? { ...refuse("unauthenticated"), ended: true } : refuse("unauthenticated")),
    },
    failures: { waitSeconds: () => wait, note: (ip) => void noted.push(ip) },
  });
  const ask = async (cookie: string) => code(await app.inject({ url: "/v1/payments", headers: { cookie } }));
  assert.equal(await ask("session=ended"), "unauthenticated");
  assert.equal(await ask("theme=dark"), "unauthenticated");
  assert.deepEqual(noted, []);
  assert.equal(await ask("session=made-up"), "unauthenticated");
  assert.equal(noted.length, 1);
  wait = 7;
  assert.equal(await ask("session=made-up"), "too_many_failures");
  await app.close();
});

test("what is for operators alone takes no key, and a session without its second factor only where it says so", async () => {
  const operatorId = "opr_01M82BHM94EKAVVN1J472JCKY4" as OperatorId;
  const own = createTestServer();
  const half: { unfinished?: string } = {};
  const { app } = createTestServer({
    sessions: {
      cookie: "session",
      authenticate: () => ({
        ...own.principal,
        apiKeyId: null,
        operatorId,
        personId: operatorId,
        ...half,
      }),
    },
  });
  app.get("/v1/me", { config: { access: "session", scope: null }, schema: { operationId: "me" } }, () => ({}));
  app.get("/v1/prove", { config: { access: "session", scope: null, unfinished: true }, schema: { operationId: "prove" } }, () => ({}));
  const wrong = { access: "key", scope: "users:read", unfinished: true } as const;
  assert.throws(() => app.get("/v1/wrong", { config: wrong, schema: { operationId: "wrong" } }, () => ({})), /not finished/);
  const ask = async (url: string, headers: Record<string, string>) => code(await app.inject({ url, headers })) ?? "ok";
  const cookie = "session=x";
  for (const url of ["/v1/me", "/v1/prove"]) {
    assert.equal(await ask(url, keyed), "session_required");
    assert.equal(await ask(url, {}), "unauthenticated");
    assert.equal(await ask(url, { cookie }), "ok");
  }
  half.unfinished = "Enrol a factor.";
  assert.equal((await app.inject({ url: "/v1/me", headers: { cookie } })).json<{ detail: string }>().detail, half.unfinished);
  assert.equal(await ask("/v1/me", { cookie }), "second_factor_required");
  assert.equal(await ask("/v1/payments", { cookie }), "second_factor_required");
  assert.equal(await ask("/v1/prove", { cookie }), "ok");
  await app.close();
  await own.app.close();
});
