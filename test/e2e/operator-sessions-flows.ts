import assert from "node:assert/strict";
import { it } from "node:test";
import { startApp } from "../support/app.ts";
import { ok, refused } from "../support/http-client.ts";
import { browserOf, enrolTotp, invite, PASSWORD, person, signInAgain } from "./operators-kit.ts";
import type { Stage } from "./stage.ts";

const MINUTE = 60_000;

/** How long sessions last, how they end, and what guards them. */
export function operatorSessionFlows(stage: Stage): void {
  it("SCA-04 a session ends without a request for its idle time, and after its full time in any case", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const who = await person(app, own, ["developer"]);
    app.clock.advance(14 * MINUTE);
    ok(await who.browser.get("/v1/accounts"), 200);
    app.clock.advance(14 * MINUTE);
    ok(await who.browser.get("/v1/accounts"), 200);
    app.clock.advance(15 * MINUTE);
    refused(await who.browser.get("/v1/accounts"), "unauthenticated");
    refused(await who.browser.get("/v1/accounts"), "unauthenticated");
    const again = await signInAgain(app, own, who);
    for (let minutes = 0; minutes < 8 * 60 - 10; minutes += 10) {
      ok(await again.get("/v1/accounts"), 200);
      app.clock.advance(10 * MINUTE);
    }
    ok(await again.get("/v1/accounts"), 200);
    app.clock.advance(10 * MINUTE);
    refused(await again.get("/v1/accounts"), "unauthenticated");
  });

  it("the organisation chooses both limits within bounds", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const who = await person(app, own, ["developer"]);
    assert.deepEqual(ok(await own.api.get("/v1/session-policy"), 200), {
      object: "session_policy",
      idle_minutes: 15,
      absolute_minutes: 480,
      version: 1,
      updated_at: null,
    });
    for (const wrong of [{ idle_minutes: 0 }, { idle_minutes: 61 }, { absolute_minutes: 14 }, { absolute_minutes: 1441 }])
      refused(await own.api.patch("/v1/session-policy", wrong), "invalid_request");
    refused(await own.api.patch("/v1/session-policy", { idle_minutes: 60, absolute_minutes: 15 }), "invalid_request", "idle_minutes");
    // Two who have both seen what nobody had set yet do not overwrite each other.
    const { etag = "" } = (await own.api.get("/v1/session-policy")).headers;
    ok(await own.api.patch("/v1/session-policy", { idle_minutes: 5, absolute_minutes: 15 }, { headers: { "if-match": etag } }), 200);
    refused(await own.api.patch("/v1/session-policy", { idle_minutes: 6 }, { headers: { "if-match": etag } }), "version_conflict");
    refused(await own.api.patch("/v1/session-policy", { idle_minutes: 6 }, { headers: { "if-match": '"7"' } }), "version_conflict");
    app.clock.advance(4 * MINUTE);
    ok(await who.browser.get("/v1/accounts"), 200);
    app.clock.advance(5 * MINUTE);
    refused(await who.browser.get("/v1/accounts"), "unauthenticated");
  });

  it("signing out ends one session, signing out everywhere all, and others can be ended from afar", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const who = await person(app, own, ["developer"]);
    const second = await signInAgain(app, own, who);
    const third = await signInAgain(app, own, who);
    ok(await third.delete("/v1/sessions/current"), 200);
    assert.equal(third.cookies.has("smartfinance-session"), false);
    refused(await third.get("/v1/sessions/current"), "unauthenticated");
    const stranger = await person(app, own, ["developer"]);
    const first = ok(await who.browser.get("/v1/sessions/current"), 200).id;
    refused(await stranger.browser.delete(`/v1/sessions/${first}`), "not_found");
    ok(await second.delete(`/v1/sessions/${first}`), 200);
    refused(await second.delete(`/v1/sessions/${first}`), "session_status_conflict");
    refused(await who.browser.get("/v1/accounts"), "unauthenticated");
    const listed = ok(await second.get("/v1/sessions"), 200).data;
    assert.deepEqual(
      listed.map(({ status, end_reason }) => [status, end_reason]),
      [
        ["ended", "signed_out"],
        ["active", null],
        ["ended", "revoked"],
      ],
    );
    const fourth = await signInAgain(app, own, who);
    ok(await fourth.post("/v1/sessions/end-all"), 200);
    refused(await second.get("/v1/accounts"), "unauthenticated");
    refused(await fourth.get("/v1/accounts"), "unauthenticated");
    const last = await signInAgain(app, own, who);
    ok(await own.api.post(`/v1/operators/${who.id}/sessions/revoke`, undefined, { idempotencyKey: null }), 200);
    refused(await last.get("/v1/accounts"), "unauthenticated");
    assert.ok(ok(await own.api.get(`/v1/operators/${who.id}/sessions`), 200).data.every(({ status }) => status === "ended"));
  });

  it("a change of the password ends the other sessions and needs the old one", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const who = await person(app, own, ["developer"]);
    const second = await signInAgain(app, own, who);
    const change = (current_password: string, new_password = "newer tractor 9 sings") =>
      second.post("/v1/operators/me/password", { current_password, new_password });
    refused(await change("wrong tractor 9 sings"), "sign_in_refused", "current_password");
    refused(await change(PASSWORD, "short"), "password_not_allowed", "new_password");
    ok(await change(PASSWORD), 200);
    refused(await who.browser.get("/v1/accounts"), "unauthenticated");
    ok(await second.get("/v1/accounts"), 200);
    for (let n = 0; n < 3; n++) refused(await change(PASSWORD), "sign_in_refused");
    const blocked = await change(PASSWORD);
    refused(blocked, "too_many_failures");
    assert.equal(blocked.headers["retry-after"], "1");
  });

  it("guessing is slowed down for whoever guesses, and never for a device that has signed in before", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const who = await person(app, own, ["developer"]);
    const body = { organisation_id: own.id, email: who.email, password: "wrong tractor 9 sings" };
    for (let n = 0; n < 3; n++) refused(await browserOf(app).post("/v1/sessions", body), "sign_in_refused");
    const delays: string[] = [];
    for (let n = 0; n < 5; n++) {
      const answer = await browserOf(app).post("/v1/sessions", body);
      refused(answer, "too_many_failures");
      const seconds = String(answer.headers["retry-after"]);
      delays.push(seconds);
      app.clock.advance(Number(seconds) * 1_000);
      refused(await browserOf(app).post("/v1/sessions", body), "sign_in_refused");
    }
    assert.deepEqual(delays, ["1", "2", "4", "8", "16"]);
    // From the very same address: the cookie of the device has a count of its own, which a stranger cannot fill.
    const known = browserOf(app, new Map([["smartfinance-device", who.browser.cookies.get("smartfinance-device") ?? ""]]));
    ok(await known.post("/v1/sessions", { ...body, password: PASSWORD }), 201);
    // Whoever makes up a device is none.
    refused(
      await browserOf(app, new Map([["smartfinance-device", "A".repeat(43)]])).post("/v1/sessions", { ...body, password: PASSWORD }),
      "too_many_failures",
    );
  });

  it("cookies are not for scripts and other sites, and a key beside one is refused", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const invited = await invite(own, ["developer"]);
    const browser = browserOf(app);
    const answer = await browser.post("/v1/operator-invitations/accept", { token: invited.token, password: PASSWORD });
    ok(answer, 200);
    assert.equal(answer.headers["set-cookie"]?.length, 1, "a device is known only once it has signed in");
    for (const cookie of answer.headers["set-cookie"] ?? [])
      assert.match(cookie, /; Path=\/; HttpOnly; SameSite=Strict$|; Max-Age=15552000; Path=\/; HttpOnly; SameSite=Strict$/);
    await enrolTotp(browser, app.clock);
    refused(await browser.send("GET", "/v1/accounts", undefined, { "x-api-key": own.apiKey }), "two_credentials");
    for (const token of ["", "x", "01M82BHM94EKAVVN1J472JCKY4.x", `01M82BHM94EKAVVN1J472JCKY4.${"A".repeat(43)}`])
      refused(await browserOf(app, new Map([["smartfinance-session", token]])).get("/v1/accounts"), "unauthenticated");
    const mine = browser.cookies.get("smartfinance-session") ?? "";
    const last = mine.endsWith("A") ? "B" : "A";
    refused(await browserOf(app, new Map([["smartfinance-session", mine.slice(0, -1) + last]])).get("/v1/accounts"), "unauthenticated");
    // Signing in is for pages of this origin, too: nobody is to work in a session that another gave him.
    for (const headers of [{ "sec-fetch-site": "cross-site" }, { "sec-fetch-site": undefined, origin: "https://evil.example" }]) {
      refused(
        await browserOf(app).send("POST", "/v1/sessions", { organisation_id: own.id, email: "a@b.example", password: PASSWORD }, headers),
        "cross_site_request",
      );
      refused(
        await browserOf(app).send("POST", "/v1/operator-invitations/accept", { token: "x", password: PASSWORD }, headers),
        "cross_site_request",
      );
    }
    refused(
      await browserOf(app).send(
        "POST",
        "/v1/sessions",
        { organisation_id: own.id, email: "a@b.example", password: PASSWORD },
        { "sec-fetch-site": undefined, origin: app.url },
      ),
      "sign_in_refused",
    );
  });

  // On SQLite the data has one process.
  if (stage.options.store !== "sqlite")
    it("SOX-08 a change on one node holds on another within five seconds", async () => {
      const { app } = stage;
      const own = await app.newOrganisation();
      const other = await startApp({ ...stage.options, besides: app });
      try {
        const who = await person(app, own, ["developer"]);
        const elsewhere = browserOf(other, who.browser.cookies);
        ok(await elsewhere.get("/v1/accounts"), 200);
        ok(await own.api.post(`/v1/operators/${who.id}/disable`, undefined, { idempotencyKey: null }), 200);
        app.clock.advance(5_000);
        refused(await elsewhere.get("/v1/accounts"), "unauthenticated");
        ok(await own.api.post(`/v1/operators/${who.id}/enable`, undefined, { idempotencyKey: null }), 200);
        const again = await signInAgain(app, own, who);
        const there = browserOf(other, again.cookies);
        // What one node saw, the other knows, at most a minute behind.
        for (let n = 0; n < 3; n++) {
          app.clock.advance(10 * MINUTE);
          ok(await again.get("/v1/accounts"), 200);
          await app.app.maintain();
          app.clock.advance(4 * MINUTE);
          ok(await there.get("/v1/accounts"), 200);
        }
      } finally {
        await other.close();
      }
    });

  it("a stream of events goes with a session, ends with it, and does not keep it alive", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const who = await person(app, own, ["developer"]);
    const opened = await who.browser.get("/v1/events/stream");
    assert.equal(opened.status, 200);
    assert.match(String(opened.headers["content-type"]), /event-stream/);
    app.clock.advance(15 * MINUTE);
    refused(await who.browser.get("/v1/events/stream"), "unauthenticated");
    const again = await signInAgain(app, own, who);
    ok(await again.get("/v1/events"), 200);
  });
}
