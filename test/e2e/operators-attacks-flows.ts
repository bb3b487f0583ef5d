import assert from "node:assert/strict";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { softwareAuthenticator } from "#factors/testing/software-authenticator.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Store } from "#storage/index.ts";
import { runOperatorCommand } from "#organisation-command-run.ts";
import { startApp } from "../support/app.ts";
import type { ApiObject, Client } from "../support/http-client.ts";
import { ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import type { Browser } from "./operators-kit.ts";
import { browserOf, invite, PASSWORD, person, signInAgain, totpCode } from "./operators-kit.ts";
import type { Stage } from "./stage.ts";

const NO_KEY = { idempotencyKey: null } as const;
const WRONG = "wrong tractor 9 sings";

/** What somebody tries who means ill, from outside and from within. */
export function operatorAttackFlows(stage: Stage): void {
  it("simultaneous guesses are no more than one after the other, also while answers are held back", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const who = await person(app, own, ["developer"]);
    const guess = () => browserOf(app).post("/v1/sessions", { organisation_id: own.id, email: who.email, password: WRONG });
    // Enough of a row that answers to unknown devices are slowed down.
    for (let n = 0; n < 22; n++) {
      refused(await guess(), "sign_in_refused");
      app.clock.advance(15 * 60_000);
    }
    const codes = (await Promise.all(Array.from({ length: 8 }, guess))).map(({ body }) => body.code);
    assert.equal(codes.filter((code) => code === "sign_in_refused").length, 1, codes.join(" "));
    assert.equal(codes.filter((code) => code === "too_many_failures").length, 7, codes.join(" "));
  });

  it("signing in by passkey costs the same whether there is such an operator or not", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const who = await person(app, own, ["developer"]);
    const invited = await invite(own, ["developer"]);
    const device = softwareAuthenticator();
    device.create(ok(await who.browser.post("/v1/operators/me/passkeys/options"), 201)["public_key"] as JsonObject);
    const costOf = async (email: string): Promise<number> => {
      const options = ok(await app.anonymous.get(`/v1/organisations/${own.id}/sign-in-options`), 200)["public_key"] as JsonObject;
      const passkey = device.get(options);
      const reads = countReads(app.store);
      refused(await browserOf(app).post("/v1/sessions", { organisation_id: own.id, email, passkey }), "sign_in_refused");
      return reads.end();
    };
    await costOf(who.email);
    app.clock.advance(60 * 60_000);
    const known = await costOf(who.email);
    assert.equal(await costOf("nobody@example.com"), known);
    assert.equal(await costOf(String(invited["email"])), known);
  });

  it("SOX-01 nobody takes over the key of an operator by giving it a new secret", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const who = await person(app, own, ["admin"]);
    const other = await person(app, own, ["admin"]);
    const made = ok(await who.browser.post("/v1/api-keys", { name: "Own" }), 201);
    const rotate = (by: Pick<Browser, "post">) => by.post(`/v1/api-keys/${made.id}/rotate`, { overlap_seconds: 0 });
    refused(await rotate(other.browser), "beyond_own_permissions");
    refused(await rotate({ post: (path, body) => own.api.post(path, body, NO_KEY) }), "beyond_own_permissions");
    const rotated = ok(await rotate(who.browser), 200);
    const again = ok(await own.api.as(rotated.secret).post(`/v1/api-keys/${made.id}/rotate`, { overlap_seconds: 0 }, NO_KEY), 200);
    // What anybody may do who manages keys is to end it.
    ok(await other.browser.post(`/v1/api-keys/${made.id}/revoke`), 200);
    refused(await own.api.as(again.secret).get("/v1/accounts"), "unauthenticated");
  });

  it("nobody comes back as two: of enabling an operator and inviting his address anew one goes through", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    for (let round = 0; round < 12; round++) {
      const gone = await invite(own, ["developer"]);
      const email = String(gone["email"]);
      ok(await own.api.post(`/v1/operators/${gone.id}/disable`, undefined, NO_KEY), 200);
      const answers = await Promise.all([
        own.api.post(`/v1/operators/${gone.id}/enable`, undefined, NO_KEY),
        own.api.post("/v1/operators", { name: "Anew", email, roles: ["developer"] }, NO_KEY),
      ]);
      const good = answers.filter(({ status }) => status < 300).length;
      assert.equal(good, 1, `${round}: ${answers.map(({ text }) => text).join("\n")}`);
    }
  });

  // On SQLite the data has one process.
  if (stage.options.store !== "sqlite")
    it("the same on two nodes, where one has decided before the other is through", async () => {
      const { app } = stage;
      const own = await app.newOrganisation();
      const gone = await invite(own, ["developer"]);
      const email = String(gone["email"]);
      ok(await own.api.post(`/v1/operators/${gone.id}/disable`, undefined, NO_KEY), 200);
      const other = await startApp({ ...stage.options, besides: app });
      try {
        const there = other.anonymous.as(own.apiKey);
        const between = beforeCommit(other.store, gone.id, () =>
          own.api.post("/v1/operators", { name: "Anew", email, roles: ["developer"] }, NO_KEY),
        );
        refused(await there.post(`/v1/operators/${gone.id}/enable`, undefined, NO_KEY), "email_taken");
        ok(await between, 201);
      } finally {
        await other.close();
      }
    });

  if (stage.options.store !== "sqlite")
    it("whoever has completed his session on one node is not turned away by another that knew it before", async () => {
      const { app } = stage;
      const own = await app.newOrganisation();
      const who = await person(app, own, ["developer"]);
      const other = await startApp({ ...stage.options, besides: app });
      try {
        const here = browserOf(app);
        const there = browserOf(other, here.cookies);
        ok(await here.post("/v1/sessions", { organisation_id: own.id, email: who.email, password: PASSWORD }), 201);
        assert.equal(ok(await there.get("/v1/sessions/current"), 200).status, "second_factor_required");
        const before = new Map(here.cookies);
        app.clock.advance(30_000);
        ok(await there.get("/v1/sessions/current"), 200);
        const code = totpCode(who.secret, app.clock);
        ok(await here.post("/v1/sessions/current/verify", { type: "totp", code }), 200);
        ok(await there.get("/v1/accounts"), 200);
        refused(await browserOf(other, before).get("/v1/sessions/current"), "unauthenticated");
        const change = { current_password: PASSWORD, new_password: "newer tractor 9 sings" };
        ok(await here.post("/v1/operators/me/password", change), 200);
        ok(await there.get("/v1/accounts"), 200);
      } finally {
        await other.close();
      }
    });

  it("from outside of the organisation's allow-list nobody signs in, comes, or finds out a password", async () => {
    const { app } = stage;
    // On SQLite the data has one process, so that it is a store of its own there.
    const besides = stage.options.store === "sqlite" ? {} : { besides: app };
    const proxied = await startApp({ ...stage.options, ...besides, trustedProxyHops: 1 });
    try {
      const own = await proxied.newOrganisation();
      const who = await person(proxied, own, ["developer"]);
      const invited = await invite(own, ["developer"]);
      ok(await own.api.patch("/v1/organisation", { ip_allowlist: ["127.0.0.1"] }), 200);
      const seen = await newestEvent(own.api);
      const outside = { "x-forwarded-for": "203.0.113.9" };
      const body = { organisation_id: own.id, email: who.email, password: PASSWORD };
      const elsewhere = browserOf(proxied);
      const right = await elsewhere.send("POST", "/v1/sessions", body, outside);
      const wrong = await elsewhere.send("POST", "/v1/sessions", { ...body, password: WRONG }, outside);
      refused(right, "sign_in_refused");
      assert.deepEqual({ ...right.body, request_id: "" }, { ...wrong.body, request_id: "" });
      const accept = { token: invited.token, password: PASSWORD };
      refused(await elsewhere.send("POST", "/v1/operator-invitations/accept", accept, outside), "ip_not_allowed");
      assert.equal(elsewhere.cookies.size, 0);
      await told(own.api, seen, "access.ip_refused", 3);
      ok(await browserOf(proxied).post("/v1/sessions", body), 201);
      ok(await browserOf(proxied).post("/v1/operator-invitations/accept", accept), 200);
    } finally {
      await proxied.close();
    }
  });

  it("AUD-08 every credential that was refused leaves an event", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const who = await person(app, own, ["developer"]);
    const invited = await invite(own, ["developer"]);
    const seen = await newestEvent(own.api);
    const change = { current_password: WRONG, new_password: "newer tractor 9 sings" };
    refused(await who.browser.post("/v1/operators/me/password", change), "sign_in_refused", "current_password");
    const token = `${invited.token.slice(0, -1)}${invited.token.endsWith("A") ? "B" : "A"}`;
    refused(await browserOf(app).post("/v1/operator-invitations/accept", { token, password: PASSWORD }), "invitation_invalid");
    const refusals = await told(own.api, seen, "session.refused", 2);
    const password = refusals.find((event) => event["object_id"] === who.id);
    assert.equal(password?.["operator_id"], who.id);
    assert.equal(detail(password, "operation"), "POST /v1/operators/me/password");
    const invitation = refusals.find((event) => event["object_id"] === invited.id);
    assert.equal(detail(invitation, "operation"), "POST /v1/operator-invitations/accept");
    assert.equal(detail(invitation, "method"), "invitation");
  });

  it("whoever is invited from the store is shown with the roles that he has", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const invited = await invite(own, ["developer"]);
    const asked = { organisationId: own.id as never, email: String(invited["email"]), name: "Administrator", roles: ["admin"] as const };
    const log = { rotateKey: () => Promise.reject(new Error("not asked for")) };
    const { text } = await runOperatorCommand({ ...app.deps, log }, { kind: "create-operator-invitation", asked }, "test");
    assert.match(text, new RegExp(`^operator {5}${invited.id} {3}${asked.email}, developer\n`));
    const [, token = ""] = /^invitation {3}(sfi_\S+) /m.exec(text) ?? [];
    assert.ok(
      text.includes(`curl -s $URL/v1/operator-invitations/accept`) && text.includes(`-d '{"token":"${token}",`),
      "and how it is accepted",
    );
    assert.match(text, /\$URL\/v1\/operators\/me\/totp/);
  });

  it("a network that has failed too often costs nothing any more", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const passkey = softwareAuthenticator();
    passkey.create(
      ok(await (await person(app, own, ["developer"])).browser.post("/v1/operators/me/passkeys/options"), 201)["public_key"] as JsonObject,
    );
    const answer = passkey.get(ok(await app.anonymous.get(`/v1/organisations/${own.id}/sign-in-options`), 200)["public_key"] as JsonObject);
    const attempt = (n: number) =>
      browserOf(app).post("/v1/sessions", { organisation_id: own.id, email: `nobody-${n}@example.com`, passkey: answer });
    app.clock.advance(60_000);
    for (let n = 0; n < 30; n++) refused(await attempt(n), "sign_in_refused");
    const reads = countReads(app.store);
    refused(await attempt(30), "too_many_failures");
    assert.equal(reads.end(), 0);
    app.clock.advance(60_000);
  });

  it("a first key is shown whatever becomes of the invitation beside it", async () => {
    const { app } = stage;
    const log = { rotateKey: () => Promise.reject(new Error("not asked for")) };
    const asked = { name: "Bank", environment: "test" as const, admin: `${"x".repeat(65)}@example.com` };
    const { text, warning } = await runOperatorCommand({ ...app.deps, log }, { kind: "create-organisation", asked }, "test");
    const [, key = ""] = /^api key {6}(sfk_\S+) /m.exec(text) ?? [];
    ok(await app.anonymous.as(key).get("/v1/operators"), 200);
    assert.match(warning ?? "", /nobody was invited: invalid_request/);
    assert.match(warning ?? "", /npm run create-operator-invitation/);
  });

  it("whoever cannot be signed in because the store takes no writes has guessed nothing, and comes in as soon as it does", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const who = await person(app, own, ["developer"]);
    const body = { organisation_id: own.id, email: who.email, password: PASSWORD };
    const store = app.store as { commit: Store["commit"] };
    const commit = store.commit.bind(app.store);
    store.commit = async (writes) =>
      writes.some((write) => write.op === "put" && write.item["operator_id"] === who.id)
        ? { outcome: "unavailable", cause: "the disk is full" }
        : commit(writes);
    for (let n = 0; n < 5; n++) refused(await browserOf(app).post("/v1/sessions", body), "store_unavailable");
    store.commit = commit;
    ok(await browserOf(app).post("/v1/sessions", body), 201);
  });

  it("the password of before is no way in after another was chosen, whatever session waits", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const who = await person(app, own, ["developer"]);
    const waiting = browserOf(app);
    ok(await waiting.post("/v1/sessions", { organisation_id: own.id, email: who.email, password: PASSWORD }), 201);
    const change = { current_password: PASSWORD, new_password: "newer tractor 9 sings" };
    const second = await signInAgain(app, own, who);
    ok(await second.post("/v1/operators/me/password", change), 200);
    refused(await waiting.get("/v1/sessions/current"), "unauthenticated");
  });
}

const detail = (event: ApiObject | undefined, name: string): unknown => (event?.["details"] as JsonObject | undefined)?.[name];

const POLLS = 200;

/** Waits for what is kept beside the answers. */
async function told(api: Client, seen: string | undefined, type: string, count: number): Promise<readonly ApiObject[]> {
  for (let poll = 0; poll < POLLS; poll++) {
    const events = (await eventsAfter(api, seen)).filter((event) => event["event_type"] === type);
    if (events.length >= count) return events;
    await sleep(10);
  }
  assert.fail(`fewer than ${count} events ${type}`);
}

/** Does something before a store commits the first change of an object, which is decided by then. @returns what it came to */
function beforeCommit<T>(store: Store, id: string, what: () => Promise<T>): Promise<T> {
  const commit = store.commit.bind(store);
  const done = Promise.withResolvers<T>();
  const changed = store as { commit: Store["commit"] };
  changed.commit = async (writes) => {
    if (writes.some((write) => write.op === "put" && write.item["id"] === id)) {
      changed.commit = commit;
      done.resolve(await what());
    }
    return commit(writes);
  };
  return done.promise;
}

/** Counts what is asked of a store, until the end. */
function countReads(store: Store): { end(): number } {
  const get = store.get.bind(store);
  const getMany = store.getMany.bind(store);
  let count = 0;
  const counted = store as { get: Store["get"]; getMany: Store["getMany"] };
  counted.get = (table, key) => {
    if (table.includes("operator") || table.includes("factor")) count += 1;
    return get(table, key);
  };
  counted.getMany = (keys) => {
    count += keys.filter(({ table }) => table.includes("operator") || table.includes("factor")).length;
    return getMany(keys);
  };
  return {
    end() {
      Object.assign(counted, { get, getMany });
      return count;
    },
  };
}
