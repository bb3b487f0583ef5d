import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Fault, Operation } from "#storage/memory/memory-store.ts";
import type { Organisation, TestApp } from "#test/support/app.ts";
import { movableClock, startApp } from "#test/support/app.ts";
import { newSession, organisationWithPages, sessionOf } from "#test/support/hosted-pages.ts";
import type { Answer } from "#test/support/http-client.ts";
import { ok, refused } from "#test/support/http-client.ts";
import { registerPasskey } from "./sca-kit.ts";

const NONE: Fault = { kind: "none" };

describe("a hosted page whose visit cannot be written down as over", () => {
  let app: TestApp;
  let own: Organisation;
  let user_id = "";
  /** How many commits still go well, and what befalls those after them. */
  let good = Number.POSITIVE_INFINITY;
  let fault: Fault = NONE;
  /** Told of each commit that goes well. */
  let onGood = (): void => undefined;

  before(async () => {
    const clock = { ...movableClock(), sleep: () => sleep(0) };
    const faults = (operation: Operation): Fault => {
      if (operation !== "commit") return NONE;
      if (good-- <= 0) return fault;
      onGood();
      return NONE;
    };
    app = await startApp({ store: "memory", clock, memory: { faults, clock } });
    own = await organisationWithPages(app);
    ok(await own.api.send("PUT", "/v1/sca/policy", JSON.stringify({ sca: "psd2" })), 200);
    user_id = await own.user();
    await registerPasskey(own, user_id);
    await app.app.webhooks.stop();
  });
  after(() => app.close());

  const call = (path: string, body: unknown, cookie = ""): Promise<Answer> =>
    app.anonymous.post(path, body, { idempotencyKey: null, headers: { "sec-fetch-site": "same-origin", cookie } });

  /** A payment that waits for its payer, with the page opened on which the payer answers. */
  async function waiting(): Promise<{
    readonly payer: string;
    readonly transaction: string;
    readonly id: string;
    readonly cookie: string;
  }> {
    const payer = await own.account({ userId: user_id, balance: 1_000_000 });
    const answer = await own.transfer(payer, await own.account(), 123_450);
    assert.equal(answer.body.status, "requires_action", answer.text);
    const asked = { user_id, purpose: "payment", transaction_id: answer.body.id };
    const authentication_id = ok(await own.api.post("/v1/authentications", asked), 201).id;
    const { id, url } = await newSession(own, { user_id, purpose: "approve", authentication_id });
    const opened = await call("/hosted/open", { token: new URL(url).hash.slice(1) });
    return { payer, transaction: answer.body.id, id, cookie: String(opened.headers["set-cookie"]?.[0]).split(";")[0] ?? "" };
  }

  for (const kind of ["throttled", "timeout_unwritten"] as const)
    it(`does not say that nothing was done when the answer was committed and then commits are ${kind}`, async () => {
      const { payer, id, cookie } = await waiting();
      good = 1;
      fault = { kind };
      const answer = await call(`/hosted/${id}/decline`, {}, cookie).finally(() => {
        good = Number.POSITIVE_INFINITY;
      });
      refused(answer, "outcome_unknown");
      assert.equal(ok(await own.api.get(`/v1/accounts/${payer}`), 200).held, 0, "the payment was given up");
    });

  it("follows what the customer answered in time, though the time is over when it is written down", async () => {
    const { transaction, id, cookie } = await waiting();
    onGood = () => {
      onGood = () => undefined;
      app.clock.advance(700_000);
    };
    ok(await call(`/hosted/${id}/decline`, {}, cookie), 200);
    assert.equal(ok(await own.api.get(`/v1/transactions/${transaction}`), 200).status, "rejected");
    assert.deepEqual([(await sessionOf(own, id)).status, (await sessionOf(own, id))["result"]], ["completed", "declined"]);
  });
});
