import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { Browser } from "playwright-core";
import { chromium } from "playwright-core";

/** Where a browser may be on the machine; `CHROMIUM_PATH` names another one. */
const INSTALLED = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/usr/bin/google-chrome-stable"];
/** What is unpacked once, beside everything else that is made from packages and can be made again. */
const CACHE = fileURLToPath(new URL("../../node_modules/.cache/", import.meta.url));
/** Changes whenever the pinned package does, so that an old browser is not used for ever. */
const UNPACKED = "chromium-153.0.0";

/** Quiet, and talking to nobody but the pages under test. The sandbox needs rights that containers do not give. */
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-features=Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider",
];

interface Candidate {
  readonly path: string;
  readonly libraries?: string;
}

/**
 * Starts a headless Chromium: the one `CHROMIUM_PATH` names, else the machine's own, else the one of the package
 * `@sparticuz/chromium`, which is unpacked once.
 * @returns undefined when none starts, and says on standard error why
 */
export async function startBrowser(): Promise<Browser | undefined> {
  const reasons: string[] = [];
  const named = process.env["CHROMIUM_PATH"];
  const paths = named !== undefined && named !== "" ? [named] : INSTALLED.filter((path) => existsSync(path));
  for (const path of paths) {
    const browser = await launch({ path }, reasons);
    if (browser !== undefined) return browser;
  }
  try {
    const packed = await unpack();
    const browser = (await launch({ path: packed.path }, reasons)) ?? (await launch(packed, reasons));
    if (browser !== undefined) return browser;
  } catch (error) {
    reasons.push(`@sparticuz/chromium: ${firstLine(error)}`);
  }
  console.error(`THE PAGES ARE NOT TESTED IN A BROWSER: no Chromium starts here.\n  ${reasons.join("\n  ")}`);
  return undefined;
}

async function launch({ path, libraries }: Candidate, reasons: string[]): Promise<Browser | undefined> {
  const { LD_LIBRARY_PATH: given, ...rest } = definedOf(process.env);
  const found = [libraries, given].filter((one) => one !== undefined).join(":");
  const env = found === "" ? rest : { ...rest, LD_LIBRARY_PATH: found };
  try {
    // Playwright gives each launch a user data directory of its own and removes it with the browser.
    return await chromium.launch({ executablePath: path, args: ARGUMENTS, env, timeout: 20_000 });
  } catch (error) {
    reasons.push(`${path}: ${firstLine(error)}`);
    return undefined;
  }
}

/** Unpacks the packaged browser and the libraries it may lack, once: others who do the same meanwhile lose the race and use this one. */
async function unpack(): Promise<Candidate> {
  const home = join(CACHE, UNPACKED);
  if (!existsSync(join(home, "chromium"))) {
    const own = `${home}-${process.pid}`;
    await mkdir(own, { recursive: true });
    const { default: packaged, inflate } = await import("@sparticuz/chromium");
    const bin = fileURLToPath(new URL("../bin/", import.meta.resolve("@sparticuz/chromium")));
    await inTemporary(own, async () => {
      await packaged.executablePath(bin);
      await inflate(join(bin, "al2023.tar.br"));
    });
    try {
      await rename(own, home);
    } catch (error) {
      await rm(own, { recursive: true, force: true });
      if (!existsSync(join(home, "chromium"))) throw error;
    }
  }
  return { path: join(home, "chromium"), libraries: join(home, "al2023", "lib") };
}

/** The package unpacks to wherever temporary files go, and nowhere else. */
async function inTemporary(directory: string, work: () => Promise<void>): Promise<void> {
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = directory;
  try {
    await work();
  } finally {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  }
}

function definedOf(environment: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

const firstLine = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";

/** Whether a missing browser must fail the tests rather than skip them. */
function browserIsRequired(): boolean {
  const { CI, SMARTFINANCE_REQUIRE_BROWSER } = process.env;
  return (CI !== undefined && CI !== "" && CI !== "false") || SMARTFINANCE_REQUIRE_BROWSER === "1";
}

/**
 * The browser for a test file: with it, the file registers its tests; without, one skipped test that says so.
 * @throws Error where a browser is required and none starts.
 */
export async function browserForTests(): Promise<Browser | undefined> {
  const browser = await startBrowser();
  if (browser !== undefined) {
    after(() => browser.close());
    return browser;
  }
  if (browserIsRequired()) throw new Error("a Chromium is required here and none can be started");
  it("in a browser", { skip: "NO CHROMIUM: nothing of this file was tested" }, () => {});
  return undefined;
}
