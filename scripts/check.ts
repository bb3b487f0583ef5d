import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readSources } from "../test/architecture/source-text.ts";

/** One step runs the `check:<name>` script of package.json, so that the command is written down once. */
interface Step {
  readonly name: string;
  /** Arguments that make its output one line a failure, and say what it saw. */
  readonly args: string;
  /**
   * How many files the step says it looked at. knip never says: there a pattern of knip.json that matches no file
   * is a failure of its own (`--treat-config-hints-as-errors`).
   */
  readonly seen: ((output: string) => number) | undefined;
  /** Lines of output that are no failures. */
  readonly noise: RegExp;
}

interface Outcome {
  readonly step: Step;
  readonly failures: readonly string[];
  readonly seen: number | undefined;
  readonly seconds: number;
}

const root = fileURLToPath(new URL("..", import.meta.url));
const DIRECTORIES = ["src", "test", "bench", "scripts"];
const AT_ONCE = 2;
const STEP_TIMEOUT_MS = 50_000;
const MAX_LINES_SHOWN = 100;

const countIn = (pattern: RegExp) => (output: string) => Number(pattern.exec(output)?.[1] ?? 0);
const isOwnFile = (line: string): boolean => line.startsWith(root) && !line.includes("/node_modules/");

/** Longest first, so that two lanes end together. */
const STEPS: readonly Step[] = [
  { name: "dead", args: "--no-progress", seen: undefined, noise: /^$/ },
  { name: "lint", args: "--format=github", seen: countIn(/ on (\d+) files/), noise: /^Finished in |^Found \d+ warn|^$/ },
  {
    name: "types",
    args: "--pretty false --listFiles",
    seen: (output) => output.split("\n").filter(isOwnFile).length,
    noise: /^\/|^[A-Za-z]:[\\/]|^$/,
  },
  {
    name: "format",
    args: "--reporter=concise --max-diagnostics=100",
    seen: countIn(/Checked (\d+) files/),
    noise: /^Checked |^Found |^format ━|Some errors were emitted|^$/,
  },
  { name: "pages", args: "--pretty false", seen: undefined, noise: /^$/ },
  { name: "house", args: "", seen: countIn(/Looked at (\d+) files/), noise: /^Looked at |^$/ },
  { name: "openapi", args: "", seen: undefined, noise: /^$/ },
];

/** `::error …,title=rule::file:line:column: message` becomes `file:line:column: message (rule)`. */
const plain = (line: string): string => line.replace(/^::\w+ .*?title=([^:]*)::(.*)$/, "$2 ($1)").trimEnd();

function commandOf({ name, args }: Step): string {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: Record<string, string> };
  const script = scripts[`check:${name}`];
  if (script === undefined) throw new Error(`package.json has no script check:${name}`);
  return `${script} ${args}`;
}

/** Runs a command line as npm would, and resolves with its exit code and all its output. */
function run(command: string): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const path = [join(root, "node_modules", ".bin"), process.env["PATH"] ?? ""].join(delimiter);
    const child = spawn(command, {
      cwd: root,
      shell: true,
      stdio: ["ignore", "pipe", "pipe"],
      // A process group of its own, so that what the shell started ends with it.
      detached: process.platform !== "win32",
      env: { ...process.env, PATH: path, NO_COLOR: "1", FORCE_COLOR: "0" },
    });
    const late = setTimeout(() => {
      if (child.pid !== undefined) process.kill(process.platform === "win32" ? child.pid : -child.pid, "SIGKILL");
    }, STEP_TIMEOUT_MS);
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.on("error", (error) => resolve({ code: 1, output: error.message }));
    child.on("close", (code, signal) => {
      clearTimeout(late);
      const output = Buffer.concat(chunks).toString("utf8");
      resolve({ code: code ?? 1, output: signal === null ? output : `${output}\nended by ${signal} after at most ${STEP_TIMEOUT_MS} ms` });
    });
  });
}

async function runStep(step: Step, expected: number): Promise<Outcome> {
  const started = performance.now();
  const { code, output } = await run(commandOf(step));
  const seen = step.seen?.(output);
  const lines = output.split("\n").map(plain);
  const failures = code === 0 ? [] : lines.filter((line) => !step.noise.test(line));
  if (code !== 0 && failures.length === 0) failures.push(`exit code ${code}`);
  if (seen !== undefined && seen < expected) failures.push(`looked at ${seen} files only, there are ${expected}`);
  return { step, failures, seen, seconds: (performance.now() - started) / 1000 };
}

function report({ step, failures, seen, seconds }: Outcome): string {
  const files = seen === undefined ? "" : `${seen} files`;
  const mark = failures.length === 0 ? "✔" : "✖";
  return `${mark} ${step.name.padEnd(8)}${files.padEnd(12)}${seconds.toFixed(1)} s`;
}

async function main(): Promise<void> {
  const expected = readSources(root, DIRECTORIES, [".ts"]).length;
  const waiting = [...STEPS];
  const outcomes: Outcome[] = [];
  const lane = async (): Promise<void> => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) outcomes.push(await runStep(step, expected));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));

  for (const { step, failures } of outcomes) {
    for (const line of failures.slice(0, MAX_LINES_SHOWN)) console.log(`${step.name}: ${line}`);
    if (failures.length > MAX_LINES_SHOWN) console.log(`${step.name}: … and ${failures.length - MAX_LINES_SHOWN} more lines`);
  }
  for (const outcome of outcomes) console.log(report(outcome));
  const failed = outcomes.filter((outcome) => outcome.failures.length > 0).length;
  if (expected === 0) console.log("✖ there are no source files");
  console.log(failed === 0 ? "All checks passed." : `${failed} of ${outcomes.length} checks failed.`);
  process.exitCode = failed === 0 && expected > 0 ? 0 : 1;
}

await main();
