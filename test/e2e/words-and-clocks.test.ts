import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonObject } from "#kernel/json.ts";
import { softwareAuthenticator } from "#factors/testing/software-authenticator.ts";
import type { Organisation } from "../support/app.ts";
import type { Answer, ApiObject, Client } from "../support/http-client.ts";
import { ok, refused } from "../support/http-client.ts";
import { act, approve, colleague, setPolicy, waiting } from "./controls-kit.ts";
import type { Browser } from "./operators-kit.ts";
import { browserOf, enrolTotp, PASSWORD, person, totpCode } from "./operators-kit.ts";
import { payerOf, proofOf, registerPasskey } from "./sca-kit.ts";
import { stageFor } from "./stage.ts";
import { suspect } from "./suspicious.ts";

const grounds = { reason_code: "lost", attachment_ref: "DMS-2026-4711" };
const compromised = { ...grounds, reason_code: "compromised" };
const bare = { idempotencyKey: null };
/** Less than ends an idle session. */
const SET_BACK_MS = 300_000;

/** Whose word counts, and what a reset makes void, is not told by clocks, which are set back, and of which every node has its own. */
describe("words, resets and clocks", () => {
  const stage = stageFor({ store: "memory" });
  const setBack = (): void => stage.app.clock.advance(-SET_BACK_MS);
  const resetOf = (api: Pick<Client, "post">, user: string): Promise<Answer> => api.post(`/v1/users/${user}/factors/reset`, grounds);
  const failureOf = (approval: ApiObject): unknown => (approval["failure"] as { readonly code: string } | null)?.code;
  /** Invites an operator again, who accepts and enrols. */
  const comeBack = async (own: Organisation, id: string, checker?: Client): Promise<Browser> => {
    const browser = browserOf(stage.app);
    const invited = await own.api.post(`/v1/operators/${id}/invitation`, undefined, bare);
    let token: string;
    if (checker === undefined) token = (ok(invited, 200)["invitation"] as { readonly token: string }).token;
    else {
      const { id: approvalId } = ok(await approve(checker, waiting(invited).id), 200);
      token = String(ok(await act(own.api, approvalId, "claim"), 200).secret);
    }
    ok(await browser.post("/v1/operator-invitations/accept", { token, password: PASSWORD }), 200);
    await enrolTotp(browser, stage.app.clock);
    return browser;
  };

  it("SOX-01 a clock set back brings no word of a compromised operator back, and voids none that he says after he came back", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const [second, third] = [await colleague(own, "Second"), await colleague(own, "Third")];
    const account = await own.account({ balance: 100_000 });
    const who = await person(app, own, ["admin"]);
    ok(await setPolicy(own.api, [{ kind: "withdrawal", approvals: 2 }]), 200);
    const withdraw = (api: Pick<Client, "post">): Promise<Answer> =>
      api.post("/v1/withdrawals", { account_id: account, amount: 10, currency: "EUR" });
    const by = ({ post }: Pick<Client, "post">, { id, payload_hash }: ApiObject): Promise<Answer> =>
      post(`/v1/approvals/${id}/approve`, { payload_hash });
    const [asked, approved] = [waiting(await withdraw(who.browser)), waiting(await withdraw(own.api))];
    assert.equal(ok(await by(who.browser, approved), 200).status, "pending");
    setBack();
    const reset = waiting(await own.api.post(`/v1/operators/${who.id}/factors/reset`, compromised));
    assert.equal(ok(await approve(second.api, reset.id), 200).status, "executed");
    const browser = await comeBack(own, who.id, second.api);
    // Said before he came back, though at a later time.
    assert.equal(ok(await by(second.api, approved), 200).status, "pending");
    refused(await by(second.api, asked), "approval_not_pending");
    setBack();
    // Said after it, though at an earlier time.
    assert.equal(ok(await by(browser, approved), 200).status, "executed");
    const his = waiting(await withdraw(browser));
    assert.equal(ok(await by(second.api, his), 200).status, "pending");
    assert.equal(ok(await by(third.api, his), 200).status, "executed");
  });

  it("WA-05 a clock set back lets no earlier request for a reset take what was enrolled since, and refuses no later one", async () => {
    const own = await stage.app.newOrganisation();
    const checker = await colleague(own, "Checker");
    const payer = await payerOf(own);
    const [first, second] = [waiting(await resetOf(own.api, payer.userId)), waiting(await resetOf(own.api, payer.userId))];
    setBack();
    assert.equal(ok(await approve(checker.api, first.id), 200).status, "executed");
    await registerPasskey(own, payer.userId);
    const late = ok(await approve(checker.api, second.id), 200);
    assert.deepEqual([late.status, failureOf(late)], ["failed", "no_factor"]);
    setBack();
    const again = waiting(await resetOf(own.api, payer.userId));
    assert.equal(ok(await approve(checker.api, again.id), 200).status, "executed");
    // So for operators.
    const who = await person(stage.app, own, ["developer"]);
    const reset = (): Promise<Answer> => own.api.post(`/v1/operators/${who.id}/factors/reset`, grounds);
    const [one, two] = [waiting(await reset()), waiting(await reset())];
    setBack();
    assert.equal(ok(await approve(checker.api, one.id), 200).status, "executed");
    await comeBack(own, who.id);
    assert.equal(failureOf(ok(await approve(checker.api, two.id), 200)), "no_factor");
    setBack();
    assert.equal(ok(await approve(checker.api, waiting(await reset()).id), 200).status, "executed");
  });

  it("WA-05 a clock set back lets nobody answer what was asked before a reset, and voids nothing that was asked after it", async () => {
    const own = await stage.app.newOrganisation();
    const checker = await colleague(own, "Checker");
    const payer = await payerOf(own);
    const verify = (asked: ApiObject, device = payer.device): Promise<Answer> =>
      own.api.post(`/v1/authentications/${asked.id}/verify`, { proofs: [proofOf(device, asked)] });
    const ask = async (): Promise<ApiObject> => ok(await payer.ask({ purpose: "payment", payment: payer.payment(900) }), 201);
    const before = await ask();
    setBack();
    assert.equal(ok(await approve(checker.api, waiting(await resetOf(own.api, payer.userId)).id), 200).status, "executed");
    const device = await registerPasskey(own, payer.userId);
    refused(await verify(before, device), "authentication_not_usable");
    setBack();
    ok(await verify(await ask(), device), 200);
  });

  it("nobody is counted among those who could approve before he has come back", async () => {
    const own = await stage.app.newOrganisation();
    const second = await colleague(own, "Second");
    const who = await person(stage.app, own, ["admin"]);
    const reset = waiting(await own.api.post(`/v1/operators/${who.id}/factors/reset`, compromised));
    assert.equal(ok(await approve(second.api, reset.id), 200).status, "executed");
    ok(await own.api.post(`/v1/api-keys/${second.keyId}/revoke`, undefined, bare), 200);
    refused(await setPolicy(own.api, [{ kind: "operator" }]), "too_few_approvers");
    await comeBack(own, who.id);
    ok(await setPolicy(own.api, [{ kind: "operator" }]), 200);
  });

  it("the token of an invitation that an earlier release made is still claimed, unless a later one was made", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const checker = await colleague(own, "Checker");
    const who = await person(app, own, ["developer"]);
    ok(await setPolicy(own.api, [{ kind: "operator" }]), 200);
    const invited = async (): Promise<string> => {
      const asked = waiting(await own.api.post(`/v1/operators/${who.id}/invitation`, undefined, bare));
      assert.equal(ok(await approve(checker.api, asked.id), 200).status, "executed");
      return asked.id;
    };
    /** As an earlier release has it: without a word of which approval made it. */
    const forget = async (): Promise<void> => {
      const table = "smartfinance-operators";
      const item = await app.store.get(table, { hash: `${who.id}#credentials` });
      assert.ok(item);
      const { approval_id: _, ...invitation } = item["invitation"] as JsonObject;
      const write = { op: "put", table, item: { ...item, invitation }, condition: "none" } as const;
      assert.equal((await app.store.commit([write])).outcome, "committed");
    };
    const first = await invited();
    app.clock.advance(1_000);
    const second = await invited();
    await forget();
    refused(await act(own.api, first, "claim"), "nothing_to_claim");
    ok(await act(own.api, second, "claim"), 200);
    refused(await act(own.api, second, "claim"), "nothing_to_claim");
    refused(await act(own.api, first, "claim"), "nothing_to_claim");
  });

  it("SOX-01 a first approval through an operator's own key counts no more than that key, and not once he was compromised", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const { pay } = await suspect(own, app.clock);
    ok(await own.api.patch("/v1/organisation", { review_four_eyes_above: [{ currency: "EUR", amount: 1 }] }), 200);
    const who = await person(app, own, ["admin"]);
    const scopes = ["reviews:read", "reviews:write"];
    const ownKey = async (): Promise<Client & { readonly id: string }> => {
      const { id, secret } = ok(await who.browser.post("/v1/api-keys", { name: "His own", scopes }), 201);
      return { ...own.api.as(secret), id };
    };
    const firstOf = async (api: Pick<Client, "post">): Promise<string> => {
      const { review_id: id } = ok(await pay(), 202);
      assert.equal(ok(await api.post(`/v1/reviews/${id}/approve`), 200).status, "approved_once");
      return String(id);
    };
    const [stolen, kept] = [await ownKey(), await ownKey()];
    const [byThief, byHim] = [await firstOf(stolen), await firstOf(kept)];
    ok(await own.api.post(`/v1/api-keys/${stolen.id}/revoke`, undefined, bare), 200);
    assert.equal(ok(await own.api.post(`/v1/reviews/${byThief}/approve`), 200).status, "approved_once");
    // He himself is still the same person.
    assert.equal(ok(await kept.post(`/v1/reviews/${byThief}/approve`), 200).status, "approved");
    assert.equal(ok(await own.api.post(`/v1/reviews/${byHim}/approve`), 200).status, "approved");

    const bySession = await firstOf(who.browser);
    setBack();
    const second = await colleague(own, "Second");
    const reset = waiting(await own.api.post(`/v1/operators/${who.id}/factors/reset`, compromised));
    assert.equal(ok(await approve(second.api, reset.id), 200).status, "executed");
    await comeBack(own, who.id);
    assert.equal(ok(await own.api.post(`/v1/reviews/${bySession}/approve`), 200).status, "approved_once");
    assert.equal(ok(await second.api.post(`/v1/reviews/${bySession}/approve`), 200).status, "approved");
  });

  it("SOX-01 nor does a second one of somebody who was compromised, through a key of his that is still good", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const { pay } = await suspect(own, app.clock);
    const second = await colleague(own, "Second");
    const who = await person(app, own, ["admin"]);
    const { secret } = ok(await who.browser.post("/v1/api-keys", { name: "His own", scopes: ["reviews:read", "reviews:write"] }), 201);
    const stolen = own.api.as(secret);
    ok(await own.api.patch("/v1/organisation", { review_four_eyes_above: [{ currency: "EUR", amount: 1 }] }), 200);
    const { review_id: id } = ok(await pay(), 202);
    assert.equal(ok(await own.api.post(`/v1/reviews/${id}/approve`), 200).status, "approved_once");
    const reset = waiting(await own.api.post(`/v1/operators/${who.id}/factors/reset`, compromised));
    assert.equal(ok(await approve(second.api, reset.id), 200).status, "executed");
    refused(await stolen.post(`/v1/reviews/${id}/approve`), "insufficient_scope");
    const back = await comeBack(own, who.id);
    assert.equal(ok(await back.post(`/v1/reviews/${id}/approve`), 200).status, "approved");
  });

  it("WA-02 two sign-ins by one passkey whose answers come in the other order flag nothing", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const who = await person(app, own, ["developer"]);
    const device = softwareAuthenticator();
    const { public_key } = ok(await who.browser.post("/v1/operators/me/passkeys/options"), 201);
    app.clock.advance(30_000);
    const proof = { type: "totp", code: totpCode(who.secret, app.clock) };
    ok(await who.browser.post("/v1/operators/me/passkeys", { response: device.create(public_key as JsonObject), proof }), 201);
    const options = async (): Promise<JsonObject> =>
      ok(await app.anonymous.get(`/v1/organisations/${own.id}/sign-in-options`), 200)["public_key"] as JsonObject;
    const signIn = (passkey: JsonObject): Promise<Answer> =>
      browserOf(app).post("/v1/sessions", { organisation_id: own.id, email: who.email, passkey });
    const [older, newer] = [device.get(await options()), device.get(await options())];
    app.clock.advance(1_000);
    ok(await signIn(newer), 201);
    refused(await signIn(older), "sign_in_refused");
    app.clock.advance(1_000);
    ok(await signIn(device.get(await options())), 201);

    // So for the second factor of a session that began with a password.
    const half = browserOf(app);
    ok(await half.post("/v1/sessions", { organisation_id: own.id, email: who.email, password: PASSWORD }), 201);
    const asked = ok(await half.get("/v1/sessions/current"), 200)["passkey_options"] as JsonObject;
    const response = device.get(asked);
    app.clock.advance(1_000);
    ok(await signIn(device.get(await options())), 201);
    refused(await half.post("/v1/sessions/current/verify", { type: "passkey", response }), "sign_in_refused");
    app.clock.advance(1_000);
    ok(await signIn(device.get(await options())), 201);
  });
});
