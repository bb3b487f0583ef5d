import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Page } from "playwright-core";
import type { Organisation, TestApp } from "#test/support/app.ts";
import { newSession, organisationWithPages, sessionOf, startWithPages } from "#test/support/hosted-pages.ts";
import { ok } from "#test/support/http-client.ts";
import { browserForTests } from "./chromium.ts";
import type { Visitor } from "./visitor.ts";
import { newVisitor } from "./visitor.ts";

const browser = await browserForTests();
if (browser !== undefined)
  describe("hosted pages whose answers get lost after the server has done what was asked", () => {
    let app: TestApp;
    let own: Organisation;
    let visitor: Visitor;
    let page: Page;
    let user_id = "";

    before(async () => {
      app = await startWithPages({ store: "memory" });
      own = await organisationWithPages(app);
      ok(await own.api.send("PUT", "/v1/sca/policy", JSON.stringify({ sca: "psd2" })), 200);
      user_id = await own.user();
      visitor = await newVisitor(browser);
      page = visitor.page;
    });
    after(async () => {
      await visitor.close();
      await app.close();
    });

    /** The server does what the page asks for at `path`, and the page hears nothing of it, or that nobody knows, or the answer to a repetition. */
    async function lose(path: string, instead: "nothing" | "outcome_unknown" | "a repetition"): Promise<void> {
      await page.route(`**${path}`, async (route) => {
        await route.fetch();
        if (instead === "a repetition") return route.fulfill({ response: await route.fetch() });
        if (instead === "nothing") await route.abort("connectionreset");
        else await route.fulfill({ status: 504, contentType: "application/problem+json", body: JSON.stringify({ code: instead }) });
      });
    }
    /** Opens a link, and waits until the page it leads to listens: its script says until when it can be used. */
    const visit = async (url: string): Promise<void> => {
      await page.goto(url);
      await page.getByText("This page can be used until").waitFor();
    };
    const press = (name: string) => page.getByRole("button", { name }).click();
    const status = (text: string) => page.getByRole("status").filter({ hasText: text }).waitFor();
    const factors = async () => ok(await own.api.get(`/v1/users/${user_id}/factors`), 200).data;

    for (const instead of ["nothing", "outcome_unknown", "a repetition"] as const)
      it(`a passkey that the server has stays on the device, when the page hears ${instead}`, async () => {
        user_id = await own.user();
        const before = await visitor.passkeys();
        await visit((await newSession(own, { user_id, purpose: "enrol" })).url);
        await lose("/passkeys", instead);
        await press("Create a passkey");
        await status(instead === "nothing" ? "The server cannot be reached." : "It is not known");
        await page.unrouteAll();
        assert.equal((await factors()).length, 1);
        assert.equal(await visitor.passkeys(), before + 1);
        await page.reload();
        await page.getByText("This page can be used until").waitFor();
        await page.locator(".own li", { hasText: "Passkey" }).waitFor();
        if (instead !== "a repetition") {
          await lose("/finish", instead);
          await press("Finish");
          await status(instead === "nothing" ? "The server cannot be reached." : "It is not known");
          await page.unrouteAll();
        }
        await press("Finish");
        await page.getByRole("heading", { name: "Your account is protected" }).waitFor();
      });

    it("nobody is told that nothing was set up while the server is adding a passkey", async () => {
      user_id = await own.user();
      const session = await newSession(own, { user_id, purpose: "enrol" });
      await visit(session.url);
      let answer = (): void => undefined;
      const asked = new Promise<void>((resolve) => {
        void page.route("**/passkeys", async (route) => {
          resolve();
          await new Promise<void>((go) => (answer = go));
          await route.continue();
        });
      });
      await press("Create a passkey");
      await asked;
      await press("Finish");
      await page.waitForTimeout(100);
      assert.equal((await sessionOf(own, session.id)).status, "opened");
      answer();
      await status("The passkey has been added.");
      await page.unrouteAll();
      await press("Finish");
      await page.getByRole("heading", { name: "Your account is protected" }).waitFor();
    });

    for (const instead of ["nothing", "outcome_unknown"] as const)
      for (const [button, path, result, heading] of [
        ["Approve with a passkey", "/approval", "approved", "Approved"],
        ["Decline", "/decline", "declined", "Declined"],
      ] as const)
        it(`what was ${result} is told when it is tried again, when the page hears ${instead}`, async () => {
          const payer = await own.account({ userId: user_id, balance: 1_000_000 });
          const answer = await own.transfer(payer, await own.account(), 123_450);
          assert.equal(answer.body.status, "requires_action", answer.text);
          const asked = { user_id, purpose: "payment", transaction_id: answer.body.id };
          const authentication_id = ok(await own.api.post("/v1/authentications", asked), 201).id;
          const session = await newSession(own, { user_id, purpose: "approve", authentication_id });
          await visit(session.url);
          await lose(path, instead);
          await press(button);
          await status(instead === "nothing" ? "The server cannot be reached." : "It is not known");
          await page.unrouteAll();
          await press(button);
          await page.getByRole("heading", { name: heading }).waitFor();
          assert.equal((await sessionOf(own, session.id))["result"], result);
          const { status: posted } = ok(await own.api.get(`/v1/transactions/${answer.body.id}`), 200);
          assert.equal(posted === "posted", result === "approved");
        });
  });
