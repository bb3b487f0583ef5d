import assert from "node:assert/strict";
import { AxeBuilder } from "@axe-core/playwright";
import type { Browser, BrowserContext, CDPSession, Page } from "playwright-core";

export interface VisitorOptions {
  /** What the browser asks pages for. Default `en-GB`. */
  readonly locale?: string;
  readonly colorScheme?: "light" | "dark";
  readonly javaScript?: boolean;
  /** Whether the device has an authenticator at all. Default true. */
  readonly authenticator?: boolean;
}

/** Somebody in front of a browser of their own, with a device that has an authenticator (CTAP2, with a resident key and a fingerprint). */
export interface Visitor {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the console and the network complained about, the policy's refusals among it. */
  readonly complaints: readonly string[];
  /** How many passkeys the device holds. */
  passkeys(): Promise<number>;
  /** From now on the device does or does not recognise its owner. */
  recognise(owner: boolean): Promise<void>;
  close(): Promise<void>;
}

/** Answers of these kinds are what tests provoke; a browser complains of each in its console. */
const EXPECTED = /Failed to load resource: the server responded with a status of (?:4\d\d|503)/;

export async function newVisitor(browser: Browser, options: VisitorOptions = {}): Promise<Visitor> {
  const { locale = "en-GB", colorScheme = "light", javaScript = true, authenticator = true } = options;
  const context = await browser.newContext({ locale, colorScheme, javaScriptEnabled: javaScript, reducedMotion: "reduce" });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" && !EXPECTED.test(message.text())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => void complaints.push(String(error)));
  const device = authenticator ? await addDevice(context, page) : undefined;
  return {
    page,
    context,
    complaints,
    async passkeys() {
      assert.ok(device, "the visitor has a device");
      const { credentials } = await device.session.send("WebAuthn.getCredentials", { authenticatorId: device.id });
      return credentials.length;
    },
    async recognise(isUserVerified) {
      assert.ok(device, "the visitor has a device");
      await device.session.send("WebAuthn.setUserVerified", { authenticatorId: device.id, isUserVerified });
    },
    close: () => context.close(),
  };
}

async function addDevice(context: BrowserContext, page: Page): Promise<{ readonly session: CDPSession; readonly id: string }> {
  const session = await context.newCDPSession(page);
  await session.send("WebAuthn.enable");
  const { authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return { session, id: authenticatorId };
}

/** Whatever axe finds serious or critical on the page as it stands, in the rules of WCAG 2.2 A and AA. */
export async function assertAccessible(page: Page, what: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
    .analyze();
  const found = violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
  assert.deepEqual(found, [], `${what} has barriers`);
}

/** Presses Tab until the element has the focus, as somebody without a pointer does. */
export async function tabTo(page: Page, selector: string): Promise<void> {
  const MAX_TABS = 30;
  for (let n = 0; n < MAX_TABS; n++) {
    await page.keyboard.press("Tab");
    if (await page.locator(selector).evaluate((element) => element === element.ownerDocument.activeElement)) return;
  }
  assert.fail(`${selector} cannot be reached by Tab`);
}
