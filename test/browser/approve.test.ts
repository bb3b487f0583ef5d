import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Page } from "playwright-core";
import { partitionOf } from "#kernel/ids.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { Organisation, TestApp } from "#test/support/app.ts";
import { newSession, organisationWithPages, RETURN_ORIGIN, sessionOf, startWithPages } from "#test/support/hosted-pages.ts";
import { ok } from "#test/support/http-client.ts";
import { browserForTests } from "./chromium.ts";
import type { Visitor } from "./visitor.ts";
import { assertAccessible, newVisitor, tabTo } from "./visitor.ts";

const AMOUNT = 123_450;

const browser = await browserForTests();
if (browser !== undefined)
  describe("approving on the hosted page", () => {
    let app: TestApp;
    let own: Organisation;
    let visitor: Visitor;
    let page: Page;
    let user_id = "";
    let payer = "";
    let payee = "";

    before(async () => {
      app = await startWithPages({ store: "memory" });
      own = await organisationWithPages(app);
      ok(await own.api.send("PUT", "/v1/sca/policy", JSON.stringify({ sca: "psd2" })), 200);
      user_id = await own.user();
      payer = await own.account({ userId: user_id, balance: 10_000_000 });
      payee = await own.account();
      visitor = await newVisitor(browser);
      page = visitor.page;
      const enrol = await newSession(own, { user_id, purpose: "enrol" });
      await page.goto(enrol.url);
      await page.getByRole("button", { name: "Create a passkey" }).click();
      await page.getByRole("status").filter({ hasText: "The passkey has been added." }).waitFor();
    });
    after(async () => {
      await visitor.close();
      await app.close();
    });

    /** A transfer that waits for its payer, and the page on which the payer answers. */
    async function waiting(reference = "Rent May"): Promise<{ transaction: string; authentication: string; session: string; url: string }> {
      const answer = await own.transfer(payer, payee, AMOUNT, { reference });
      assert.equal(answer.body.status, "requires_action", answer.text);
      const asked = { user_id, purpose: "payment", transaction_id: answer.body.id, payee_name: 'Ada & "Söhne" <GmbH>' };
      const authentication = ok(await own.api.post("/v1/authentications", asked), 201).id;
      const session = await newSession(own, { user_id, purpose: "approve", authentication_id: authentication });
      return { transaction: answer.body.id, authentication, session: session.id, url: session.url };
    }
    const transactionOf = async (id: string) => ok(await own.api.get(`/v1/transactions/${id}`), 200);
    const status = (text: string) => page.getByRole("status").filter({ hasText: text }).waitFor();

    it("SCA-05 shows amount, currency and payee as they are signed, and takes a passkey by keyboard alone", async () => {
      const before = await own.balance(payee);
      const { transaction, authentication, session, url } = await waiting();
      await page.goto(url);
      await page.getByRole("heading", { name: "Approve this payment?" }).waitFor();
      await assertAccessible(page, "the approval page");
      const shown = await page.locator(".facts div").allInnerTexts();
      const facts = Object.fromEntries(shown.map((text) => text.split(/\n+/)));
      assert.deepEqual(
        { ...facts, Amount: facts["Amount"]?.replace(/\s/, " ") },
        {
          Amount: "EUR 1,234.50",
          To: 'Ada & "Söhne" <GmbH>',
          "Account of the payee": payee,
          "From your account": payer,
          Reference: "Rent May",
        },
      );
      const signed = ok(await own.api.get(`/v1/authentications/${authentication}`), 200);
      assert.equal(await page.locator("main").getAttribute("data-challenge"), signed["challenge"]);
      await tabTo(page, "#approve");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Approved" }).waitFor();
      assert.equal(await page.locator(":focus").getAttribute("id"), "end-title");
      await assertAccessible(page, "the end of approving");
      const back = new URL((await page.getByRole("link", { name: "Back to app.example.com" }).getAttribute("href")) ?? "");
      assert.deepEqual([back.origin, back.searchParams.get("result")], [RETURN_ORIGIN, "approved"]);
      assert.equal((await transactionOf(transaction)).status, "posted");
      assert.equal(await own.balance(payee), before + AMOUNT);
      assert.equal((await sessionOf(own, session))["result"], "approved");
      // Once more, by the browser's own memory of the page.
      await page.reload();
      await page.getByRole("heading", { name: "Approved" }).waitFor();
    });

    it("declines, which rejects the payment and frees its funds", async () => {
      const { transaction, session, url } = await waiting();
      await page.goto(url);
      await tabTo(page, "#decline");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Declined" }).waitFor();
      assert.notEqual((await transactionOf(transaction)).status, "posted");
      assert.equal(ok(await own.api.get(`/v1/accounts/${payer}`), 200).held, 0);
      assert.equal((await sessionOf(own, session))["result"], "declined");
    });

    it("SCA-06 refuses what has changed since the page was opened, by a cent", async () => {
      const before = await own.balance(payee);
      const { transaction, authentication, url } = await waiting();
      await page.goto(url);
      await page.getByRole("button", { name: "Approve with a passkey" }).waitFor();
      const key = { hash: partitionOf(own.id as OrganisationId, transaction), range: transaction };
      const item = await app.store.get("smartfinance-transactions", key);
      assert.ok(item);
      const changed = { ...item, amount: AMOUNT + 1 };
      await app.store.commit([{ op: "put", table: "smartfinance-transactions", item: changed, condition: "none" }]);
      await page.getByRole("button", { name: "Approve with a passkey" }).click();
      await status("has changed since you opened this page");
      await assertAccessible(page, "the page with a refusal");
      assert.equal(await own.balance(payee), before);
      assert.notEqual(ok(await own.api.get(`/v1/authentications/${authentication}`), 200).status, "succeeded");
      await app.store.commit([{ op: "put", table: "smartfinance-transactions", item, condition: "none" }]);
    });

    it("approves nothing while the device does not recognise its owner", async () => {
      const { transaction, url } = await waiting();
      await page.goto(url);
      await visitor.recognise(false);
      await page.getByRole("button", { name: "Approve with a passkey" }).click();
      await status("The browser did not confirm it.");
      await visitor.recognise(true);
      assert.equal((await transactionOf(transaction)).status, "requires_action");
      await page.getByRole("button", { name: "Approve with a passkey" }).click();
      await page.getByRole("heading", { name: "Approved" }).waitFor();
      assert.equal((await transactionOf(transaction)).status, "posted");
    });

    it("tells that there is nothing to approve any more when it was answered elsewhere", async () => {
      const { authentication, url } = await waiting();
      ok(await own.api.post(`/v1/authentications/${authentication}/cancel`), 200);
      await page.goto(url);
      await page.getByRole("heading", { name: "There is nothing to approve any more" }).waitFor();
      await assertAccessible(page, "the page of what was answered");
    });

    it("keeps two open pages apart: each approves what it shows", async () => {
      const first = await waiting("First");
      const second = await waiting("Second");
      await page.goto(first.url);
      await page.getByText("First", { exact: true }).waitFor();
      const other = await visitor.context.newPage();
      await other.goto(second.url);
      await other.getByText("Second", { exact: true }).waitFor();
      await page.getByRole("button", { name: "Approve with a passkey" }).click();
      await page.getByRole("heading", { name: "Approved" }).waitFor();
      assert.equal((await transactionOf(first.transaction)).status, "posted");
      assert.equal((await transactionOf(second.transaction)).status, "requires_action");
      await other.getByRole("button", { name: "Decline" }).click();
      await other.getByRole("heading", { name: "Declined" }).waitFor();
      await other.close();
    });

    it("can be used at 200 % and on a narrow screen without scrolling sideways", async () => {
      const { url } = await waiting(
        "A reference that is as long as references may be and therefore takes several lines on a narrow screen",
      );
      await page.setViewportSize({ width: 320, height: 480 });
      await page.goto(url);
      await page.getByRole("button", { name: "Approve with a passkey" }).waitFor();
      assert.ok(
        (await page.locator("html").evaluate((html) => html.scrollWidth - html.clientWidth)) <= 0,
        "the page is wider than the screen",
      );
      await page.setViewportSize({ width: 1280, height: 720 });
    });

    it("leaves nothing that the browser complained about", () => assert.deepEqual(visitor.complaints, []));
  });
