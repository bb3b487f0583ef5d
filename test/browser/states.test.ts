import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { TOTP } from "otpauth";
import type { Browser, Page } from "playwright-core";
import type { Organisation, TestApp } from "#test/support/app.ts";
import { newSession, organisationWithPages, sessionOf, startWithPages } from "#test/support/hosted-pages.ts";
import { ok } from "#test/support/http-client.ts";
import { browserForTests } from "./chromium.ts";
import type { Visitor, VisitorOptions } from "./visitor.ts";
import { assertAccessible, newVisitor } from "./visitor.ts";

const ENDED = "This link cannot be used any more";

const browser = await browserForTests();
if (browser !== undefined)
  describe("the hosted pages, where something is wrong", () => {
    let app: TestApp;
    let own: Organisation;

    before(async () => {
      app = await startWithPages({ store: "memory" });
      own = await organisationWithPages(app);
    });
    after(() => app.close());

    const heading = (page: Page, name: string) => page.getByRole("heading", { name }).waitFor();

    it("a link works once: the second browser is told in words", async () => {
      await withVisitor(browser, {}, async ({ page }) => {
        const session = await newSession(own, { user_id: await own.user(), purpose: "enrol" });
        await page.goto(session.url);
        await heading(page, "Protect your account");
        await withVisitor(browser, {}, async (other) => {
          await other.page.goto(session.url);
          await heading(other.page, ENDED);
          assert.equal(await other.page.locator(":focus").getAttribute("id"), "end-title");
          await assertAccessible(other.page, "the door that is closed");
          const asked: string[] = [];
          other.page.on("request", (request) => void asked.push(request.method()));
          await other.page.reload();
          await heading(other.page, ENDED);
          assert.ok(asked.length > 0 && !asked.includes("POST"), "loading it again was taken for a guess");
          // The address of the page is worth nothing without its cookie.
          const answer = await other.page.goto(`${new URL(session.url).origin}/hosted/${session.id}`);
          assert.equal(answer?.status(), 410);
          await heading(other.page, ENDED);
          await assertAccessible(other.page, "the page of another");
        });
        await page.reload();
        await heading(page, "Protect your account");
      });
    });

    it("a session ends after ten minutes, for the link and for the open page", async () => {
      await withVisitor(browser, { locale: "de-CH" }, async ({ page }) => {
        const user_id = await own.user();
        const late = await newSession(own, { user_id, purpose: "enrol" });
        const open = await newSession(own, { user_id, purpose: "enrol" });
        await page.goto(open.url);
        await heading(page, "Ihr Konto schützen");
        app.clock.advance(600_000);
        await page.getByRole("button", { name: "Passkey erstellen" }).click();
        await page.getByRole("status").filter({ hasText: "Die Zeit für diese Seite ist um" }).waitFor();
        await page.goto(late.url);
        await heading(page, "Dieser Link kann nicht mehr benutzt werden");
        await app.app.maintain();
        assert.deepEqual([(await sessionOf(own, late.id)).status, (await sessionOf(own, open.id)).status], ["expired", "expired"]);
      });
    });

    it("a page that is older than what was set up shows it, and how to prove it", async () => {
      await withVisitor(browser, {}, async (visitor) => {
        const { page } = visitor;
        const user_id = await own.user();
        await page.goto((await newSession(own, { user_id, purpose: "enrol" })).url);
        await page.getByText("This page can be used until").waitFor();
        const path = `/v1/users/${user_id}/totp`;
        const made = ok(await own.api.post(path, {}, { idempotencyKey: null }), 201);
        const code = new TOTP({ secret: made["secret"] }).generate({ timestamp: app.clock.now() });
        ok(await own.api.post(`${path}/${made.id}/activate`, { code }, { idempotencyKey: null }), 200);
        await page.getByRole("button", { name: "Create a passkey" }).click();
        await heading(page, "First confirm that it is you");
        assert.equal(await visitor.passkeys(), 0);
      });
    });

    it("a link whose visitor's address is turned away for now is not said to be of no use any more", async () => {
      await withVisitor(
        browser,
        {},
        async ({ page }) => {
          const session = await newSession(own, { user_id: await own.user(), purpose: "enrol" });
          await page.route("**/hosted/open", (route) =>
            route.fulfill({ status: 429, contentType: "application/problem+json", body: JSON.stringify({ code: "too_many_failures" }) }),
          );
          await page.goto(session.url);
          await heading(page, "This does not work at the moment");
          await page.unrouteAll();
          await page.goto("about:blank");
          await page.goto(session.url);
          await heading(page, "Protect your account");
        },
        ["429"],
      );
    });

    it("no button can be pressed before somebody listens", async () => {
      await withVisitor(browser, {}, async ({ page }) => {
        const session = await newSession(own, { user_id: await own.user(), purpose: "enrol" });
        let load = (): void => undefined;
        const loads = new Promise<void>((resolve) => (load = resolve));
        await page.route("**/assets/enrol.js", async (route) => {
          await loads;
          await route.continue();
        });
        await page.goto(session.url, { waitUntil: "commit" });
        const button = page.getByRole("button", { name: "Finish" });
        await button.waitFor();
        assert.equal(await button.isDisabled(), true);
        load();
        await button.click();
        await heading(page, "Nothing was set up");
      });
    });

    it("a visit that has done as much as one may is not told to try again", async () => {
      await withVisitor(browser, {}, async ({ page }) => {
        const session = await newSession(own, { user_id: await own.user(), purpose: "enrol" });
        await page.goto(session.url);
        await page.getByText("This page can be used until").waitFor();
        await page.evaluate(async (path) => {
          const headers = { "content-type": "application/json" };
          for (let n = 0; n < 100; n++) await fetch(path, { method: "POST", headers, body: "{}" });
        }, `/hosted/${session.id}/proof/options`);
        await page.getByRole("button", { name: "Create a passkey" }).click();
        await page.getByRole("status").filter({ hasText: "There were too many attempts." }).waitFor();
      });
    });

    it("without JavaScript the page says what is missing", async () => {
      await withVisitor(browser, { javaScript: false, authenticator: false }, async ({ page }) => {
        await page.goto((await newSession(own, { user_id: await own.user(), purpose: "enrol" })).url);
        // By its place: texts of noscript are not found by what they say.
        await page.locator("noscript p").waitFor();
        assert.match((await page.locator("noscript p").textContent()) ?? "", /^This page needs JavaScript/);
      });
    });

    it("a browser without passkeys is told what else there is", async () => {
      await withVisitor(browser, { authenticator: false }, async ({ page }) => {
        await page.addInitScript(() => void Reflect.deleteProperty(globalThis, "PublicKeyCredential"));
        await page.goto((await newSession(own, { user_id: await own.user(), purpose: "enrol" })).url);
        await page.getByRole("button", { name: "Create a passkey" }).click();
        await page.getByRole("status").filter({ hasText: "This browser cannot use passkeys." }).waitFor();
      });
    });

    it("a library that could not be loaded is loaded again, and no browser is said to be of no use for it", async () => {
      await withVisitor(
        browser,
        {},
        async ({ page }) => {
          await page.route("**/assets/simplewebauthn.js", (route) => route.abort("connectionreset"));
          await page.goto((await newSession(own, { user_id: await own.user(), purpose: "enrol" })).url);
          await page.getByText("This page can be used until").waitFor();
          await page.unrouteAll();
          const again = page.waitForResponse("**/assets/simplewebauthn.js");
          await page.getByRole("button", { name: "Create a passkey" }).click();
          await again;
          await page.getByRole("button", { name: "Create a passkey" }).click();
          await page.getByRole("status").filter({ hasText: "The passkey has been added." }).waitFor();
        },
        ["net::ERR_CONNECTION_RESET"],
      );
    });

    it("a server that cannot be reached is told beside the button, and the page goes on when it can", async () => {
      await withVisitor(
        browser,
        {},
        async ({ page, context }) => {
          await page.goto((await newSession(own, { user_id: await own.user(), purpose: "enrol" })).url);
          // Only then is the page's script there, which must not be kept from it.
          await page.locator("#add-passkey:enabled").waitFor();
          await page.route("**/hosted/**", (route) => route.abort("connectionrefused"));
          await page.getByRole("button", { name: "Create a passkey" }).click();
          await page.getByRole("status").filter({ hasText: "The server cannot be reached." }).waitFor();
          await context.unrouteAll();
          await page.unrouteAll();
          await page.getByRole("button", { name: "Create a passkey" }).click();
          await page.getByRole("status").filter({ hasText: "The passkey has been added." }).waitFor();
        },
        ["net::ERR_CONNECTION_REFUSED"],
      );
    });

    it("no page of another site can frame it or act in it", async () => {
      await withVisitor(browser, {}, async ({ page, context }) => {
        const session = await newSession(own, { user_id: await own.user(), purpose: "enrol" });
        await page.goto(session.url);
        await heading(page, "Protect your account");
        const origin = new URL(session.url).origin;
        const foreign = await context.newPage();
        await foreign.route("https://evil.example/", (route) =>
          route.fulfill({ contentType: "text/html", body: `<iframe src="${origin}/hosted/${session.id}"></iframe>` }),
        );
        await foreign.goto("https://evil.example/");
        const outcome = await foreign.evaluate(async (url) => {
          const tries = [
            { mode: "no-cors", headers: { "content-type": "text/plain" } },
            { mode: "cors", headers: { "content-type": "application/json" } },
          ] as const;
          const done: string[] = [];
          for (const one of tries)
            done.push(
              await fetch(url, { method: "POST", body: "{}", credentials: "include", ...one }).then(
                (answer) => answer.type,
                () => "refused",
              ),
            );
          return done;
        }, `${origin}/hosted/${session.id}/finish`);
        assert.equal(outcome[1], "refused");
        assert.equal((await sessionOf(own, session.id)).status, "opened", "nothing was done in the session");
        assert.equal(foreign.frames()[1]?.url().includes("/hosted/") ?? false, false, "the frame stays empty");
      });
    });
  });

/** @param expected what the browser may complain about */
async function withVisitor(
  browser: Browser,
  options: VisitorOptions,
  work: (visitor: Visitor) => Promise<void>,
  expected: readonly string[] = [],
): Promise<void> {
  const visitor = await newVisitor(browser, options);
  try {
    await work(visitor);
    assert.deepEqual(
      visitor.complaints.filter((text) => !expected.some((one) => text.includes(one))),
      [],
    );
  } finally {
    await visitor.close();
  }
}
