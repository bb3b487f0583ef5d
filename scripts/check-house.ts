import { fileURLToPath } from "node:url";
import type { SourceFile } from "../test/architecture/source-text.ts";
import { codeOnly, commentsOnly, lineAt, readSources } from "../test/architecture/source-text.ts";

/** A file of `src/` may have this many lines. */
const MAX_LINES = 400;

/** Files that may be longer for now, with the length they have. This list only shrinks, and so do its numbers. */
const LONGER_FOR_NOW: Readonly<Record<string, number>> = {};

interface BannedCall {
  readonly pattern: RegExp;
  readonly instead: string;
  /** Files of `src/` that may, beside tests where `inTests` is set. */
  readonly allowed: readonly string[];
  readonly inTests: boolean;
}

const COMPOSITION = ["src/main.ts", "src/config.ts", "src/app.ts", "src/bootstrap.ts", "src/open-store.ts"];

/** What makes a run unrepeatable or reads the surroundings: handed in from the composition root instead. */
const BANNED: readonly BannedCall[] = [
  { pattern: /\bDate\.now\b/g, instead: "take a Clock", allowed: ["src/kernel/clock.ts"], inTests: false },
  { pattern: /\bnew Date(?:\s*\(\s*\)|(?!\s*\())/g, instead: "take a Clock", allowed: [], inTests: false },
  { pattern: /\bMath\.random\b/g, instead: "take a Random (in tests a seed)", allowed: [], inTests: true },
  {
    pattern: /\b(?:randomBytes|randomFill|randomFillSync|randomInt|randomUUID|randomUUIDv7|getRandomValues)\s*\(/g,
    instead: "take a Random or Ids",
    allowed: ["src/kernel/random.ts"],
    inTests: false,
  },
  { pattern: /\bprocess\.env\b/g, instead: "read it in config.ts", allowed: ["src/main.ts", "src/config.ts"], inTests: false },
  { pattern: /\bconsole\.\w+/g, instead: "take a logger", allowed: COMPOSITION, inTests: false },
];

/** Rooms whose code runs for every payment, and files in them that do not, or make one object in the life of a process. */
const PER_PAYMENT = /^src\/(?:commit|ledger|risk|features|rules\/evaluate|payments\/(?:commands|decide))\b/;
const NOT_PER_PAYMENT: readonly string[] = ["src/features/labelled.ts", "src/features/handbook.ts"];
/** Members of literals: a function that is declared once for all is no harm, but none is needed either. */
const RETAINING = /\bfunction\s*\*|^\s*(?:async\s*)?\*\s*(?:\w+|\[[\w.]+\])\s*\(.*\{\s*$|^\s*get\s+\w+\s*\(\s*\)/gm;

/** The files that may skip tests, loudly, where no DynamoDB server or no browser can run. */
const MAY_SKIP: readonly string[] = ["test/support/dynamodb-server.ts", "test/browser/chromium.ts"];
const SKIPS = /\.(?:only|skip|todo)\s*\(|\b(?:only|skip|todo)\s*:\s*(?:true\b|["'`])/g;
const MARKERS = /\b(?:TODO|FIXME|XXX)\b/g;

const isTest = (path: string): boolean => path.endsWith(".test.ts") || path.startsWith("test/") || path.startsWith("bench/");
const linesOf = (text: string): number => text.split("\n").length - (text.endsWith("\n") ? 1 : 0);

function* found(file: SourceFile, text: string, pattern: RegExp): Generator<{ where: string; what: string }> {
  for (const match of text.matchAll(pattern)) yield { where: `${file.path}:${lineAt(text, match.index)}`, what: match[0].trim() };
}

function* lengthFailures(files: readonly SourceFile[], longer: Readonly<Record<string, number>>): Generator<string> {
  for (const { path, text } of files) {
    if (!path.startsWith("src/")) continue;
    const lines = linesOf(text);
    const listed = longer[path];
    if (listed === undefined) {
      if (lines > MAX_LINES) yield `${path}: ${lines} lines, at most ${MAX_LINES}: it is two things, split it`;
    } else if (lines > listed) yield `${path}: grew to ${lines} lines from ${listed}`;
    else if (lines <= MAX_LINES) yield `${path}: has ${lines} lines now, take it off LONGER_FOR_NOW`;
    else if (lines < listed) yield `${path}: has ${lines} lines now, lower its number in LONGER_FOR_NOW from ${listed}`;
  }
  const paths = new Set(files.map((file) => file.path));
  for (const path of Object.keys(longer)) if (!paths.has(path)) yield `${path}: is gone, take it off LONGER_FOR_NOW`;
}

function* bannedCallFailures(file: SourceFile): Generator<string> {
  const test = isTest(file.path);
  if (!test && !file.path.startsWith("src/")) return;
  const code = codeOnly(file.text);
  for (const { pattern, instead, allowed, inTests } of BANNED) {
    if ((test && !inTests) || allowed.includes(file.path)) continue;
    for (const { where, what } of found(file, code, pattern)) yield `${where}: ${what} is banned here: ${instead}`;
  }
}

/**
 * An object with a getter, and a generator that is made anew with each object, get a hidden class of their own. V8 keeps those among
 * the old objects until a full collection, and with them all that the function can see: half of what a payment allocates outlived it.
 */
function* retentionFailures(file: SourceFile): Generator<string> {
  if (isTest(file.path) || !PER_PAYMENT.test(file.path) || NOT_PER_PAYMENT.includes(file.path)) return;
  for (const { where, what } of found(file, codeOnly(file.text), RETAINING))
    yield `${where}: ${what} is banned where every payment passes: it keeps alive what it can see; use a plain function`;
}

function* skippedTestFailures(file: SourceFile): Generator<string> {
  if (!(isTest(file.path) || file.path.startsWith("scripts/")) || MAY_SKIP.includes(file.path)) return;
  for (const { where, what } of found(file, codeOnly(file.text), SKIPS)) yield `${where}: a test is left out by ${what}`;
}

function* markerFailures(file: SourceFile): Generator<string> {
  const text = file.path.endsWith(".md") ? file.text : commentsOnly(file.text);
  for (const { where, what } of found(file, text, MARKERS)) yield `${where}: left-over marker ${what}: do it or open an issue`;
}

/**
 * Every way in which `files` break the house rules, one line each.
 * @param longer the files that may be longer than the limit, with their length.
 */
export function checkHouse(files: readonly SourceFile[], longer: Readonly<Record<string, number>> = LONGER_FOR_NOW): string[] {
  const failures = [...lengthFailures(files, longer)];
  for (const file of files) {
    failures.push(...markerFailures(file));
    if (file.path.endsWith(".md")) continue;
    failures.push(...bannedCallFailures(file), ...retentionFailures(file), ...skippedTestFailures(file));
  }
  return failures;
}

function main(): void {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const files = readSources(root, ["src", "test", "bench", "scripts", "bin", "docs"], [".ts", ".mjs", ".md"]);
  const failures = checkHouse(files);
  const sources = files.filter((file) => file.path.startsWith("src/")).length;
  if (sources === 0) failures.push("src: no files were seen");
  for (const failure of failures) console.log(failure);
  console.log(`Looked at ${files.length} files, ${failures.length} failures.`);
  process.exitCode = failures.length === 0 ? 0 : 1;
}

if (import.meta.main) main();
