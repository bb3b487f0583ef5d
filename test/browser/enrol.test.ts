import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { TOTP } from "otpauth";
import type { Page } from "playwright-core";
import type { Organisation, TestApp } from "#test/support/app.ts";
import { ok } from "#test/support/http-client.ts";
import { newSession, organisationWithPages, RETURN_ORIGIN, sessionOf, startWithPages } from "#test/support/hosted-pages.ts";
import { browserForTests } from "./chromium.ts";
import type { Visitor } from "./visitor.ts";
import { assertAccessible, newVisitor, tabTo } from "./visitor.ts";

const browser = await browserForTests();
if (browser !== undefined)
  describe("enrolling on the hosted page", () => {
    let app: TestApp;
    let own: Organisation;
    let visitor: Visitor;

    before(async () => {
      app = await startWithPages({ store: "memory" });
      own = await organisationWithPages(app, { pages_primary_color: "#0b5d3b" });
    });
    after(() => app.close());
    const visit = async (options?: Parameters<typeof newVisitor>[1]): Promise<Page> => {
      visitor = await newVisitor(browser, options);
      return visitor.page;
    };
    /** Every test ends with a page nobody complained about. */
    const leave = async (): Promise<void> => {
      assert.deepEqual(visitor.complaints, []);
      await visitor.close();
    };
    const factors = async (user: string) => ok(await own.api.get(`/v1/users/${user}/factors`), 200).data;

    it("adds a passkey by keyboard alone, says so, and shows the way back", async () => {
      const page = await visit();
      const user_id = await own.user();
      const session = await newSession(own, { user_id, purpose: "enrol" });
      await page.goto(session.url);
      await page.waitForURL(`**/hosted/${session.id}`);
      assert.ok(!page.url().includes("#"), "the token is out of the address");
      assert.equal(await page.title(), "Protect your account – Acme Bank");
      assert.equal(await page.locator("header .logo").textContent(), "AB");
      await assertAccessible(page, "the enrolment page");
      await tabTo(page, "#add-passkey");
      await page.keyboard.press("Enter");
      await page.getByRole("status").filter({ hasText: "The passkey has been added." }).waitFor();
      assert.equal(await visitor.passkeys(), 1);
      await page.locator(".own li", { hasText: "Passkey" }).waitFor();
      await assertAccessible(page, "the enrolment page with a passkey");
      await tabTo(page, "#finish");
      await page.keyboard.press("Space");
      await page.getByRole("heading", { name: "Your account is protected" }).waitFor();
      assert.equal(await page.locator(":focus").getAttribute("id"), "end-title", "the end has the focus");
      await assertAccessible(page, "the end of enrolling");
      const back = new URL((await page.getByRole("link", { name: "Back to app.example.com" }).getAttribute("href")) ?? "");
      assert.equal(back.origin, RETURN_ORIGIN);
      assert.deepEqual(
        [...back.searchParams],
        [
          ["order", "4711"],
          ["hosted_session_id", session.id],
          ["result", "enrolled"],
        ],
      );
      const told = await sessionOf(own, session.id);
      assert.deepEqual([told.status, told["result"]], ["completed", "enrolled"]);
      assert.deepEqual(
        (await factors(user_id)).map((one) => [one["type"], one.status]),
        [["passkey", "active"]],
      );
      await page.reload();
      await page.getByRole("heading", { name: "Your account is protected" }).waitFor();
      await leave();
    });

    it("adds more only with a proof of what is there", async () => {
      const page = await visit({ locale: "de-DE", colorScheme: "dark" });
      const user_id = await own.user();
      await page.goto((await newSession(own, { user_id, purpose: "enrol" })).url);
      assert.equal(await page.locator("html").getAttribute("lang"), "de");
      await page.getByRole("button", { name: "Passkey erstellen" }).click();
      await page.getByRole("status").filter({ hasText: "Der Passkey wurde hinzugefügt." }).waitFor();
      await assertAccessible(page, "the dark page");
      // An app: its key, its code; but first who asks.
      await page.getByRole("button", { name: "App einrichten" }).click();
      const link = (await page.getByRole("link", { name: "In meiner Authenticator-App öffnen" }).getAttribute("href")) ?? "";
      const key = (await page.locator("#totp-key").textContent())?.replaceAll(" ", "") ?? "";
      assert.match(key, /^[A-Z2-7]{32}$/);
      assert.ok(link.startsWith("otpauth://totp/") && link.includes(key), link);
      await page.getByLabel("Code, den die App jetzt zeigt").fill(new TOTP({ secret: key }).generate({ timestamp: app.clock.now() }));
      await page.getByRole("button", { name: "App bestätigen" }).click();
      await page.getByRole("status").filter({ hasText: "Bestätigen Sie zuerst oben" }).waitFor();
      assert.equal((await factors(user_id)).filter(({ status }) => status === "active").length, 1);
      await page.getByRole("button", { name: "Vorhandenen Passkey benutzen" }).click();
      await page.getByRole("status").filter({ hasText: "Wählen Sie jetzt" }).waitFor();
      await page.getByRole("button", { name: "App bestätigen" }).click();
      await page.getByRole("status").filter({ hasText: "Die Authenticator-App wurde hinzugefügt." }).waitFor();
      assert.deepEqual(
        (await factors(user_id)).map((one) => [one["type"], one.status]),
        [
          ["passkey", "active"],
          ["totp", "active"],
        ],
      );
      await leave();
    });

    it("tells in words that the device did not recognise its owner, and adds nothing", async () => {
      const page = await visit();
      const user_id = await own.user();
      const session = await newSession(own, { user_id, purpose: "enrol" });
      await page.goto(session.url);
      await visitor.recognise(false);
      await page.getByRole("button", { name: "Create a passkey" }).click();
      await page.getByRole("status").filter({ hasText: "did not confirm it" }).waitFor();
      assert.deepEqual(await factors(user_id), []);
      await page.getByRole("button", { name: "Finish" }).click();
      await page.getByRole("heading", { name: "Nothing was set up" }).waitFor();
      assert.equal((await sessionOf(own, session.id))["result"], "cancelled");
      await leave();
    });

    it("refuses a wrong code as a proof, and the device keeps no passkey the server does not know", async () => {
      const page = await visit();
      const user_id = await own.user();
      const path = `/v1/users/${user_id}/totp`;
      const made = ok(await own.api.post(path, {}, { idempotencyKey: null }), 201);
      const code = new TOTP({ secret: made.secret }).generate({ timestamp: app.clock.now() });
      ok(await own.api.post(`${path}/${made.id}/activate`, { code }, { idempotencyKey: null }), 200);
      await page.goto((await newSession(own, { user_id, purpose: "enrol" })).url);
      await page.getByRole("button", { name: "Create a passkey" }).click();
      await page.getByRole("status").filter({ hasText: "First confirm that it is you" }).waitFor();
      await page.getByRole("textbox", { name: "Code", exact: true }).fill("000000");
      await page.getByRole("button", { name: "Use this code" }).click();
      await page.getByRole("button", { name: "Create a passkey" }).click();
      await page.getByRole("status").filter({ hasText: "That was not right" }).waitFor();
      assert.equal(await visitor.passkeys(), 0);
      await assertAccessible(page, "the page with an error");
      assert.deepEqual(
        (await factors(user_id)).map((one) => one["type"]),
        ["totp"],
      );
      await leave();
    });
  });
