import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { stop } from "#http/index.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { ProblemCode } from "#kernel/problems.ts";
import { problems } from "#kernel/problems.ts";
import type { Fault, Operation } from "#storage/memory/memory-store.ts";
import { accounts, MAX_RESERVATIONS } from "#ledger/index.ts";
import type { Organisation, TestApp } from "../support/app.ts";
import { movableClock, startApp } from "../support/app.ts";
import type { Answer } from "../support/http-client.ts";
import { freshKey, ok, rawConnection, refused } from "../support/http-client.ts";
import { HOUR_MS, suspect } from "./suspicious.ts";

/** Codes of the closed list that nothing answers yet. This list may only shrink. */
const NEVER_ANSWERED: readonly ProblemCode[] = [];

/** Commands that are waiting when requests are turned away (src/app.ts). */
const OVERLOADED_AT = 5_000;

const seen = new Set<ProblemCode>();

describe("ERR-01 every problem code", () => {
  let app: TestApp;
  let own: Organisation;
  let payer = "";
  let payee = "";
  let fault: (operation: Operation) => Fault = () => ({ kind: "none" });
  /** What delayed store operations wait for. */
  let gate = Promise.withResolvers<void>();

  before(async () => {
    const clock = { ...movableClock(), sleep: (ms: number) => (ms === GATED_MS ? gate.promise : sleep(0)) };
    app = await startApp({
      store: "memory",
      clock,
      memory: { faults: (operation) => fault(operation) },
      limits: { headersTimeoutMs: 150, requestTimeoutMs: 300, connectionsCheckMs: 30 },
    });
    own = await app.newOrganisation();
    payer = await own.account({ balance: 100_000 });
    payee = await own.account();
  });
  after(() => app.close());

  /** A delay that lasts until `gate` is opened. */
  const GATED_MS = 77;
  const openGate = (): void => {
    fault = () => ({ kind: "none" });
    gate.resolve();
    gate = Promise.withResolvers<void>();
  };

  function saw(answer: Answer, code: ProblemCode, param?: string): void {
    refused(answer, code, param);
    seen.add(code);
  }

  /** The same for what was answered on the wire. */
  function sawRaw(text: string, code: ProblemCode): void {
    const [head = "", body = ""] = text.split("\r\n\r\n");
    assert.ok(head.startsWith(`HTTP/1.1 ${problems[code].status} `), text);
    assert.match(head, /content-type: application\/problem\+json/i);
    const problem = JSON.parse(body.slice(body.indexOf("{"), body.lastIndexOf("}") + 1)) as { code: string; request_id: string };
    assert.equal(problem.code, code);
    assert.match(problem.request_id, /^req_/);
    assert.match(head, new RegExp(`x-request-id: ${problem.request_id}`, "i"));
    seen.add(code);
  }

  const post = (path: string, body?: unknown): Promise<Answer> => own.api.post(path, body);
  const money = (more: object = {}): object => ({ from_account_id: payer, to_account_id: payee, amount: 1, currency: "EUR", ...more });
  const hold = async (more: object = {}): Promise<string> => ok(await post("/v1/holds", money(more)), 201).id;

  it("of the request's text", async () => {
    const users = (text: string | Buffer): Promise<Answer> => own.api.send("POST", "/v1/users", text);
    saw(await users('{"name":'), "invalid_json");
    saw(await users(Buffer.from([0x22, 0xff, 0x22])), "invalid_encoding");
    saw(await users('{"name":7}'), "invalid_request", "name");
    saw(await users('{"name":"A","age":7}'), "unknown_field", "age");
    saw(await users("{}"), "missing_field", "name");
    saw(await users('{"name":"A","name":"B"}'), "duplicate_field", "name");
    saw(await users("[".repeat(40)), "too_deep");
    saw(await users('{"name":1e999}'), "number_out_of_range", "name");
    saw(await users(`{"name":"${"x".repeat(1 << 20)}"}`), "body_too_large");
    saw(await own.api.post("/v1/users", { name: "A" }, { headers: { "content-type": "text/xml" } }), "unsupported_media_type");
    saw(await own.api.get("/v1/users?cursor=nonsense"), "invalid_cursor", "cursor");
    saw(await own.api.get(`/v1/users?api_key=${own.apiKey}`), "key_in_query");
    saw(await own.api.get(`/v1/users?cursor=${"x".repeat(12_000)}`), "uri_too_long");
    saw(await own.api.get("/v1/nothing"), "not_found");
    saw(await own.api.send("DELETE", "/v1/users", undefined), "method_not_allowed");
  });

  it("of the wire", async () => {
    const large = rawConnection(app.url);
    large.write(`GET /healthz HTTP/1.1\r\nHost: a\r\nX-Filler: ${"x".repeat(40_000)}\r\n\r\n`);
    sawRaw(await large.ended, "headers_too_large");
    const slowHead = rawConnection(app.url);
    slowHead.write("GET /healthz HTTP/1.1\r\nHost: a\r\n");
    const slowBody = rawConnection(app.url);
    slowBody.write(`POST /v1/users HTTP/1.1\r\nHost: a\r\nX-API-Key: ${own.apiKey}\r\nIdempotency-Key: slow\r\n`);
    slowBody.write('Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"name":');
    sawRaw(await slowHead.ended, "request_timeout");
    sawRaw(await slowBody.ended, "request_timeout");
    const smuggled = rawConnection(app.url);
    smuggled.write("POST /v1/users HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    sawRaw(await smuggled.ended, "invalid_request");
  });

  it("of Idempotency-Keys", async () => {
    saw(await own.api.post("/v1/users", { name: "A" }, { idempotencyKey: null }), "idempotency_key_missing");
    saw(await own.api.post("/v1/users", { name: "A" }, { idempotencyKey: "a b" }), "idempotency_key_invalid");
    const idempotencyKey = freshKey();
    ok(await own.api.post("/v1/users", { name: "A" }, { idempotencyKey }), 201);
    saw(await own.api.post("/v1/users", { name: "B" }, { idempotencyKey }), "idempotency_key_reused");
    const other = freshKey();
    fault = (operation) => ({ kind: "none", ...(operation === "commit" ? { beforeMs: GATED_MS } : {}) });
    const deposit = { account_id: payee, amount: 1, currency: "EUR" };
    const first = own.api.post("/v1/deposits", deposit, { idempotencyKey: other });
    while (app.app.queue.depth === 0) await sleep(1);
    saw(await own.api.post("/v1/deposits", deposit, { idempotencyKey: other }), "idempotency_key_in_use");
    openGate();
    ok(await first, 201);
  });

  it("of encryption keys", async () => {
    ok(await post("/v1/key-rotations", {}), 202);
    saw(await post("/v1/key-rotations", {}), "rotation_running");
    const { id, apiKey } = await app.newOrganisation();
    await app.app.vault.dataKey(id as OrganisationId);
    const table = "smartfinance-data-keys";
    const keyring = await app.store.get(table, { hash: id });
    assert.ok(keyring);
    const made = Array.from({ length: 999 }, () => app.deps.ids.next("dataKey"));
    const item = { ...keyring, key_ids: [...made, String(keyring["current_key_id"])], version: 2 };
    assert.equal((await app.store.commit([{ op: "put", table, item, condition: { version: 1 } }])).outcome, "committed");
    saw(await own.api.as(apiKey).post("/v1/key-rotations", {}), "too_many_keys");
  });

  it("of who may", async () => {
    saw(await app.anonymous.get("/v1/users"), "unauthenticated");
    const listed = ok(await post("/v1/api-keys", { name: "Office", ip_allowlist: ["203.0.113.7"] }), 201);
    saw(await own.api.as(listed.secret).post("/v1/api-keys", { name: "Other" }), "ip_not_allowed");
    const slow = ok(await post("/v1/api-keys", { name: "Slow", rate_limit_per_minute: 1 }), 201);
    ok(await own.api.as(slow.secret).get("/v1/users"), 200);
    saw(await own.api.as(slow.secret).get("/v1/users"), "rate_limited");
    const rotate = (overlap_seconds: number) => post(`/v1/api-keys/${slow.id}/rotate`, { overlap_seconds });
    ok(await rotate(60), 200);
    saw(await rotate(60), "rotation_overlapping");
    const patch = (id: string, body: object) => own.api.patch(`/v1/api-keys/${id}`, body);
    ok(await patch(slow.id, { expires_at: new Date(app.clock.now() + 1_000).toISOString() }), 200);
    app.clock.advance(1_000);
    saw(await rotate(0), "api_key_expired");
    saw(await patch(own.apiKeyId, { rate_limit_per_minute: 10_000_000, ip_allowlist: ["203.0.113.7"] }), "would_lock_out", "ip_allowlist");
    ok(await post(`/v1/api-keys/${slow.id}/revoke`), 200);
    const reader = ok(await post("/v1/api-keys", { name: "Reader", scopes: ["users:read", "api_keys:write"] }), 201);
    saw(await own.api.as(reader.secret).get("/v1/accounts"), "insufficient_scope");
    const bound = ok(await own.api.post("/v1/api-keys", { name: "Bound", certificate_sha256: "0".repeat(64) }), 201);
    saw(await own.api.as(bound.secret).get("/v1/accounts"), "certificate_mismatch");
    saw(
      await own.api.as(reader.secret).post("/v1/api-keys", { name: "Mighty", scopes: ["users:write"] }),
      "beyond_own_permissions",
      "scopes",
    );
    const strict = await startApp({ store: "memory", authFailuresPerMinute: 1 });
    try {
      saw(await strict.anonymous.get("/v1/users", { key: "nonsense" }), "unauthenticated");
      saw(await strict.anonymous.get("/v1/users", { key: "nonsense" }), "too_many_failures");
    } finally {
      await strict.close();
    }
    saw(await post(`/v1/api-keys/${slow.id}/revoke`), "api_key_revoked");
    saw(await post(`/v1/api-keys/${own.apiKeyId}/revoke`), "cannot_revoke_self");
  });

  it("of accounts", async () => {
    const nobody = "acc_01J0000000000000000000000B";
    saw(await post("/v1/transfers", money({ to_account_id: nobody })), "account_not_found", "to_account_id");
    const asked = { type: "checking", currency: "EUR", user_id: "usr_01J0000000000000000000000B" };
    saw(await post("/v1/accounts", asked), "user_not_found", "user_id");
    const userId = await own.user();
    const opened: string[] = [];
    for (let n = 0; n < 50; n++) opened.push(ok(await post("/v1/accounts", { ...asked, user_id: userId }), 201).id);
    saw(await post("/v1/accounts", { ...asked, user_id: userId }), "too_many_accounts", "user_id");
    saw(await post(`/v1/users/${userId}/close`), "user_has_open_accounts");
    const gone = await own.user();
    saw(await post(`/v1/users/${gone}/erase`), "user_status_conflict");
    ok(await post(`/v1/users/${gone}/close`), 200);
    saw(await post("/v1/accounts", { ...asked, user_id: gone }), "user_not_active", "user_id");
    ok(await post(`/v1/users/${gone}/erase`), 200);
    saw(await post(`/v1/users/${gone}/erase`), "user_erased");
    const [frozen = "", closed = "", rich = ""] = opened;
    ok(await post(`/v1/accounts/${frozen}/freeze`), 200);
    saw(await post(`/v1/accounts/${frozen}/freeze`), "account_status_conflict");
    saw(await post("/v1/transfers", money({ to_account_id: frozen })), "account_frozen", "to_account_id");
    ok(await post(`/v1/accounts/${closed}/close`), 200);
    saw(await post("/v1/transfers", money({ to_account_id: closed })), "account_closed", "to_account_id");
    saw(await post(`/v1/accounts/${payer}/close`), "account_not_empty");
    saw(await own.api.patch(`/v1/accounts/${rich}`, { overdraft_limit: 1 }, { headers: { "if-match": '"99"' } }), "version_conflict");
    const overdrawn = await own.account({ overdraft: 500 });
    ok(await own.transfer(overdrawn, payee, 300), 201);
    saw(await own.api.patch(`/v1/accounts/${overdrawn}`, { overdraft_limit: 299 }), "overdraft_in_use", "overdraft_limit");
    const { data } = ok(await own.api.get("/v1/accounts?limit=100"), 200);
    const settlement = data.find((account) => account["type"] === "settlement");
    assert.ok(settlement);
    saw(await post("/v1/transfers", money({ to_account_id: settlement.id })), "account_type_not_allowed", "to_account_id");
  });

  it("of money", async () => {
    saw(await post("/v1/transfers", money({ to_account_id: payer })), "same_account", "to_account_id");
    saw(await post("/v1/transfers", money({ currency: "USD" })), "currency_mismatch", "currency");
    saw(await post("/v1/transfers", money({ amount: 100_000_000 })), "insufficient_funds", "amount");
    const rich = await own.account({ currency: "JPY", balance: 9007199254740990 });
    saw(await post("/v1/deposits", { account_id: rich, amount: 2, currency: "JPY" }), "balance_overflow", "amount");
    const { id } = ok(await post("/v1/transfers", money({ amount: 10 })), 201);
    saw(await post(`/v1/transactions/${id}/reversals`, { amount: 11 }), "reversal_exceeds_original", "amount");
    const reversal = ok(await post(`/v1/transactions/${id}/reversals`), 201);
    saw(await post(`/v1/transactions/${reversal.id}/reversals`), "transaction_not_reversible");
  });

  it("of holds and reviews", async () => {
    const id = await hold({ amount: 10 });
    saw(await post(`/v1/holds/${id}/capture`, { amount: 11 }), "hold_amount_exceeded", "amount");
    ok(await post(`/v1/holds/${id}/void`), 200);
    saw(await post(`/v1/holds/${id}/capture`, { amount: 1 }), "hold_not_active");
    const short = await hold({ expires_in: 60 });
    app.clock.advance(60_000);
    saw(await post(`/v1/holds/${short}/capture`, { amount: 1 }), "hold_expired");
    for (let n = 0; n < MAX_RESERVATIONS; n++) await hold();
    saw(await post("/v1/holds", money()), "too_many_holds");
    const suspicious = await suspect(own, app.clock);
    saw(await post("/v1/holds", suspicious.body), "risk_declined");
    const { review_id } = ok(await suspicious.pay(), 202);
    ok(await post(`/v1/reviews/${review_id}/reject`), 200);
    saw(await post(`/v1/reviews/${review_id}/approve`), "review_already_decided");
    app.clock.advance(HOUR_MS);
  });

  it("of the store", async () => {
    const commits = (kind: Fault["kind"]) => (operation: Operation) => ({ kind: operation === "commit" ? kind : ("none" as const) });
    for (const [kind, code] of [
      ["throttled", "contention"],
      ["unavailable", "store_unavailable"],
      ["timeout_unwritten", "outcome_unknown"],
    ] as const) {
      fault = commits(kind);
      saw(await post("/v1/transfers", money()), code);
    }
    fault = () => ({ kind: "unavailable" });
    saw(await app.anonymous.get("/readyz"), "store_unavailable");
    ok(await app.anonymous.get("/healthz"), 200);
    fault = () => {
      throw new Error("a secret of the driver");
    };
    const answer = await own.api.get(`/v1/accounts/${payer}`);
    saw(answer, "internal_error");
    assert.ok(!answer.text.includes("secret of the driver"));
    fault = () => ({ kind: "none" });
    assert.ok(
      app.log.some((line) => line.includes("a secret of the driver")),
      "the log tells what broke",
    );
    ok(await own.api.get(`/v1/accounts/${payer}`), 200);
  });

  it("of a server over its capacity", async () => {
    fault = () => ({ kind: "none", beforeMs: GATED_MS });
    const actor = { organisationId: own.id as OrganisationId, apiKeyId: null, ip: null, userAgent: null, requestId: null };
    const needs = [{ collection: accounts, key: { hash: payer }, mode: "read" as const }];
    const decide = () => ({ reply: { status: 204, body: "" }, changes: [], events: [] });
    const stuck = Array.from({ length: OVERLOADED_AT }, () => app.app.queue.execute({ actor, needs, decide }));
    saw(await post("/v1/transfers", money()), "overloaded");
    openGate();
    for (const executed of await Promise.all(stuck)) assert.ok(executed.ok);
    ok(await post("/v1/transfers", money()), 201);
  });

  it("of a server that stops", async () => {
    fault = (operation) => ({ kind: "none", ...(operation === "commit" ? { beforeMs: GATED_MS } : {}) });
    const accepted = post("/v1/transfers", money());
    while (app.app.queue.depth === 0) await sleep(1);
    const late = rawConnection(app.url);
    late.write("GET /v1/users HTTP/1.1\r\n");
    await sleep(20);
    const stopped = stop(app.app.server, { graceMs: 5_000 });
    late.write("Host: a\r\n\r\n");
    sawRaw(await late.ended, "shutting_down");
    openGate();
    ok(await accepted, 201);
    await stopped;
  });

  it("was answered by some request here", () => {
    const missing = (Object.keys(problems) as ProblemCode[]).filter((code) => !seen.has(code));
    assert.deepEqual(missing.sort(), [...NEVER_ANSWERED].sort(), "codes never produced, or on the list although they are");
  });
});
