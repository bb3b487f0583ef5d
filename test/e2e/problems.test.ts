import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { softwareAuthenticator } from "#factors/testing/software-authenticator.ts";
import { stop } from "#http/index.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { ProblemCode } from "#kernel/problems.ts";
import { problems } from "#kernel/problems.ts";
import type { Fault, Operation } from "#storage/memory/memory-store.ts";
import { accounts, MAX_RESERVATIONS } from "#ledger/index.ts";
import type { Organisation, TestApp } from "../support/app.ts";
import { movableClock, startApp } from "../support/app.ts";
import { listen } from "../support/event-stream.ts";
import { KmsUnavailableError } from "#vault/index.ts";
import type { Kms } from "#vault/index.ts";
import type { Answer, ApiObject } from "../support/http-client.ts";
import { freshKey, ok, rawConnection, refused } from "../support/http-client.ts";
import { currentCode } from "./factors-kit.ts";
import { act, colleague as colleagueOf, setPolicy, waiting } from "./controls-kit.ts";
import { colleague, DAY_MS, goodModel, importOwn, makeTown, payAndLabel } from "./learning-scene.ts";
import { browserOf, invite, PASSWORD, person } from "./operators-kit.ts";
import { payerOf, setPolicy as scaPolicy } from "./sca-kit.ts";
import type { Suspect } from "./suspicious.ts";
import { HOUR_MS, suspect } from "./suspicious.ts";

/** Codes of the closed list that nothing answers yet. This list may only shrink. */
const NEVER_ANSWERED: readonly ProblemCode[] = [];

/** Commands that are waiting when requests are turned away (src/app.ts). */
const OVERLOADED_AT = 5_000;

const NO_TRANSACTION = "txn_01J0000000000000000000000B";
/** As many as a review takes (src/payments/review-note.ts), and a transaction (src/labels/judge.ts). */
const MAX_NOTES = 100;
const MAX_JUDGEMENTS = 50;

/** A key management service that never answers. */
const down = (): Promise<never> => Promise.reject(new KmsUnavailableError("the KMS did not answer"));
const brokenKms: Kms = { generateDataKey: down, decrypt: down, describe: down };

const seen = new Set<ProblemCode>();

describe("ERR-01 every problem code", () => {
  let app: TestApp;
  let own: Organisation;
  let payer = "";
  let payee = "";
  let fault: (operation: Operation) => Fault = () => ({ kind: "none" });
  /** How codes that are sent fare. */
  let sendCode = (): Promise<void> => Promise.resolve();
  /** What delayed store operations wait for. */
  let gate = Promise.withResolvers<void>();

  before(async () => {
    const clock = { ...movableClock(), sleep: (ms: number) => (ms === GATED_MS ? gate.promise : sleep(0)) };
    app = await startApp({
      store: "memory",
      clock,
      memory: { faults: (operation) => fault(operation) },
      limits: { headersTimeoutMs: 150, requestTimeoutMs: 300, connectionsCheckMs: 30 },
      codeSender: { sendCode: () => sendCode(), sendNotice: () => Promise.resolve() },
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
    saw(await own.api.get("/v1/audit/checkpoint"), "not_sealed");
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
    saw(await own.api.post("/v1/api-keys", { name: "A" }, { idempotencyKey }), "idempotency_key_not_taken");
    ok(await own.api.post("/v1/users", { name: "A" }, { idempotencyKey }), 201);
    saw(await own.api.post("/v1/users", { name: "B" }, { idempotencyKey }), "idempotency_key_reused");
    const other = freshKey();
    fault = (operation) => ({ kind: "none", ...(operation === "commit" ? { beforeMs: GATED_MS } : {}) });
    const deposit = { account_id: payee, amount: 1, currency: "EUR" };
    const first = own.api.post("/v1/deposits", deposit, { idempotencyKey: other });
    while (app.app.queue.depth() === 0) await sleep(1);
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
    const hurt = await app.newOrganisation();
    const opened = { type: "checking", currency: "EUR", user_id: await hurt.user(), metadata: { note: "sealed" } };
    const account = ok(await hurt.api.post("/v1/accounts", opened), 201).id;
    const { data } = ok(await hurt.api.get("/v1/crypto-inventory"), 200)["keys"] as { data: ApiObject[] };
    const key_id = data.find((key) => key["user_id"] === null && key["purpose"] === "sealing")?.id;
    ok(await hurt.api.post("/v1/key-rotations", { reason: "compromise", key_id }), 202);
    saw(await hurt.api.get(`/v1/accounts/${account}`), "key_blocked");
    const silent = await startApp({ store: "memory", kms: brokenKms });
    try {
      saw(await (await silent.newOrganisation()).api.post("/v1/users", { name: "A" }), "kms_unavailable");
      assert.equal(ok(await silent.anonymous.get("/readyz"), 200)["keys"], "kms_unavailable");
    } finally {
      await silent.close();
    }
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
    const held = ok(await post("/v1/accounts", { ...asked, user_id: await own.user() }), 201);
    const holder = { user_id: await own.user(), role: "viewer" };
    ok(await post(`/v1/accounts/${held.id}/holders`, holder), 201);
    saw(await post(`/v1/accounts/${held.id}/holders`, holder), "already_holder", "user_id");
    for (let n = 2; n < 10; n++) ok(await post(`/v1/accounts/${held.id}/holders`, { ...holder, user_id: await own.user() }), 201);
    saw(await post(`/v1/accounts/${held.id}/holders`, { ...holder, user_id: await own.user() }), "too_many_holders");
    saw(await own.api.send("DELETE", `/v1/accounts/${held.id}/holders/${String(held["user_id"])}`, undefined), "first_owner_stays");
    ok(await post(`/v1/users/${String(held["user_id"])}/status`, { status: "restricted", reason_code: "screening_hit" }), 200);
    saw(await post("/v1/transfers", money({ from_account_id: held.id })), "account_restricted", "from_account_id");
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

  it("of authentication factors", async () => {
    const path = `/v1/users/${await own.user()}`;
    saw(await post(`${path}/factors/challenge`), "no_factor");
    const totp = ok(await post(`${path}/totp`, {}), 201);
    const activate = (code: string): Promise<Answer> => post(`${path}/totp/${totp.id}/activate`, { code });
    saw(await activate("none"), "factor_code_wrong", "code");
    ok(await activate(currentCode(totp.secret, app.clock, -1)), 200);
    saw(await activate(currentCode(totp.secret, app.clock)), "factor_not_pending");
    const proof = (steps = 0): object => ({ type: "totp", code: currentCode(totp.secret, app.clock, steps) });
    const begin = async (body: object): Promise<JsonObject> =>
      ok(await post(`${path}/passkeys/options`, body), 201)["public_key"] as JsonObject;
    saw(await post(`${path}/passkeys`, { response: softwareAuthenticator().create(await begin({})) }), "factor_proof_required");
    saw(await post(`${path}/passkeys`, { response: softwareAuthenticator().create({ challenge: "AA" }) }), "passkey_invalid", "response");
    const synced = softwareAuthenticator({ synced: true }).create(await begin({ device_bound: true }));
    saw(await post(`${path}/passkeys`, { response: synced, proof: proof() }), "passkey_not_device_bound", "response");
    const device = softwareAuthenticator();
    ok(await post(`${path}/passkeys`, { response: device.create(await begin({})), proof: proof() }), 201);
    const again = softwareAuthenticator().create(await begin({}), { credentialId: device.credentialId });
    saw(await post(`${path}/passkeys`, { response: again, proof: proof(1) }), "passkey_known");
    saw(await post(`${path}/recovery-codes`, { proof: { type: "recovery_code", code: "0" } }), "factor_proof_too_weak");
    const other = `/v1/users/${await own.user()}`;
    const address = ok(await post(`${other}/codes`, { type: "sms_code", destination: "+442079460000" }), 201);
    saw(await post(`${other}/codes/${address.id}/send`), "code_sent_lately");
    sendCode = () => Promise.reject(new Error("the transport is down"));
    saw(await post(`${other}/codes`, { type: "sms_code", destination: "+442079460000" }), "code_not_sent");
    const third = `/v1/users/${await own.user()}`;
    const only = ok(await post(`${third}/totp`, {}), 201);
    ok(await post(`${third}/totp/${only.id}/activate`, { code: currentCode(only.secret, app.clock) }), 200);
    saw(await own.api.send("DELETE", `${third}/factors/${only.id}`, undefined), "last_factor");
    for (let n = 0; n < 5; n++)
      saw(await post(`${third}/recovery-codes`, { proof: { type: "totp", code: "none" } }), "authentication_failed");
    saw(await post(`${third}/recovery-codes`, { proof: { type: "totp", code: "none" } }), "authentication_blocked");
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

  it("of strong customer authentication", async () => {
    // An organisation of its own: its policy would have every payment of the others authenticated.
    const strict = await app.newOrganisation();
    const someone = await payerOf(strict);
    await scaPolicy(strict, { sca: "psd2" });
    const noPasskey = await strict.account({ balance: 100 });
    saw(await strict.transfer(noPasskey, someone.payee, 1), "authentication_unavailable");
    saw(await strict.api.post("/v1/holds", someone.payment(1)), "authentication_required");
    const payment = someone.payment(1);
    const asked = ok(await someone.ask({ purpose: "payment", payment }), 201);
    const path = `/v1/authentications/${asked.id}/verify`;
    saw(await strict.api.post(path, { proofs: [{ type: "totp", code: "123456" }] }), "factors_insufficient", "proofs");
    saw(await someone.pay(1, { authentication_id: asked.id }), "authentication_not_usable", "authentication_id");
    ok(await someone.answer(asked), 200);
    saw(await someone.pay(2, { authentication_id: asked.id }), "authentication_mismatch", "amount");
    const standing_order = someone.payment(1);
    const authentication_id = await someone.approve({ purpose: "standing_order", standing_order });
    const order = ok(await strict.api.post("/v1/standing-orders", { ...standing_order, authentication_id }), 201);
    ok(await strict.api.post(`/v1/standing-orders/${order.id}/cancel`), 200);
    saw(await strict.api.post(`/v1/standing-orders/${order.id}/cancel`), "standing_order_not_active");
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
    await ofOneReview(suspicious);
    app.clock.advance(HOUR_MS);
  });

  it("of risk rules", async () => {
    const { api } = own;
    const second = api.as(ok(await api.post("/v1/api-keys", { name: "Second" }), 201).secret);
    const rules = [{ name: "large", expression: "amount > 1", action: "review", reason_code: "large" }];
    const { id } = ok(await api.post("/v1/risk/rule-sets", { rules }), 201);
    const set = `/v1/risk/rule-sets/${id}`;
    saw(await api.post(`${set}/activate`), "second_person_required");
    const run = ok(await api.post(`${set}/dry-runs`, { days: 1 }), 202).id;
    saw(await api.post(`${set}/dry-runs`, { days: 1 }), "dry_run_running");
    ok(await api.post(`/v1/risk/dry-runs/${run}/cancel`), 200);
    saw(await api.post(`/v1/risk/dry-runs/${run}/cancel`), "dry_run_finished");
    // A rule that an older version of the product took, and this one does not.
    const stored = await app.store.get("smartfinance-risk-rule-sets", { hash: id });
    assert.ok(stored);
    const keep = (expression: string) =>
      app.store.commit([
        {
          op: "put",
          table: "smartfinance-risk-rule-sets",
          item: { ...stored, rules: [{ ...rules[0], description: null, internal_text: null, enabled: true, expression }] },
          condition: "none",
        },
      ]);
    await keep("forgotten > 1");
    saw(await second.post(`${set}/activate`), "rule_set_invalid");
    await keep("amount > 1000000000000");
    ok(await second.post(`${set}/activate`), 200);
    saw(await second.post(`${set}/activate`), "rule_set_active");
    saw(await api.patch(set, { description: "x" }), "rule_set_not_draft");
    ok(await api.post("/v1/risk/lists", { name: "list_0" }), 201);
    saw(await api.post("/v1/risk/lists", { name: "list_0" }), "list_name_taken", "name");
    for (let n = 1; n < 20; n++) ok(await api.post("/v1/risk/lists", { name: `list_${n}` }), 201);
    saw(await api.post("/v1/risk/lists", { name: "list_20" }), "limit_reached");
  });

  it("of fraud models", async () => {
    const other = await app.newOrganisation();
    const { api } = other;
    const second = await colleague(other);
    const models = "/v1/risk/models";
    const { id } = ok(await api.post(`${models}/train`), 202);
    saw(await api.post(`${models}/train`), "training_running");
    ok(await api.post(`/v1/risk/model-trainings/${id}/cancel`), 200);
    saw(await api.post(`/v1/risk/model-trainings/${id}/cancel`), "training_finished");
    const town = await makeTown(other);
    const [good, bad] = [await importOwn(api, goodModel()), await importOwn(api, goodModel(false))];
    saw(await second.post(`${models}/${good.id}/promote`), "not_enough_evidence");
    await payAndLabel(other, town, { honest: 30, frauds: 20 });
    app.clock.advance(2 * DAY_MS);
    saw(await second.post(`${models}/${bad.id}/promote`), "model_not_better");
    saw(await second.post(`${models}/rollback`), "no_former_model");
    ok(await second.post(`${models}/${good.id}/promote`), 200);
    saw(await second.post(`${models}/${good.id}/promote`), "model_in_force");
    ok(await api.post(`${models}/${bad.id}/shadow`), 200);
    saw(await api.post(`${models}/${bad.id}/shadow`), "model_in_shadow");
    ok(await api.post(`${models}/${bad.id}/retire`), 200);
    saw(await api.post(`${models}/${bad.id}/retire`), "model_retired");
    const table = "smartfinance-risk-models";
    const stored = await app.store.get(table, { hash: bad.id });
    assert.ok(stored);
    // One that was made for another version of the product.
    const item = { ...stored, features_hash: "00".repeat(32) };
    assert.equal((await app.store.commit([{ op: "put", table, item, condition: "none" }])).outcome, "committed");
    saw(await api.post(`${models}/${bad.id}/shadow`), "model_unusable");
  });

  const ofOneReview = async (suspicious: Suspect): Promise<void> => {
    const { review_id, id: transaction_id } = ok(await suspicious.pay(), 202);
    const to = (verb: string, body?: unknown): Promise<Answer> => post(`/v1/reviews/${review_id}/${verb}`, body);
    saw(await to("unassign"), "review_not_assigned");
    ok(await to("assign"), 200);
    saw(await to("assign"), "review_already_assigned");
    for (let n = 0; n < MAX_NOTES; n++) ok(await to("notes", { text: "Again." }), 201);
    saw(await to("notes", { text: "Again." }), "too_many_notes", "text");
    saw(await to("approve", { note: "Again." }), "too_many_notes", "note");
    saw(await to("approve", { reason_code: "policy" }), "reason_not_allowed", "reason_code");
    ok(await own.api.patch("/v1/organisation", { review_four_eyes_above: [{ currency: "EUR", amount: 1 }] }), 200);
    ok(await to("approve"), 200);
    saw(await to("approve"), "second_person_required");
    const label = (): Promise<Answer> => post("/v1/risk/labels", { transaction_id, label: "fraud", source: "confirmed" });
    for (let n = 0; n < MAX_JUDGEMENTS; n++) ok(await label(), 201);
    saw(await label(), "too_many_labels", "transaction_id");
    saw(await post("/v1/risk/labels", { transaction_id: NO_TRANSACTION, label: "fraud", source: "dispute" }), "transaction_not_found");
    const deposit = ok(await post("/v1/deposits", { account_id: payee, amount: 1, currency: "EUR" }), 201).id;
    saw(await post("/v1/risk/labels", { transaction_id: deposit, label: "fraud", source: "dispute" }), "transaction_not_scored");
    app.clock.advance(96 * HOUR_MS);
    saw(await to("unassign"), "review_expired");
  };

  it("of webhooks and streams", async () => {
    const create = (url: string) => own.api.post("/v1/webhook-endpoints", { url, event_types: ["account.frozen"] });
    saw(await create("https://10.0.0.1/"), "url_not_allowed");
    const { id } = ok(await create("https://hooks.example.com/"), 201);
    const path = `/v1/webhook-endpoints/${id}`;
    ok(await own.api.post(`/v1/accounts/${await own.account()}/freeze`), 200);
    let delivery: string | undefined;
    for (let poll = 0; poll < 500 && delivery === undefined; poll++) {
      await own.deliver?.();
      delivery = ok(await own.api.get(`${path}/deliveries`), 200).data[0]?.id;
    }
    ok(await own.api.patch(path, { status: "disabled" }), 200);
    saw(await own.api.post(`${path}/deliveries/${delivery}/resend`), "webhook_endpoint_disabled");
    for (let n = 1; n < 20; n++) ok(await create("https://hooks.example.com/"), 201);
    saw(await create("https://hooks.example.com/"), "too_many_webhook_endpoints");
    await app.app.webhooks.stop();
    const streams = await Promise.all(Array.from({ length: 10 }, () => listen(app.url, own.apiKey)));
    saw(await own.api.get("/v1/events/stream"), "too_many_streams");
    for (const stream of streams) stream.close();
  });

  it("of hosted pages", async () => {
    const headers = { "sec-fetch-site": "same-origin" };
    saw(await app.anonymous.post("/hosted/open", { token: "" }, { idempotencyKey: null, headers }), "hosted_session_ended");
  });

  it("of maker and checker", async () => {
    const here = await app.newOrganisation();
    const [from, to] = [await here.account({ balance: 100 }), await here.account()];
    const journal = (amount: number): object => ({
      currency: "EUR",
      entries: [
        { account_id: from, direction: "debit", amount: 10 },
        { account_id: to, direction: "credit", amount },
      ],
      reason: "Moved.",
      attachment_ref: "DMS-1",
    });
    saw(await setPolicy(here.api, [{ kind: "withdrawal" }]), "too_few_approvers", "controls");
    saw(await here.api.post("/v1/journals", journal(11)), "journal_unbalanced", "entries");
    const checker = await colleagueOf(here, "Checker");
    const { id } = waiting(await here.api.post("/v1/journals", journal(10)));
    saw(await act(checker.api, id, "cancel"), "not_the_maker");
    saw(await act(checker.api, id, "approve", { payload_hash: "0".repeat(64) }), "approval_changed", "payload_hash");
    ok(await act(here.api, id, "cancel"), 200);
    saw(await act(checker.api, id, "reject", { reason: "No." }), "approval_not_pending");
    saw(await act(here.api, id, "claim"), "nothing_to_claim");
  });

  it("of operators and their sessions", async () => {
    const who = await person(app, own, ["developer"]);
    const browser = browserOf(app);
    const sign = { organisation_id: own.id, email: who.email, password: PASSWORD };
    saw(await browser.post("/v1/sessions", { ...sign, password: "wrong tractor 9 sings" }), "sign_in_refused");
    saw(await browser.send("POST", "/v1/sessions", sign, { "sec-fetch-site": "cross-site" }), "cross_site_request");
    ok(await browser.post("/v1/sessions", sign), 201);
    saw(await browser.get("/v1/accounts"), "second_factor_required");
    saw(await who.browser.post("/v1/sessions/current/verify", { type: "totp", code: "000000" }), "session_status_conflict");
    saw(await who.browser.send("GET", "/v1/accounts", undefined, { "x-api-key": own.apiKey }), "two_credentials");
    saw(await own.api.get("/v1/sessions/current"), "session_required");
    const operators = (path: string, body?: object): Promise<Answer> =>
      own.api.post(`/v1/operators${path}`, body, { idempotencyKey: null });
    const other = { name: "Ada", email: who.email, roles: ["developer"] };
    saw(await operators("", other), "email_taken", "email");
    saw(await operators("", { ...other, email: "ada@example.com", roles: ["operations", "fraud_analyst"] }), "roles_conflict", "roles");
    saw(await operators(`/${who.id}/enable`), "operator_status_conflict");
    const admin = await person(app, own, ["admin"]);
    saw(await admin.browser.post(`/v1/operators/${admin.id}/disable`), "cannot_change_self");
    const { token } = await invite(own, ["developer"]);
    const accept = (body: object): Promise<Answer> =>
      browserOf(app).post("/v1/operator-invitations/accept", { token, password: PASSWORD, ...body });
    saw(await accept({ password: "password1234" }), "password_not_allowed", "password");
    saw(await accept({ token: "sfi_x" }), "invitation_invalid", "token");
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
    while (app.app.queue.depth() === 0) await sleep(1);
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
