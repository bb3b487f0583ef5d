import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { softwareAuthenticator } from "#factors/testing/software-authenticator.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Organisation } from "#test/support/app.ts";
import { newSession, organisationWithPages, postSession, RETURN_ORIGIN, sessionOf } from "#test/support/hosted-pages.ts";
import type { Answer, ApiObject, CallOptions } from "#test/support/http-client.ts";
import { ok, refused } from "#test/support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import { person } from "./operators-kit.ts";
import type { Stage } from "./stage.ts";

const PARALLEL = 20;

/** The pages as a browser asks for them, without one: what each says of itself is in the headers. */
export function hostedFlows(stage: Stage): void {
  const headers = { "sec-fetch-site": "same-origin" };
  const call = (path: string, body: unknown, more: CallOptions["headers"] = {}): Promise<Answer> =>
    stage.app.anonymous.post(path, body, { idempotencyKey: null, headers: { ...headers, ...more } });
  const open = (url: string, more?: CallOptions["headers"]): Promise<Answer> =>
    call("/hosted/open", { token: new URL(url).hash.slice(1) }, more);
  const cookieOf = (answer: Answer): string => String(answer.headers["set-cookie"]?.[0]).split(";")[0] ?? "";
  const page = (id: string, cookie?: string, more: CallOptions["headers"] = {}): Promise<Answer> =>
    stage.app.anonymous.get(`/hosted/${id}`, { headers: { ...(cookie === undefined ? {} : { cookie }), ...more } });

  async function opened(own: Organisation, user_id: string): Promise<{ readonly id: string; readonly cookie: string }> {
    const session = await newSession(own, { user_id, purpose: "enrol" });
    return { id: session.id, cookie: cookieOf(await open(session.url)) };
  }

  describe("hosted sessions", () => {
    it("are made for a customer, shown without their secret, and told by events", async () => {
      const own = await organisationWithPages(stage.app);
      const user_id = await own.user();
      const seen = await newestEvent(own.api);
      const made = await newSession(own, { user_id, purpose: "enrol" });
      const { url, ...session } = made;
      assert.deepEqual(await sessionOf(own, made.id), session);
      assert.deepEqual([session.status, session["result"], session["authentication_id"]], ["created", null, null]);
      assert.equal(Date.parse(String(session["expires_at"])) - Date.parse(String(session["created_at"])), 600_000);
      const cookie = cookieOf(await open(url));
      ok(await call(`/hosted/${made.id}/finish`, {}, { cookie }), 200);
      const told = await eventsAfter(own.api, seen);
      assert.deepEqual(
        told.map((event) => [event["event_type"], event["object_id"], event["user_id"], event["api_key_id"]]),
        [
          ["hosted_session.created", made.id, user_id, own.apiKeyId],
          ["hosted_session.opened", made.id, user_id, null],
          ["hosted_session.completed", made.id, user_id, null],
        ],
      );
      const secret = new URL(url).hash.split(".")[1] ?? "";
      const stored = JSON.stringify(await stage.app.store.get("smartfinance-hosted-sessions", { hash: made.id }));
      for (const text of [stored, JSON.stringify(told), stage.app.log.join("")])
        assert.ok(!text.includes(secret) && !text.includes(cookie.split("=")[1] ?? "?"), "a secret was kept");
    });

    it("are refused for strangers' customers and for places that nobody named", async () => {
      const own = await organisationWithPages(stage.app);
      const other = await organisationWithPages(stage.app);
      const user_id = await own.user();
      refused(await postSession(other, { user_id, purpose: "enrol" }), "user_not_found", "user_id");
      for (const return_url of [
        "https://evil.example/",
        "http://app.example.com/",
        `${RETURN_ORIGIN}.evil.example/`,
        "javascript:alert(1)",
        "https://a@app.example.com/",
        `blob:${RETURN_ORIGIN}/0d9c3c1e-2b1f-4b52-9c8e-6b7f3f0a1c2d`,
      ])
        refused(await postSession(own, { user_id, purpose: "enrol", return_url }), "invalid_request", "return_url");
      refused(await postSession(own, { user_id, purpose: "approve" }), "missing_field", "authentication_id");
      const authentication_id = "aut_01J0000000000000000000000B";
      refused(await postSession(own, { user_id, purpose: "approve", authentication_id }), "invalid_request", "authentication_id");
      refused(await postSession(own, { user_id, purpose: "enrol", authentication_id }), "invalid_request", "authentication_id");
      const asked = { user_id, purpose: "enrol", return_url: RETURN_ORIGIN };
      refused(await own.api.post("/v1/hosted-sessions", asked), "idempotency_key_not_taken");
      ok(await own.api.post(`/v1/users/${user_id}/close`), 200);
      refused(await postSession(own, { user_id, purpose: "enrol" }), "user_not_active", "user_id");
      const { id } = await newSession(own, { user_id: await own.user(), purpose: "enrol" });
      refused(await other.api.get(`/v1/hosted-sessions/${id}`), "not_found");
      refused(
        await own.api.patch("/v1/organisation", { pages_return_origins: ["https://app.example.com/path"] }),
        "invalid_request",
        "pages_return_origins.0",
      );
      refused(await own.api.patch("/v1/organisation", { pages_primary_color: "#ffff00" }), "invalid_request", "pages_primary_color");
    });

    it("a link opens once, of twenty tries at the same time as well", async () => {
      const own = await organisationWithPages(stage.app);
      const { id, url } = await newSession(own, { user_id: await own.user(), purpose: "enrol" });
      const answers = await Promise.all(Array.from({ length: PARALLEL }, () => open(url)));
      const good = answers.filter(({ status }) => status === 200);
      assert.equal(good.length, 1);
      for (const answer of answers.filter(({ status }) => status !== 200)) {
        assert.ok(["hosted_session_ended", "contention"].includes(answer.body.code), answer.text);
        assert.equal(answer.headers["set-cookie"], undefined);
      }
      const [first] = good;
      assert.ok(first !== undefined);
      assert.match(String(first.headers["set-cookie"]), new RegExp(`^${id}=[\\w-]{43}; Path=/; Max-Age=600; HttpOnly; SameSite=Strict$`));
      assert.equal((await page(id, cookieOf(first))).status, 200);
      refused(await open(url), "hosted_session_ended");
    });

    it("wrong tokens and cookies all read the same, and a cookie is good for its own session only", async () => {
      const own = await organisationWithPages(stage.app);
      const user_id = await own.user();
      const { id, url } = await newSession(own, { user_id, purpose: "enrol" });
      const token = new URL(url).hash.slice(1);
      const other = await opened(own, user_id);
      const told = new Set<string>();
      for (const wrong of [
        "",
        "x",
        `${token}x`,
        token.slice(0, -1),
        `${id}.${"A".repeat(43)}`,
        `${other.id}.${token.split(".")[1]}`,
        `hps_01J0000000000000000000000B.${"A".repeat(43)}`,
      ]) {
        const answer = await call("/hosted/open", { token: wrong });
        refused(answer, "hosted_session_ended");
        told.add(JSON.stringify({ ...answer.body, request_id: "" }));
      }
      assert.equal(told.size, 1);
      const mine = cookieOf(await open(url));
      const swapped = `${id}=${other.cookie.split("=")[1]}`;
      for (const cookie of [undefined, other.cookie, swapped, `${id}=`, `${id}=${"A".repeat(43)}`]) {
        const answer = await page(id, cookie);
        assert.equal(answer.status, 410);
        assert.match(answer.text, /This link cannot be used any more/);
        refused(await call(`/hosted/${id}/finish`, {}, cookie === undefined ? {} : { cookie }), "hosted_session_ended");
      }
      assert.equal((await sessionOf(own, id)).status, "opened");
      assert.equal((await page(id, mine)).status, 200);
    });

    it("nothing is done for pages of other origins, nor for what does not say where it comes from", async () => {
      const own = await organisationWithPages(stage.app);
      const { id, url } = await newSession(own, { user_id: await own.user(), purpose: "enrol" });
      const foreign: readonly CallOptions["headers"][] = [
        { "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "same-site" },
        { "sec-fetch-site": "none" },
        { "sec-fetch-site": undefined, origin: "https://evil.example" },
        { "sec-fetch-site": undefined, origin: "null" },
        { "sec-fetch-site": undefined },
      ];
      for (const more of foreign) refused(await open(url, more), "cross_site_request");
      const cookie = cookieOf(await open(url));
      for (const more of foreign)
        for (const path of ["finish", "passkeys/options", "totp"])
          refused(await call(`/hosted/${id}/${path}`, {}, { ...more, cookie }), "cross_site_request");
      assert.equal((await sessionOf(own, id)).status, "opened");
      const host = new URL(stage.app.url).host;
      ok(await call(`/hosted/${id}/finish`, {}, { "sec-fetch-site": undefined, origin: `http://${host}`, cookie }), 200);
    });

    it("one for enrolling approves nothing, and one that is over does nothing", async () => {
      const own = await organisationWithPages(stage.app);
      const { id, cookie } = await opened(own, await own.user());
      for (const path of ["approval/options", "decline"])
        refused(await call(`/hosted/${id}/${path}`, {}, { cookie }), "hosted_session_ended");
      const first = ok(await call(`/hosted/${id}/finish`, {}, { cookie }), 200);
      assert.equal(first["result"], "cancelled");
      for (const path of ["finish", "passkeys/options", "totp", "proof/options"])
        refused(await call(`/hosted/${id}/${path}`, {}, { cookie }), "hosted_session_ended");
    });

    it("what nobody finished in time expires, is told once, and cannot be opened", async () => {
      const own = await organisationWithPages(stage.app);
      const user_id = await own.user();
      const unopened = await newSession(own, { user_id, purpose: "enrol" });
      const left = await opened(own, user_id);
      const done = await opened(own, user_id);
      ok(await call(`/hosted/${done.id}/finish`, {}, { cookie: done.cookie }), 200);
      const seen = await newestEvent(own.api);
      stage.app.clock.advance(600_000);
      refused(await call(`/hosted/${left.id}/finish`, {}, { cookie: left.cookie }), "hosted_session_ended");
      assert.equal((await page(left.id, left.cookie)).status, 410);
      refused(await open(unopened.url), "hosted_session_ended");
      await stage.app.app.maintain();
      await stage.app.app.maintain();
      const told = (await eventsAfter(own.api, seen))
        .map((event) => [event["event_type"], event["object_id"]])
        .filter(([type]) => String(type).startsWith("hosted_session."));
      assert.deepEqual([told.length, told.map(([type]) => type)], [2, ["hosted_session.expired", "hosted_session.expired"]]);
      assert.deepEqual(new Set(told.map(([, id]) => id)), new Set([left.id, unopened.id]));
      assert.deepEqual([(await sessionOf(own, left.id)).status, (await sessionOf(own, done.id)).status], ["expired", "completed"]);
    });

    it("nobody is sent to an origin that was taken back during the visit", async () => {
      const own = await organisationWithPages(stage.app);
      const user_id = await own.user();
      const early = await opened(own, user_id);
      const late = await opened(own, user_id);
      assert.match(String(ok(await call(`/hosted/${early.id}/finish`, {}, { cookie: early.cookie }), 200)["return_url"]), /^https:/);
      assert.ok((await page(early.id, early.cookie)).text.includes(`href="${RETURN_ORIGIN}/`));
      ok(await own.api.patch("/v1/organisation", { pages_return_origins: ["https://other.example.com"] }), 200);
      assert.ok(!(await page(early.id, early.cookie)).text.includes(RETURN_ORIGIN));
      const done = ok(await call(`/hosted/${late.id}/finish`, {}, { cookie: late.cookie }), 200);
      assert.deepEqual([done["result"], done["return_url"]], ["cancelled", null]);
      assert.equal((await sessionOf(own, late.id)).status, "completed");
    });

    it("WA-04 where payments take device-bound passkeys only, the page takes no others", async () => {
      const own = await organisationWithPages(stage.app);
      ok(await own.api.send("PUT", "/v1/sca/policy", JSON.stringify({ sca: "psd2", device_bound: true })), 200);
      const { id, cookie } = await opened(own, await own.user());
      const add = async (synced: boolean): Promise<Answer> => {
        const options = ok(await call(`/hosted/${id}/passkeys/options`, {}, { cookie }), 201)["public_key"] as JsonObject;
        return call(`/hosted/${id}/passkeys`, { response: softwareAuthenticator({ synced }).create(options) }, { cookie });
      };
      refused(await add(true), "passkey_not_device_bound");
      assert.equal(ok(await add(false), 201)["device_bound"], true);
    });

    it("SCA-04 a visit in which nothing is done for five minutes is over, and one in use goes on", async () => {
      const own = await organisationWithPages(stage.app);
      const user_id = await own.user();
      const left = await opened(own, user_id);
      const used = await opened(own, user_id);
      const act = ({ id, cookie }: typeof used) => call(`/hosted/${id}/passkeys/options`, {}, { cookie });
      stage.app.clock.advance(270_000);
      ok(await act(used), 201);
      stage.app.clock.advance(30_000);
      refused(await act(left), "hosted_session_ended");
      assert.equal((await page(left.id, left.cookie)).status, 410);
      assert.equal((await sessionOf(own, left.id)).status, "expired");
      stage.app.clock.advance(240_000);
      assert.equal((await page(used.id, used.cookie)).status, 200);
      assert.equal(ok(await call(`/hosted/${used.id}/finish`, {}, { cookie: used.cookie }), 200)["result"], "cancelled");
      // However much is done, ten minutes after it was made it is over.
      const busy = await opened(own, user_id);
      for (let minute = 0; minute < 9; minute++) {
        stage.app.clock.advance(60_000);
        ok(await act(busy), 201);
      }
      stage.app.clock.advance(60_000);
      refused(await act(busy), "hosted_session_ended");
    });

    it("pages come with a policy, speak the browser's language, and name the organisation safely", async () => {
      const own = await organisationWithPages(stage.app, { pages_display_name: '<b>"Acme" & Söhne</b>', pages_color_scheme: "dark" });
      const { id, cookie } = await opened(own, await own.user());
      const answer = await page(id, cookie, { "accept-language": "de-AT" });
      const policy = String(answer.headers["content-security-policy"]);
      for (const part of [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "form-action 'self'",
        "base-uri 'none'",
      ])
        assert.ok(policy.split("; ").includes(part), part);
      assert.deepEqual(
        [answer.headers["cache-control"], answer.headers["referrer-policy"], answer.headers["x-frame-options"]],
        ["no-store", "no-referrer", "DENY"],
      );
      assert.match(answer.text, /<html lang="de" data-scheme="dark">/);
      assert.ok(!answer.text.includes("<b>") && answer.text.includes("&lt;b&gt;&quot;Acme&quot; &amp; Söhne&lt;/b&gt;"));
      assert.ok(!/<style|\sstyle=|<script>|\son\w+="/.test(answer.text));
      const theme = await stage.app.anonymous.get(`/hosted/${id}/theme.css`, { headers: { cookie } });
      assert.equal(theme.headers["content-type"], "text/css; charset=utf-8");
      ok(await own.api.patch("/v1/organisation", { pages_primary_color: "#0B5D3B" }), 200);
      assert.match((await stage.app.anonymous.get(`/hosted/${id}/theme.css`, { headers: { cookie } })).text, /--brand:#0b5d3b/);
      assert.doesNotMatch((await stage.app.anonymous.get(`/hosted/${id}/theme.css`)).text, /#0b5d3b/, "strangers learn no theme");
      const script = await stage.app.anonymous.get("/hosted/assets/simplewebauthn.js");
      const again = await stage.app.anonymous.get("/hosted/assets/simplewebauthn.js", {
        headers: { "if-none-match": String(script.headers.etag) },
      });
      assert.deepEqual([script.status, again.status, again.text], [200, 304, ""]);
      refused(await stage.app.anonymous.get("/hosted/assets/nothing.js"), "not_found");
    });

    it("an operator makes none, whatever the roles: it would be a way into a customer's account", async () => {
      const own = await organisationWithPages(stage.app);
      const admin = await person(stage.app, own, ["admin"]);
      const asked = { user_id: await own.user(), purpose: "enrol", return_url: RETURN_ORIGIN };
      refused(await admin.browser.send("POST", "/v1/hosted-sessions", asked, { "idempotency-key": undefined }), "beyond_own_permissions");
    });

    it("a visit ends at once with the key it was made with, and with its customer", async () => {
      const own = await organisationWithPages(stage.app);
      const user_id = await own.user();
      const made = ok(
        await own.api.post("/v1/api-keys", { name: "App", scopes: ["hosted_sessions:write"] }, { idempotencyKey: null }),
        201,
      );
      const app: Organisation = { ...own, api: own.api.as(made.secret) };
      const waiting = await newSession(app, { user_id, purpose: "enrol" });
      const visit = await opened(app, user_id);
      assert.equal((await page(visit.id, visit.cookie)).status, 200);
      ok(await own.api.post(`/v1/api-keys/${made.id}/revoke`), 200);
      refused(await open(waiting.url), "hosted_session_ended");
      assert.equal((await page(visit.id, visit.cookie)).status, 410);
      refused(await call(`/hosted/${visit.id}/passkeys/options`, {}, { cookie: visit.cookie }), "hosted_session_ended");
      const other = await opened(own, user_id);
      ok(await own.api.post(`/v1/users/${user_id}/close`), 200);
      refused(await call(`/hosted/${other.id}/passkeys/options`, {}, { cookie: other.cookie }), "hosted_session_ended");
    });

    it("SOX-08 and with the operator whose key it was, and when that key has run out or lost the right", async () => {
      const own = await organisationWithPages(stage.app);
      const user_id = await own.user();
      const admin = await person(stage.app, own, ["admin"]);
      const make = async (more: object): Promise<ApiObject> =>
        ok(await admin.browser.send("POST", "/v1/api-keys", { name: "App", scopes: ["hosted_sessions:write"], ...more }), 201);
      const keys = [
        await make({}),
        await make({}),
        await make({ expires_at: new Date(stage.app.clock.now() + 120_000).toISOString() }),
      ] as const;
      const visits: { readonly waiting: { readonly url: string }; readonly visit: { readonly id: string; readonly cookie: string } }[] = [];
      for (const { secret } of keys) {
        const app: Organisation = { ...own, api: own.api.as(secret) };
        const waiting = await newSession(app, { user_id, purpose: "enrol" });
        visits.push({ waiting, visit: await opened(app, user_id) });
      }
      const ended = async (n: number): Promise<void> => {
        const { waiting, visit } = visits[n] ?? assert.fail();
        refused(await open(waiting.url), "hosted_session_ended");
        assert.equal((await page(visit.id, visit.cookie)).status, 410);
        refused(await call(`/hosted/${visit.id}/passkeys/options`, {}, { cookie: visit.cookie }), "hosted_session_ended");
      };
      for (const { visit } of visits) assert.equal((await page(visit.id, visit.cookie)).status, 200);
      ok(await own.api.patch(`/v1/api-keys/${keys[1].id}`, { scopes: ["users:read"] }), 200);
      await ended(1);
      stage.app.clock.advance(120_000);
      await ended(2);
      const { visit } = visits[0] ?? assert.fail();
      assert.equal((await page(visit.id, visit.cookie)).status, 200);
      ok(await own.api.post(`/v1/operators/${admin.id}/disable`), 200);
      await ended(0);
    });

    it("a visit can do only so much", async () => {
      const own = await organisationWithPages(stage.app);
      const { id, cookie } = await opened(own, await own.user());
      const codes: string[] = [];
      for (let n = 0; n < 101; n++) codes.push((await call(`/hosted/${id}/proof/options`, {}, { cookie })).body.code);
      assert.equal(codes.filter((code) => code === "no_factor").length, 100);
      assert.equal(codes.at(-1), "rate_limited");
    });

    it("SCA-01 SCA-05 a passkey enrolled on the page approves on the page what was shown, and a signature of something else does not", async () => {
      const own = await organisationWithPages(stage.app);
      ok(await own.api.send("PUT", "/v1/sca/policy", JSON.stringify({ sca: "psd2" })), 200);
      const user_id = await own.user();
      const device = softwareAuthenticator();
      const enrol = await opened(own, user_id);
      const options = ok(await call(`/hosted/${enrol.id}/passkeys/options`, {}, { cookie: enrol.cookie }), 201)["public_key"] as JsonObject;
      ok(await call(`/hosted/${enrol.id}/passkeys`, { response: device.create(options) }, { cookie: enrol.cookie }), 201);
      assert.equal(ok(await call(`/hosted/${enrol.id}/finish`, {}, { cookie: enrol.cookie }), 200)["result"], "enrolled");

      const from = await own.account({ userId: user_id, balance: 100_000 });
      const to = await own.account();
      const transfer = (await own.transfer(from, to, 12_350)).body;
      assert.equal(transfer.status, "requires_action");
      const asked = { user_id, purpose: "payment", transaction_id: transfer.id, payee_name: "Ada" };
      const authentication_id = ok(await own.api.post("/v1/authentications", asked), 201).id;
      const session = await newSession(own, { user_id, purpose: "approve", authentication_id });
      const cookie = cookieOf(await open(session.url));
      const shown = await page(session.id, cookie);
      const request = ok(await call(`/hosted/${session.id}/approval/options`, {}, { cookie }), 200)["options"] as JsonObject;
      assert.ok(
        shown.text.includes(`data-challenge="${String(request["challenge"])}"`) &&
          shown.text.includes("123.50") &&
          shown.text.includes("Ada"),
      );
      const approve = (response: JsonObject) => call(`/hosted/${session.id}/approval`, { response }, { cookie });
      refused(await approve(device.get(request, { challenge: Buffer.alloc(32).toString("base64url") })), "authentication_failed");
      refused(await approve(device.get(request, { uv: false })), "authentication_failed");
      refused(await approve(device.get(request, { origin: "https://evil.example" })), "authentication_failed");
      assert.equal(await own.balance(to), 0);
      const answer = device.get(request);
      const tries = await Promise.all(Array.from({ length: PARALLEL }, () => approve(answer)));
      assert.equal(await own.balance(to), 12_350, "the payment posted once");
      assert.ok(
        tries.some(({ status }) => status === 200),
        tries.map(({ text }) => text).join("\n"),
      );
      assert.deepEqual(
        [(await sessionOf(own, session.id)).status, (await sessionOf(own, session.id))["result"]],
        ["completed", "approved"],
      );
      assert.match((await page(session.id, cookie)).text, /<h1>Approved<\/h1>/);
    });
  });
}
