import assert from "node:assert/strict";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { softwareAuthenticator } from "#factors/testing/software-authenticator.ts";
import type { JsonObject } from "#kernel/json.ts";
import { ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import type { Browser } from "./operators-kit.ts";
import { browserOf, enrolTotp, invite, PASSWORD, person, signInAgain, totpCode } from "./operators-kit.ts";
import type { Stage } from "./stage.ts";

/** From the invitation to the end of a session. */
export function operatorFlows(stage: Stage): void {
  it("an operator is invited, comes, enrols a factor, and only then may do anything", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const seen = await newestEvent(own.api);
    const invited = await invite(own, ["developer"]);
    assert.equal(invited.status, "invited");
    assert.deepEqual(invited["scopes"], []);
    const browser = browserOf(app);
    const session = ok(await browser.post("/v1/operator-invitations/accept", { token: invited.token, password: PASSWORD }), 200);
    assert.equal(session.status, "enrolment_required");
    const before = browser.cookies.get("smartfinance-session");
    const waits = refused(await browser.get("/v1/accounts"), "second_factor_required");
    assert.match(String(waits["detail"]), /enrolled.*\/v1\/operators\/me\/totp/);
    const secret = await enrolTotp(browser, app.clock);
    assert.notEqual(browser.cookies.get("smartfinance-session"), before, "the session has another secret");
    const old = browserOf(app, new Map([["smartfinance-session", before ?? ""]]));
    refused(await old.get("/v1/sessions/current"), "unauthenticated");
    assert.equal(ok(await browser.get("/v1/sessions/current"), 200).status, "active");
    assert.equal(ok(await browser.get("/v1/accounts"), 200).object, "list");
    refused(
      await browser.post("/v1/deposits", { account_id: "acc_01J0000000000000000000000B", amount: 1, currency: "EUR" }),
      "insufficient_scope",
    );
    refused(await browser.post("/v1/operator-invitations/accept", { token: invited.token, password: PASSWORD }), "invitation_invalid");

    const again = await signInAgain(app, own, { id: invited.id, email: String(invited["email"]), browser, secret });
    const listed = ok(await again.get("/v1/sessions"), 200).data;
    assert.deepEqual(
      listed.map(({ status, current }) => [status, current]),
      [
        ["active", true],
        ["active", false],
      ],
    );
    const types = (await eventsAfter(own.api, seen)).map((event) => event["event_type"]);
    for (const type of ["operator.invited", "operator.activated", "session.opened", "factor.added", "session.started"])
      assert.ok(types.includes(type), `${type} among ${types.join(" ")}`);
  });

  it("SOX-08 whoever is disabled loses sessions, API keys and invitations at once, on every node within five seconds", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const who = await person(app, own, ["admin"]);
    const made = ok(await who.browser.post("/v1/api-keys", { name: "Own" }), 201);
    assert.equal(made["owner_operator_id"], who.id);
    const byKey = own.api.as(made.secret);
    const inherited = ok(await byKey.post("/v1/api-keys", { name: "Of a key of his" }), 201);
    assert.equal(inherited["owner_operator_id"], who.id);
    ok(await byKey.get("/v1/accounts"), 200);
    refused(await byKey.post(`/v1/operators/${who.id}/disable`, undefined, { idempotencyKey: null }), "cannot_change_self");
    ok(await own.api.post(`/v1/operators/${who.id}/disable`, undefined, { idempotencyKey: null }), 200);
    refused(await who.browser.get("/v1/accounts"), "unauthenticated");
    refused(await byKey.get("/v1/accounts"), "unauthenticated");
    refused(await own.api.as(inherited.secret).get("/v1/accounts"), "unauthenticated");
    refused(await browserOf(app).post("/v1/sessions", signInBody(own, who)), "sign_in_refused");
    refused(await own.api.post(`/v1/operators/${who.id}/disable`, undefined, { idempotencyKey: null }), "operator_status_conflict");
    ok(await own.api.post(`/v1/operators/${who.id}/enable`, undefined, { idempotencyKey: null }), 200);
    refused(await who.browser.get("/v1/accounts"), "unauthenticated");
    ok(await byKey.get("/v1/accounts"), 200);
    await signInAgain(app, own, who);
  });

  it("AUTHZ-04 a change of roles holds for open sessions and for keys that the operator owns", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const who = await person(app, own, ["admin"]);
    const key = own.api.as(ok(await who.browser.post("/v1/api-keys", { name: "Own" }), 201).secret);
    ok(await own.api.patch(`/v1/operators/${who.id}`, { roles: ["developer"] }), 200);
    refused(await who.browser.get("/v1/operators"), "insufficient_scope");
    refused(await key.get("/v1/operators"), "insufficient_scope");
    ok(await key.get("/v1/accounts"), 200);
    ok(await who.browser.get("/v1/accounts"), 200);
  });

  it("SOX-03 conflicting roles need an exception with a reason and an end, and after it neither counts", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const roles = ["operations", "fraud_analyst"] as const;
    const body = { name: "Ada", email: "ada@example.com", roles };
    const post = (more: object) => own.api.post("/v1/operators", { ...body, ...more }, { idempotencyKey: null });
    refused(await post({}), "roles_conflict", "roles");
    const end = (days: number): string => new Date(app.clock.now() + days * 86_400_000).toISOString();
    const reason = "Stands in for the analyst on leave.";
    refused(await post({ exception: { reason, expires_at: end(-1) } }), "invalid_request", "exception.expires_at");
    refused(await post({ exception: { reason, expires_at: end(93) } }), "invalid_request", "exception.expires_at");
    refused(await post({ exception: { reason: "", expires_at: end(1) } }), "invalid_request", "exception.reason");
    refused(await post({ roles: ["operations"], exception: { reason, expires_at: end(1) } }), "invalid_request", "exception");
    const who = await person(app, own, roles, { exception: { reason, expires_at: end(1) } });
    ok(await who.browser.get("/v1/reviews"), 200);
    // The session outlives neither its idle limit nor its absolute one; a new one begins after the exception has ended.
    app.clock.advance(25 * 3_600_000);
    const again = await signInAgain(app, own, who);
    refused(await again.get("/v1/reviews"), "insufficient_scope");
    assert.deepEqual(ok(await again.get("/v1/operators/me"), 200)["roles_in_force"], []);
    ok(await own.api.patch(`/v1/operators/${who.id}`, { roles: ["operations"] }), 200);
    ok(await again.get("/v1/reviews"), 200);
  });

  it("nobody changes his own roles, gives what he has not, or invites an address twice", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const who = await person(app, own, ["admin"]);
    refused(await who.browser.patch(`/v1/operators/${who.id}`, { roles: ["auditor"] }), "cannot_change_self");
    refused(await who.browser.post(`/v1/operators/${who.id}/disable`), "cannot_change_self");
    refused(await who.browser.post(`/v1/operators/${who.id}/enable`), "cannot_change_self");
    refused(await who.browser.post(`/v1/operators/${who.id}/invitation`), "cannot_change_self");
    refused(await who.browser.post(`/v1/operators/${who.id}/factors/unblock`), "cannot_change_self");
    ok(await who.browser.patch(`/v1/operators/${who.id}`, { name: "Grace M. Hopper" }), 200);
    refused(
      await own.api.post("/v1/operators", { name: "X", email: who.email.toUpperCase(), roles: ["developer"] }, { idempotencyKey: null }),
      "email_taken",
      "email",
    );
    const few = ok(await own.api.post("/v1/api-keys", { name: "Few", scopes: ["operators:write", "accounts:read"] }), 201);
    const limited = own.api.as(few.secret);
    refused(
      await limited.post("/v1/operators", { name: "X", email: "x@example.com", roles: ["developer"] }, { idempotencyKey: null }),
      "beyond_own_permissions",
      "roles",
    );
    refused(await limited.patch(`/v1/operators/${who.id}`, { roles: ["developer"] }), "beyond_own_permissions");
    refused(await limited.post(`/v1/operators/${who.id}/invitation`, undefined, { idempotencyKey: null }), "beyond_own_permissions");
    refused(await own.api.patch(`/v1/operators/${who.id}`, { name: "Y" }, { headers: { "if-match": '"999"' } }), "version_conflict");
    // Another's address is free, and so is that of somebody disabled; he then cannot be enabled again.
    ok(await own.api.post(`/v1/operators/${who.id}/disable`, undefined, { idempotencyKey: null }), 200);
    ok(await own.api.post("/v1/operators", { name: "X", email: who.email, roles: ["developer"] }, { idempotencyKey: null }), 201);
    refused(await own.api.post(`/v1/operators/${who.id}/enable`, undefined, { idempotencyKey: null }), "email_taken");
    const other = await app.newOrganisation();
    refused(await other.api.get(`/v1/operators/${who.id}`), "not_found");
    assert.deepEqual(ok(await other.api.get("/v1/operators"), 200).data, []);
  });

  it("an answer to a sign-in does not tell whether there is such an operator", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const who = await person(app, own, ["developer"]);
    const invited = await invite(own, ["developer"]);
    const organisation_id = own.id;
    const told = new Set<string>();
    for (const body of [
      { organisation_id, email: who.email, password: "wrong tractor 9 sings" },
      { organisation_id, email: "nobody@example.com", password: PASSWORD },
      { organisation_id, email: invited["email"], password: PASSWORD },
      { organisation_id: "org_01J0000000000000000000000B", email: who.email, password: PASSWORD },
    ]) {
      const browser = browserOf(app);
      const answer = await browser.post("/v1/sessions", body);
      refused(answer, "sign_in_refused");
      assert.equal(browser.cookies.size, 0);
      told.add(JSON.stringify({ ...answer.body, request_id: "" }));
    }
    assert.equal(told.size, 1);
    refused(await browserOf(app).post("/v1/sessions", { organisation_id, email: who.email }), "invalid_request", "password");
    await until(async () => (await eventsAfter(own.api, undefined)).some((event) => event["event_type"] === "session.refused"));
  });

  it("passwords are refused that are short, common, or made of what everybody knows", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const { token } = await invite(own, ["developer"]);
    const accept = (password: string) => browserOf(app).post("/v1/operator-invitations/accept", { token, password });
    for (const password of ["short", "a".repeat(129), "Password1234!", "qwertyuiop123", "hopper-hopper-1", "smartfinance2026"])
      refused(await accept(password), "password_not_allowed", "password");
    for (const wrong of ["x", `${token}x`, `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`])
      refused(
        await browserOf(app).post("/v1/operator-invitations/accept", { token: wrong, password: PASSWORD }),
        "invitation_invalid",
        "token",
      );
    ok(await accept("a".repeat(100) + " and a tractor"), 200);
    const late = await invite(own, ["developer"]);
    app.clock.advance(3 * 86_400_000);
    refused(await browserOf(app).post("/v1/operator-invitations/accept", { token: late.token, password: PASSWORD }), "invitation_invalid");
  });

  it("WA-05 to be invited again helps over a forgotten password, and over no second factor", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const who = await person(app, own, ["developer"]);
    const again = ok(await own.api.post(`/v1/operators/${who.id}/invitation`, undefined, { idempotencyKey: null }), 200);
    const { token } = again["invitation"] as { readonly token: string };
    const browser = browserOf(app);
    const session = ok(await browser.post("/v1/operator-invitations/accept", { token, password: "another tractor 9 sings" }), 200);
    assert.equal(session.status, "second_factor_required");
    refused(await who.browser.get("/v1/accounts"), "unauthenticated");
    for (const path of ["/v1/operators/me/totp", "/v1/operators/me/passkeys/options"])
      refused(await browser.post(path), "second_factor_required");
    refused(await browser.get("/v1/accounts"), "second_factor_required");
    app.clock.advance(30_000);
    ok(await browser.post("/v1/sessions/current/verify", { type: "totp", code: totpCode(who.secret, app.clock) }), 200);
    ok(await browser.get("/v1/accounts"), 200);
  });

  it("SCA-01 a code is good for one of twenty simultaneous sessions, and five wrong ones end a session", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const who = await person(app, own, ["developer"]);
    const browsers: Browser[] = [];
    for (let n = 0; n < 20; n++) {
      const browser = browserOf(app);
      ok(await browser.post("/v1/sessions", signInBody(own, who)), 201);
      browsers.push(browser);
    }
    app.clock.advance(30_000);
    const code = totpCode(who.secret, app.clock);
    const answers = await Promise.all(browsers.map((browser) => browser.post("/v1/sessions/current/verify", { type: "totp", code })));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    for (const answer of answers)
      if (answer.status !== 200) assert.ok(["sign_in_refused", "authentication_blocked"].includes(answer.body.code), answer.text);
    // The row of failures has blocked the factors by now, also for a good code.
    const other = browserOf(app);
    ok(await other.post("/v1/sessions", signInBody(own, who)), 201);
    app.clock.advance(30_000);
    refused(
      await other.post("/v1/sessions/current/verify", { type: "totp", code: totpCode(who.secret, app.clock) }),
      "authentication_blocked",
    );
    ok(await own.api.post(`/v1/operators/${who.id}/factors/unblock`, undefined, { idempotencyKey: null }), 200);
    app.clock.advance(30_000);
    ok(await other.post("/v1/sessions/current/verify", { type: "totp", code: totpCode(who.secret, app.clock) }), 200);
  });

  it("a passkey alone signs in, once for each challenge, and only for whom and where it was made", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const who = await person(app, own, ["developer"]);
    app.clock.advance(30_000);
    const { public_key } = ok(await who.browser.post("/v1/operators/me/passkeys/options"), 201);
    const device = softwareAuthenticator();
    const proof = { type: "totp", code: totpCode(who.secret, app.clock) };
    const created = { response: device.create(public_key as JsonObject) };
    refused(await who.browser.post("/v1/operators/me/passkeys", created), "factor_proof_required");
    ok(await who.browser.post("/v1/operators/me/passkeys", { ...created, proof }), 201);
    const options = async (): Promise<JsonObject> =>
      ok(await app.anonymous.get(`/v1/organisations/${own.id}/sign-in-options`), 200)["public_key"] as JsonObject;
    const signIn = (passkey: JsonObject, email = who.email) =>
      browserOf(app).post("/v1/sessions", { organisation_id: own.id, email, passkey });
    const first = await options();
    assert.deepEqual(first["allowCredentials"], []);
    const passkey = device.get(first);
    const other = await person(app, own, ["developer"]);
    refused(await signIn(passkey, other.email), "sign_in_refused");
    refused(await signIn(device.get(first, { origin: "https://evil.example" })), "sign_in_refused");
    refused(await signIn(device.get(first, { uv: false })), "sign_in_refused");
    refused(await signIn(device.get(first, { challenge: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" })), "sign_in_refused");
    app.clock.advance(10_000);
    const session = ok(await signIn(passkey), 201);
    assert.equal(session.status, "active");
    app.clock.advance(10_000);
    refused(await signIn(passkey), "sign_in_refused");
    const late = device.get(await options());
    app.clock.advance(5 * 60_000);
    refused(await signIn(late), "sign_in_refused");
    const foreign = await app.newOrganisation();
    const elsewhere = ok(await app.anonymous.get(`/v1/organisations/${foreign.id}/sign-in-options`), 200)["public_key"] as JsonObject;
    app.clock.advance(60_000);
    refused(await signIn(device.get(elsewhere)), "sign_in_refused");
    // The counts of what strangers send do not block the factors of the operator.
    app.clock.advance(60 * 60_000);
    ok(await signIn(device.get(await options())), 201);
  });
}

const signInBody = (own: { readonly id: string }, who: { readonly email: string }) => ({
  organisation_id: own.id,
  email: who.email,
  password: PASSWORD,
});

const POLLS = 200;

/** Waits for what is done beside the requests. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let poll = 0; poll < POLLS; poll++) {
    if (await holds()) return;
    await sleep(10);
  }
  assert.fail("it did not come");
}
