import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { softwareAuthenticator } from "#factors/testing/software-authenticator.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Organisation, TestApp } from "#test/support/app.ts";
import { startApp } from "#test/support/app.ts";
import { newSession, organisationWithPages, sessionOf } from "#test/support/hosted-pages.ts";
import type { Answer } from "#test/support/http-client.ts";
import { ok, refused } from "#test/support/http-client.ts";
import { payerOf } from "./sca-kit.ts";

describe("what hosted pages tell of what happens beside them", () => {
  let app: TestApp;
  let own: Organisation;

  before(async () => {
    app = await startApp({ store: "memory" });
    own = await organisationWithPages(app);
    ok(await own.api.send("PUT", "/v1/sca/policy", JSON.stringify({ sca: "psd2" })), 200);
  });
  after(() => app.close());

  const call = (path: string, body: unknown, cookie = ""): Promise<Answer> =>
    app.anonymous.post(path, body, { idempotencyKey: null, headers: { "sec-fetch-site": "same-origin", cookie } });
  const page = (id: string, cookie: string): Promise<Answer> => app.anonymous.get(`/hosted/${id}`, { headers: { cookie } });
  const opened = async (url: string): Promise<string> => {
    const answer = await call("/hosted/open", { token: new URL(url).hash.slice(1) });
    return String(answer.headers["set-cookie"]?.[0]).split(";")[0] ?? "";
  };

  it("nobody is told to have declined a payment that another authentication has approved", async () => {
    const payer = await payerOf(own);
    const paid = await payer.pay(12_345);
    assert.equal(paid.body.status, "requires_action", paid.text);
    const asked = { purpose: "payment", transaction_id: paid.body.id };
    const [first, second] = [ok(await payer.ask(asked), 201), ok(await payer.ask(asked), 201)];
    const { id, url } = await newSession(own, { user_id: payer.userId, purpose: "approve", authentication_id: second.id });
    const cookie = await opened(url);
    assert.match((await page(id, cookie)).text, /Approve this payment\?/);
    ok(await payer.answer(first), 200);
    assert.equal(await own.balance(payer.payee), 12_345);
    refused(await call(`/hosted/${id}/decline`, {}, cookie), "authentication_not_usable");
    const shown = await page(id, cookie);
    assert.match(shown.text, /There is nothing to approve any more/);
    assert.match(shown.text, /result=cancelled/);
    assert.equal((await sessionOf(own, id))["result"], null);
  });

  it("declining is not said to be the end of the payment: another holder of the account may approve it all the same", async () => {
    const payer = await payerOf(own);
    const paid = await payer.pay(500);
    const authentication_id = ok(await payer.ask({ purpose: "payment", transaction_id: paid.body.id }), 201).id;
    const { id, url } = await newSession(own, { user_id: payer.userId, purpose: "approve", authentication_id });
    const cookie = await opened(url);
    assert.equal(ok(await call(`/hosted/${id}/decline`, {}, cookie), 200)["result"], "declined");
    const shown = await page(id, cookie);
    assert.match(shown.text, /Nothing was approved on this page\./);
    assert.doesNotMatch(shown.text, /paid/i);
  });

  it("a customer whose passkey does not do any more is not told that it is too late", async () => {
    const payer = await payerOf(own);
    const paid = await payer.pay(500);
    const authentication_id = ok(await payer.ask({ purpose: "payment", transaction_id: paid.body.id }), 201).id;
    const { id, url } = await newSession(own, { user_id: payer.userId, purpose: "approve", authentication_id });
    const cookie = await opened(url);
    ok(await call(`/hosted/${id}/approval/options`, {}, cookie), 200);
    const [factor] = ok(await own.api.get(`/v1/users/${payer.userId}/factors`), 200).data;
    const key = { hash: payer.userId };
    const set = (await app.store.get("smartfinance-factors", key)) ?? assert.fail("the factors are there");
    assert.ok(factor !== undefined);
    const factors = (set["factors"] as { status: string }[]).map((one) => ({ ...one, status: "flagged" }));
    const item = { ...set, factors, version: Number(set["version"]) + 1 };
    const done = await app.store.commit([
      { op: "put", table: "smartfinance-factors", item: item as never, condition: { version: Number(set["version"]) } },
    ]);
    assert.equal(done.outcome, "committed");
    refused(await call(`/hosted/${id}/approval/options`, {}, cookie), "authentication_unavailable");
    ok(await call(`/hosted/${id}/decline`, {}, cookie), 200);
  });

  it("what was set up is not denied where the clock was set back a little, or another node's is behind", async () => {
    const { id, url } = await newSession(own, { user_id: await own.user(), purpose: "enrol" });
    const cookie = await opened(url);
    app.clock.advance(-5_000);
    const options = ok(await call(`/hosted/${id}/passkeys/options`, {}, cookie), 201)["public_key"] as JsonObject;
    ok(await call(`/hosted/${id}/passkeys`, { response: softwareAuthenticator().create(options) }, cookie), 201);
    assert.equal(ok(await call(`/hosted/${id}/finish`, {}, cookie), 200)["result"], "enrolled");
    app.clock.advance(5_000);
  });

  it("a visit that adds nothing has not enrolled what another one did a moment before it was made", async () => {
    const user_id = await own.user();
    const visit = async (): Promise<{ readonly id: string; readonly cookie: string }> => {
      const { id, url } = await newSession(own, { user_id, purpose: "enrol" });
      return { id, cookie: await opened(url) };
    };
    const [first, beside] = [await visit(), await visit()];
    const options = ok(await call(`/hosted/${first.id}/passkeys/options`, {}, first.cookie), 201)["public_key"] as JsonObject;
    ok(await call(`/hosted/${first.id}/passkeys`, { response: softwareAuthenticator().create(options) }, first.cookie), 201);
    assert.equal(ok(await call(`/hosted/${first.id}/finish`, {}, first.cookie), 200)["result"], "enrolled");
    app.clock.advance(3_000);
    const second = await visit();
    assert.equal(ok(await call(`/hosted/${second.id}/finish`, {}, second.cookie), 200)["result"], "cancelled");
    // Made by an earlier release, which did not note what there was before.
    const third = await visit();
    const table = "smartfinance-hosted-sessions";
    const { factors_before: before, ...item } = (await app.store.get(table, { hash: third.id })) ?? assert.fail("the session is there");
    assert.deepEqual(Array.isArray(before) && before.length, 1);
    assert.equal((await app.store.commit([{ op: "put", table, item, condition: "none" }])).outcome, "committed");
    assert.equal(ok(await call(`/hosted/${third.id}/finish`, {}, third.cookie), 200)["result"], "cancelled");
    // Whoever has two pages open at once has set it up meanwhile.
    assert.equal(ok(await call(`/hosted/${beside.id}/finish`, {}, beside.cookie), 200)["result"], "enrolled");
  });

  it("a clock that is set back makes no visit last longer", async () => {
    const user_id = await own.user();
    const link = await newSession(own, { user_id, purpose: "enrol" });
    const { id, url } = await newSession(own, { user_id, purpose: "enrol" });
    const cookie = await opened(url);
    const options = (): Promise<Answer> => call(`/hosted/${id}/passkeys/options`, {}, cookie);
    app.clock.advance(-1_000);
    ok(await options(), 201);
    app.clock.advance(-3_600_000);
    refused(await options(), "hosted_session_ended");
    assert.equal((await page(id, cookie)).status, 410);
    refused(await call("/hosted/open", { token: new URL(link.url).hash.slice(1) }), "hosted_session_ended");
    app.clock.advance(3_601_000);
  });
});
