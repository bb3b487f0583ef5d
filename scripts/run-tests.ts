import { join } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";
import { readSources } from "../test/architecture/source-text.ts";

/** Where tests live. Those that start servers come first, so that a long one does not run alone at the end. */
const DIRECTORIES = ["test", "bench", "src", "scripts"];
/** One process a file, two at a time: the machines this runs on have two cores. */
const AT_ONCE = 2;
/** No test may take longer. */
const TEST_TIMEOUT_MS = 60_000;
/** With no test beginning or ending for so long, a file hangs on something it left open. */
const SILENCE_MS = TEST_TIMEOUT_MS + 30_000;

const root = fileURLToPath(new URL("..", import.meta.url));

/** The test files, or those of them whose path contains one of the words given on the command line. */
function testFiles(words: readonly string[]): string[] {
  const paths = DIRECTORIES.flatMap((directory) => readSources(root, [directory], [".test.ts"])).map((file) => file.path);
  return paths.filter((path) => words.length === 0 || words.some((word) => path.includes(word))).map((path) => join(root, path));
}

function main(): void {
  const files = testFiles(process.argv.slice(2));
  if (files.length === 0) {
    console.error("✖ no test files were found");
    process.exitCode = 1;
    return;
  }
  const unfinished = new Set(files);
  const complaints: string[] = [];
  const silence = new AbortController();
  const hangs = setTimeout(() => silence.abort(), SILENCE_MS);
  // Types are stripped once and kept, which saves every file of the next run some of its start.
  process.env["NODE_COMPILE_CACHE"] ??= join(root, "node_modules", ".cache", "node-compile");

  let total = 0;
  const stream = run({ files, concurrency: AT_ONCE, timeout: TEST_TIMEOUT_MS, signal: silence.signal, cwd: root });
  stream.on("data", () => hangs.refresh());
  stream.on("test:fail", () => {
    process.exitCode = 1;
  });
  stream.on("test:summary", ({ file, counts, success }) => {
    if (!success) process.exitCode = 1;
    if (file === undefined) {
      total = counts.tests;
      return;
    }
    // A file in which no test was registered sends no summary of its own and would count as one test passed.
    if (counts.tests > 0) unfinished.delete(file);
  });
  stream.on("end", () => clearTimeout(hangs));
  process.on("exit", () => {
    for (const file of unfinished)
      complaints.push(`${file.slice(root.length)}: ${silence.signal.aborted ? "did not end" : "ran no tests"}`);
    if (total === 0) complaints.push("no tests ran");
    for (const complaint of complaints) console.error(`✖ ${complaint}`);
    if (complaints.length > 0) process.exitCode = 1;
  });
  stream.compose(spec).pipe(process.stdout);
}

main();
