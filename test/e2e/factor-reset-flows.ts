import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newSession, organisationWithPages } from "#test/support/hosted-pages.ts";
import type { TestApp } from "../support/app.ts";
import type { Answer, ApiObject, Client } from "../support/http-client.ts";
import { ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import { act, approve, colleague, setPolicy, waiting } from "./controls-kit.ts";
import type { Sent } from "./factors-flows.ts";
import { currentCode } from "./factors-kit.ts";
import { browserOf, enrolTotp, invite, PASSWORD, person } from "./operators-kit.ts";
import { payerOf, proofOf, registerPasskey } from "./sca-kit.ts";
import type { Stage } from "./stage.ts";

const bare = { idempotencyKey: null };
const grounds = { reason_code: "lost", attachment_ref: "DMS-2026-4711" };

/** Somebody who can prove nothing any more begins anew, and nobody else by that way. The stage's app hands notices to `sent`. */
export function factorResetFlows(stage: Stage, sent: Sent): void {
  const ask = (api: Client, user: string, body: object = grounds): Promise<Answer> => api.post(`/v1/users/${user}/factors/reset`, body);
  const failureOf = (approval: ApiObject): unknown => (approval["failure"] as { readonly code: string } | null)?.code;

  describe("WA-05 a reset of a user's factors", () => {
    const scene = async () => {
      const own = await organisationWithPages(stage.app);
      return { own, checker: await colleague(own, "Checker"), payer: await payerOf(own) };
    };

    it("is never for one person, whatever the policy says, and needs a scope of its own on either side", async () => {
      const { own, payer } = await scene();
      const user = payer.userId;
      const few = await colleague(own, "Few", ["factors:write", "factors:unblock", "approvals:read", "approvals:write"]);
      refused(await ask(few.api, user), "insufficient_scope");
      const asked = waiting(await ask(own.api, user));
      refused(await approve(own.api, asked.id), "second_person_required");
      refused(await approve(few.api, asked.id), "insufficient_scope");
      assert.equal(ok(await own.api.get(`/v1/users/${user}/factors`), 200).data.length, 1);
      // Whoever is signed in may ask and approve; to enrol stays for the organisation's own systems.
      const admin = await person(stage.app, own, ["admin"]);
      const { payload_hash } = asked;
      assert.equal(ok(await admin.browser.post(`/v1/approvals/${asked.id}/approve`, { payload_hash }), 200).status, "executed");
      refused(await admin.browser.post(`/v1/users/${user}/totp`, {}), "beyond_own_permissions");
    });

    it("is refused at once where there is nothing to reset, and where something is wrong with it", async () => {
      const { own, checker, payer } = await scene();
      const other = await stage.app.newOrganisation();
      refused(await ask(other.api, payer.userId), "not_found");
      const fresh = await own.user();
      refused(await ask(own.api, fresh), "no_factor");
      // An enrolment that was only begun is none either.
      ok(await own.api.post(`/v1/users/${fresh}/totp`, {}), 201);
      refused(await ask(own.api, fresh), "no_factor");
      ok(await own.api.post(`/v1/users/${fresh}/close`), 200);
      refused(await ask(own.api, fresh), "user_status_conflict");
      refused(await ask(own.api, payer.userId, { ...grounds, reason_code: "forgotten" }), "invalid_request");
      refused(await ask(own.api, payer.userId, { reason_code: "lost" }), "missing_field");
      ok(await own.api.patch(`/v1/api-keys/${checker.keyId}`, { ip_allowlist: ["203.0.113.1"] }), 200);
      refused(await ask(checker.api, payer.userId), "ip_not_allowed");
      // Of two that were asked for, the second finds nothing any more.
      const third = await colleague(own, "Third");
      const [first, second] = [waiting(await ask(own.api, payer.userId)), waiting(await ask(own.api, payer.userId))];
      assert.equal(ok(await approve(third.api, first.id), 200).status, "executed");
      const late = ok(await approve(third.api, second.id), 200);
      assert.deepEqual([late.status, failureOf(late)], ["failed", "no_factor"]);
    });

    it("takes everything that was begun with it, and then the first factor is enrolled anew", async () => {
      const { own, checker, payer } = await scene();
      const { userId: user } = payer;
      const path = `/v1/users/${user}`;
      const started = ok(await own.api.post(`${path}/totp`, {}), 201);
      const asked = ok(await payer.ask({ purpose: "payment", payment: payer.payment(900) }), 201);
      const link = await newSession(own, { user_id: user, purpose: "enrol" });
      const open = (url: string): Promise<Answer> =>
        stage.app.anonymous.post(
          "/hosted/open",
          { token: new URL(url).hash.slice(1) },
          { ...bare, headers: { "sec-fetch-site": "same-origin" } },
        );
      const visit = await newSession(own, { user_id: user, purpose: "enrol" });
      const cookie = String((await open(visit.url)).headers["set-cookie"]?.[0]).split(";")[0] ?? "";
      // Whoever found the device has tried it until it was blocked.
      for (let n = 0; n < 5; n++)
        refused(await own.api.post(`${path}/recovery-codes`, { proof: { type: "totp", code: "000000" } }), "authentication_failed");
      const seen = await newestEvent(own.api);
      stage.app.clock.advance(1_000);
      const approval = waiting(await ask(own.api, user));
      assert.equal(ok(await approve(checker.api, approval.id), 200).status, "executed");
      const told = (await eventsAfter(own.api, seen)).filter((event) => event["event_type"] === "factor.reset");
      assert.equal(told.length, 1);
      const details = told[0]?.["details"] as ApiObject;
      assert.deepEqual(
        [told[0]?.["object_id"], told[0]?.["user_id"], details["reason_code"], details["attachment_ref"], details["types"]],
        [user, user, "lost", "DMS-2026-4711", ["passkey"]],
      );
      assert.equal((details["approval"] as ApiObject)["approval_id"], approval.id);
      assert.deepEqual(ok(await own.api.get(`${path}/factors`), 200).data, []);
      refused(
        await own.api.post(`${path}/totp/${started.id}/activate`, { code: currentCode(started.secret, stage.app.clock) }),
        "not_found",
      );

      refused(await open(link.url), "hosted_session_ended");
      const enrolling = { ...bare, headers: { "sec-fetch-site": "same-origin", cookie } };
      refused(await stage.app.anonymous.post(`/hosted/${visit.id}/totp`, {}, enrolling), "hosted_session_ended");
      stage.app.clock.advance(1_000);
      const device = await registerPasskey(own, user);
      // The right device now, and what was asked of whoever had the other one.
      refused(
        await own.api.post(`/v1/authentications/${asked.id}/verify`, { proofs: [proofOf(device, asked)] }),
        "authentication_not_usable",
      );
      const again = ok(await payer.ask({ purpose: "payment", payment: payer.payment(900) }), 201);
      ok(await own.api.post(`/v1/authentications/${again.id}/verify`, { proofs: [proofOf(device, again)] }), 200);
      ok(await open((await newSession(own, { user_id: user, purpose: "enrol" })).url), 200);
    });

    it("is for the factors that there were when it was asked for: asked for twice, it does not take what was enrolled since", async () => {
      const { own, checker, payer } = await scene();
      const path = `/v1/users/${payer.userId}`;
      const [first, second] = [waiting(await ask(own.api, payer.userId)), waiting(await ask(own.api, payer.userId))];
      const third = waiting(await ask(own.api, payer.userId));
      stage.app.clock.advance(1_000);
      assert.equal(ok(await approve(checker.api, first.id), 200).status, "executed");
      await registerPasskey(own, payer.userId);
      const late = ok(await approve(checker.api, second.id), 200);
      assert.deepEqual([late.status, failureOf(late)], ["failed", "no_factor"]);
      assert.equal(ok(await own.api.get(`${path}/factors`), 200).data.length, 1);
      stage.app.clock.advance(1_000);
      // Amended since, it was asked for since.
      const amended = ok(await act(own.api, third.id, "amend", { body: { ...grounds, reason_code: "compromised" } }), 200);
      assert.equal(ok(await approve(checker.api, amended.id), 200).status, "executed");
      await registerPasskey(own, payer.userId);
      stage.app.clock.advance(1_000);
      const lostAgain = waiting(await ask(own.api, payer.userId));
      assert.equal(ok(await approve(checker.api, lostAgain.id), 200).status, "executed");
    });

    it("is told to the user, also where codes were sent to until then", async () => {
      const own = await stage.app.newOrganisation();
      const checker = await colleague(own, "Checker");
      const { id: user } = ok(await own.api.post("/v1/users", { name: "Ada Lovelace", email: "ada@example.com" }), 201);
      const path = `/v1/users/${user}/codes`;
      const { id: factor } = ok(await own.api.post(path, { type: "sms_code", destination: "+442079460000" }), 201);
      const code = sent.codes.findLast(({ subject }) => subject.id === user)?.code;
      ok(await own.api.post(`${path}/${factor}/activate`, { code }), 200);
      const approval = waiting(await ask(own.api, user));
      assert.equal(ok(await approve(checker.api, approval.id), 200).status, "executed");
      const told = () =>
        sent.notices.filter(({ subject, notice }) => subject.id === user && notice === "factors_reset").map(({ to }) => to);
      for (let poll = 0; poll < 100 && told().length < 2; poll++) await new Promise((resolve) => setTimeout(resolve, 10));
      assert.deepEqual(told().toSorted(), ["+442079460000", "ada@example.com"]);
    });

    it("happens once, also when twenty approve it at the same time, and enrols nobody by itself", async () => {
      const { own, payer } = await scene();
      const checkers = await Promise.all(Array.from({ length: 4 }, (_, n) => colleague(own, `Checker ${n}`)));
      const { id, payload_hash } = waiting(await ask(own.api, payer.userId));
      const seen = await newestEvent(own.api);
      await Promise.all(
        Array.from({ length: 20 }, (_, n) => act((checkers[n % 4] ?? checkers[0])?.api as Client, id, "approve", { payload_hash })),
      );
      const types = (await eventsAfter(own.api, seen)).map((event) => event["event_type"]);
      assert.equal(types.filter((type) => type === "factor.reset").length, 1);
      assert.deepEqual(ok(await own.api.get(`/v1/users/${payer.userId}/factors`), 200).data, []);
    });
  });

  describe("WA-05 a reset of an operator's factors", () => {
    const reset = (api: Pick<Client, "post">, id: string): Promise<Answer> => api.post(`/v1/operators/${id}/factors/reset`, grounds);

    it("ends his password and sessions with his factors, and an invitation brings him back as the same person", async () => {
      const { app } = stage;
      const own = await app.newOrganisation();
      const checker = await colleague(own, "Checker");
      const who = await person(app, own, ["developer"]);
      const approval = waiting(await reset(own.api, who.id));
      refused(await approve(own.api, approval.id), "second_person_required");
      ok(await who.browser.get("/v1/accounts"), 200);
      assert.equal(ok(await approve(checker.api, approval.id), 200).status, "executed");
      refused(await who.browser.get("/v1/accounts"), "unauthenticated");
      const signIn = { organisation_id: own.id, email: who.email, password: PASSWORD };
      refused(await browserOf(app).post("/v1/sessions", signIn), "sign_in_refused");
      const { invitation } = ok(await own.api.post(`/v1/operators/${who.id}/invitation`, undefined, bare), 200);
      const browser = browserOf(app);
      const { token } = invitation as { readonly token: string };
      const session = ok(await browser.post("/v1/operator-invitations/accept", { token, password: PASSWORD }), 200);
      assert.deepEqual([session["operator_id"], session.status], [who.id, "enrolment_required"]);
      await enrolTotp(browser, app.clock);
      ok(await browser.get("/v1/accounts"), 200);
    });

    it("is for the factors that there were when it was asked for: asked for twice, it does not throw out who came back", async () => {
      const { app } = stage;
      const own = await app.newOrganisation();
      const checker = await colleague(own, "Checker");
      const who = await person(app, own, ["developer"]);
      const [first, second] = [waiting(await reset(own.api, who.id)), waiting(await reset(own.api, who.id))];
      app.clock.advance(1_000);
      assert.equal(ok(await approve(checker.api, first.id), 200).status, "executed");
      const { invitation } = ok(await own.api.post(`/v1/operators/${who.id}/invitation`, undefined, bare), 200);
      const browser = browserOf(app);
      const { token } = invitation as { readonly token: string };
      ok(await browser.post("/v1/operator-invitations/accept", { token, password: PASSWORD }), 200);
      await enrolTotp(browser, app.clock);
      const late = ok(await approve(checker.api, second.id), 200);
      assert.deepEqual([late.status, failureOf(late)], ["failed", "no_factor"]);
      ok(await browser.get("/v1/accounts"), 200);
    });

    it("leaves no way back to whoever had him invited before it, and did not take that token", async () => {
      const { app } = stage;
      const own = await app.newOrganisation();
      const checker = await colleague(own, "Checker");
      const rival = await colleague(own, "Rival");
      const who = await person(app, own, ["admin"]);
      ok(await setPolicy(own.api, [{ kind: "operator" }]), 200);
      const again = (api: Client) => api.post(`/v1/operators/${who.id}/invitation`, undefined, bare);
      // For a forgotten password, while his factors were his.
      const old = waiting(await again(rival.api));
      assert.equal(ok(await approve(checker.api, old.id), 200).status, "executed");
      // Nor where the clock is set back meanwhile.
      app.clock.advance(-3_600_000);
      const lost = waiting(await reset(own.api, who.id));
      assert.equal(ok(await approve(checker.api, lost.id), 200).status, "executed");
      app.clock.advance(1_000);
      const back = waiting(await again(own.api));
      assert.equal(ok(await approve(checker.api, back.id), 200).status, "executed");
      refused(await act(rival.api, old.id, "claim"), "nothing_to_claim");
      const { secret } = ok(await act(own.api, back.id, "claim"), 200);
      refused(await act(rival.api, old.id, "claim"), "nothing_to_claim");
      const browser = browserOf(app);
      ok(await browser.post("/v1/operator-invitations/accept", { token: secret, password: PASSWORD }), 200);
      await enrolTotp(browser, app.clock);
      ok(await browser.get("/v1/accounts"), 200);
      app.clock.advance(3_600_000);
    });

    it("is refused to himself, to whoever lacks his rights, and where there is nothing", async () => {
      const { app } = stage;
      const own = await app.newOrganisation();
      const checker = await colleague(own, "Checker");
      const admin = await person(app, own, ["admin"]);
      refused(await reset(admin.browser, admin.id), "cannot_change_self");
      refused(await reset(own.api, (await invite(own, ["developer"])).id), "no_factor");
      refused(await reset((await app.newOrganisation()).api, admin.id), "not_found");
      const few = await colleague(own, "Few", ["operators:write", "approvals:write", "approvals:read"]);
      const asked = waiting(await reset(few.api, admin.id));
      const done = ok(await approve(checker.api, asked.id), 200);
      assert.deepEqual([done.status, failureOf(done)], ["failed", "beyond_own_permissions"]);
      ok(await admin.browser.get("/v1/accounts"), 200);
      const who = await person(app, own, ["developer"]);
      ok(await own.api.post(`/v1/operators/${who.id}/disable`, undefined, bare), 200);
      refused(await reset(own.api, who.id), "operator_status_conflict");
    });
  });
}

/** What another node knows of an operator's session for some seconds must not outlive his factors: the next one needs no proof. */
export async function oldSessionEnrolsNothing(one: TestApp, two: TestApp): Promise<void> {
  const own = await one.newOrganisation();
  const checker = await colleague(own, "Checker");
  const who = await person(one, own, ["developer"]);
  const thief = browserOf(two, new Map(who.browser.cookies));
  ok(await thief.get("/v1/accounts"), 200);
  const asked = waiting(await own.api.post(`/v1/operators/${who.id}/factors/reset`, { ...grounds, reason_code: "compromised" }));
  assert.equal(ok(await approve(checker.api, asked.id), 200).status, "executed");
  refused(await thief.post("/v1/operators/me/passkeys/options"), "unauthenticated");
  refused(await thief.post("/v1/operators/me/totp"), "unauthenticated");
  const { invitation } = ok(await own.api.post(`/v1/operators/${who.id}/invitation`, undefined, bare), 200);
  const { token } = invitation as { readonly token: string };
  const session = ok(await browserOf(two).post("/v1/operator-invitations/accept", { token, password: PASSWORD }), 200);
  assert.equal(session.status, "enrolment_required");
}

/**
 * What was said in the name of an operator whose factors were compromised, before he came back, is nobody's word: as that of somebody who was
 * disabled. Whichever node still knows his old session.
 */
export async function compromisedSaysNothing(one: TestApp, two: TestApp): Promise<void> {
  const { clock } = one;
  const own = await one.newOrganisation();
  const [second, third] = [await colleague(own, "Second"), await colleague(own, "Third")];
  const account = await own.account({ balance: 100_000 });
  const who = await person(one, own, ["admin"]);
  const thief = browserOf(two, new Map(who.browser.cookies));
  ok(await thief.get("/v1/accounts"), 200);
  ok(await setPolicy(own.api, [{ kind: "withdrawal", approvals: 2 }]), 200);
  const withdraw = (api: Pick<Client, "post">): Promise<Answer> =>
    api.post("/v1/withdrawals", { account_id: account, amount: 10, currency: "EUR" });
  const by = ({ post }: Pick<Client, "post">, { id, payload_hash }: ApiObject): Promise<Answer> =>
    post(`/v1/approvals/${id}/approve`, { payload_hash });
  const statusOf = async ({ id }: ApiObject): Promise<unknown> => ok(await own.api.get(`/v1/approvals/${id}`), 200).status;
  // Before anybody noticed.
  const [asked, amendable] = [waiting(await withdraw(thief)), waiting(await withdraw(thief))];
  const [approved, late] = [waiting(await withdraw(own.api)), waiting(await withdraw(own.api))];
  assert.equal(ok(await by(thief, approved), 200).status, "pending");
  clock.advance(1_000);
  const compromised = { ...grounds, reason_code: "compromised" };
  const reset = waiting(await own.api.post(`/v1/operators/${who.id}/factors/reset`, compromised));
  assert.equal(ok(await approve(second.api, reset.id), 200).status, "executed");
  clock.advance(1_000);
  // What the other node still lets in.
  const after = waiting(await withdraw(thief));
  refused(await by(thief, late), "insufficient_scope");

  assert.equal(ok(await by(second.api, approved), 200).status, "pending");
  refused(await by(second.api, asked), "approval_not_pending");
  assert.equal(await statusOf(asked), "voided");

  clock.advance(1_000);
  const back = waiting(await own.api.post(`/v1/operators/${who.id}/invitation`, undefined, bare));
  assert.equal(ok(await approve(second.api, back.id), 200).status, "executed");
  const { secret: token } = ok(await act(own.api, back.id, "claim"), 200);
  const browser = browserOf(one);
  ok(await browser.post("/v1/operator-invitations/accept", { token, password: PASSWORD }), 200);
  await enrolTotp(browser, clock);
  clock.advance(1_000);
  refused(await by(second.api, after), "approval_not_pending");
  assert.equal(await statusOf(after), "voided");
  // He himself may say the same again, and take up what was asked for in his name.
  assert.equal(ok(await by(browser, approved), 200).status, "executed");
  const body = { account_id: account, amount: 20, currency: "EUR" };
  const amended = ok(await browser.post(`/v1/approvals/${amendable.id}/amend`, { body }), 200);
  assert.equal(ok(await by(second.api, amended), 200).status, "pending");
  assert.equal(ok(await by(third.api, amended), 200).status, "executed");
  const own2 = waiting(await withdraw(browser));
  assert.equal(ok(await by(second.api, own2), 200).status, "pending");
  assert.equal(ok(await by(third.api, own2), 200).status, "executed");
  assert.equal(await own.balance(account), 100_000 - 40);
}
