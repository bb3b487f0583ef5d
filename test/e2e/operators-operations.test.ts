import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { softwareAuthenticator } from "#factors/testing/software-authenticator.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Fault } from "#storage/memory/memory-store.ts";
import type { Organisation, TestApp } from "../support/app.ts";
import { startApp } from "../support/app.ts";
import type { Answer } from "../support/http-client.ts";
import { ok } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import { readDocument } from "./document.ts";
import type { Browser, Person } from "./operators-kit.ts";
import { browserOf, invite, PASSWORD, person, totpCode } from "./operators-kit.ts";

const document = await readDocument();
const NONE: Fault = { kind: "none" };
const own = document.operations.filter(({ isSession }) => isSession);
const walked = new Set<string>();

/** What only operators who are signed in may do: each succeeds as the document says, tells the audit log, refuses what is malformed, and does nothing by half. */
describe("operations of operators' own", () => {
  let app: TestApp;
  let organisation: Organisation;
  let onCommit: Fault = NONE;
  before(async () => {
    const faults = (operation: string): Fault => (operation === "commit" ? onCommit : NONE);
    app = await startApp({ store: "memory", memory: { faults } });
    organisation = await app.newOrganisation();
  });
  after(() => app.close());

  interface Scene {
    readonly who: Person;
    /** A proof that was not used before. */
    readonly proof: () => object;
  }

  /** One call: its path without parameters filled in is the operation's. */
  async function walk(
    operationId: string,
    status: number,
    events: readonly string[],
    browser: Browser,
    call: { readonly path?: Readonly<Record<string, string>>; readonly body?: object } = {},
  ): Promise<Answer["body"]> {
    const operation = own.find((one) => one.operationId === operationId);
    assert.ok(operation, operationId);
    walked.add(operationId);
    const path = operation.path.replace(/\{(\w+)\}/g, (_whole, name: string) => call.path?.[name] ?? "");
    if (operation.body !== undefined) {
      const surprised = await browser.send(operation.method, path, { ...call.body, surprise: 1 });
      assert.equal(surprised.body.code, "unknown_field", surprised.text);
    }
    const seen = await newestEvent(organisation.api);
    if (operation.method !== "GET") {
      // A store that takes no commit: nothing is done, nothing is used up, and the same request does it afterwards.
      onCommit = { kind: "unavailable" };
      const failed = await browser.send(operation.method, path, call.body).finally(() => {
        onCommit = NONE;
      });
      assert.equal(failed.body.code, "store_unavailable", `${operationId}: ${failed.text}`);
      assert.equal(failed.status, 503);
      assert.equal(await newestEvent(organisation.api), seen, operationId);
    }
    const answer = await browser.send(operation.method, path, call.body);
    const body = ok(answer, status);
    assert.equal(document.complaints(operation, status, body), undefined);
    const left = await eventsAfter(organisation.api, seen);
    assert.deepEqual(
      left.map((event) => event["event_type"]),
      events,
      operationId,
    );
    for (const event of left) {
      assert.match(String(event["operator_id"]), /^opr_/);
      assert.equal(event["api_key_id"], null);
    }
    return body;
  }

  async function scene(): Promise<Scene> {
    const who = await person(app, organisation, ["developer"]);
    return {
      who,
      proof() {
        app.clock.advance(30_000);
        return { type: "totp", code: totpCode(who.secret, app.clock) };
      },
    };
  }

  it("enrolling", async () => {
    const browser = browserOf(app);
    const { token } = await invite(organisation, ["developer"]);
    ok(await browser.post("/v1/operator-invitations/accept", { token, password: PASSWORD }), 200);
    await walk("getCurrentSession", 200, [], browser);
    const started = await walk("startOwnTotp", 201, ["factor.enrolment_started"], browser);
    const body = { code: totpCode(started.secret, app.clock) };
    await walk("activateOwnTotp", 200, ["factor.added", "session.started"], browser, { path: { factor_id: started.id }, body });
    await walk("getOwnOperator", 200, [], browser);
  });

  it("factors", async () => {
    const { who, proof } = await scene();
    const { browser } = who;
    const options = await walk("startOwnPasskey", 201, ["factor.enrolment_started"], browser);
    const device = softwareAuthenticator();
    const response = device.create(options["public_key"] as JsonObject);
    await walk("addOwnPasskey", 201, ["factor.verified", "factor.added"], browser, { body: { response, proof: proof() } });
    const challenge = await walk("createOwnFactorChallenge", 201, ["factor.challenged"], browser);
    const passkey = { type: "passkey", response: device.get(challenge["public_key"] as JsonObject) };
    const codes = await walk("createOwnRecoveryCodes", 201, ["factor.verified", "factor.added"], browser, { body: { proof: passkey } });
    assert.equal((codes["codes"] as readonly string[]).length > 5, true);
    const listed = await walk("listOwnFactors", 200, [], browser);
    assert.deepEqual(
      listed.data.map(({ type }) => type),
      ["totp", "passkey", "recovery_code"],
    );
    const removed = { path: { factor_id: String(listed.data[1]?.id) }, body: { proof: proof() } };
    await walk("removeOwnFactor", 200, ["factor.verified", "factor.removed"], browser, removed);
    const last = await browser.delete(`/v1/operators/me/factors/${String(listed.data[0]?.id)}`, { proof: proof() });
    assert.equal(last.body.code, "last_factor");
    const without = await browser.delete(`/v1/operators/me/factors/${String(listed.data[2]?.id)}`);
    assert.equal(without.body.code, "factor_proof_required");
  });

  it("sessions", async () => {
    const { who, proof } = await scene();
    const second = browserOf(app);
    ok(await second.post("/v1/sessions", { organisation_id: organisation.id, email: who.email, password: PASSWORD }), 201);
    for (const [wrong, code] of [
      [{ type: "totp" }, "missing_field"],
      [{ type: "passkey" }, "missing_field"],
      [{ type: "passkey", code: "1" }, "invalid_request"],
      [{ type: "email_code", code: "1" }, "invalid_request"],
    ] as const)
      assert.equal((await second.post("/v1/sessions/current/verify", wrong)).body.code, code);
    await walk("verifySession", 200, ["factor.verified", "session.started"], second, { body: proof() });
    const again = await second.post("/v1/sessions/current/verify", proof());
    assert.equal(again.body.code, "session_status_conflict");
    const listed = await walk("listOwnSessions", 200, [], second);
    const other = listed.data.find(({ current }) => current === false);
    await walk("endSession", 200, ["session.ended"], second, { path: { id: String(other?.id) } });
    const change = { current_password: PASSWORD, new_password: "newer tractor 9 sings" };
    await walk("changeOwnPassword", 200, ["operator.password_changed"], second, { body: change });
    const third = browserOf(app, new Map(second.cookies));
    await walk("signOut", 200, ["session.ended"], third);
    const { who: fourth } = await scene();
    await walk("signOutEverywhere", 200, ["session.all_ended"], fourth.browser);
  });

  it("walked all of them", () => {
    assert.deepEqual([...walked].sort(), own.map(({ operationId }) => operationId).sort());
  });

  it("kept passwords, tokens, secrets and addresses out of the logs", () => {
    assert.ok(app.log.length > 50);
    for (const secret of [PASSWORD, "sfi_", "@example.com", "Grace Hopper"])
      assert.ok(!app.log.some((line) => line.includes(secret)), secret);
  });
});
