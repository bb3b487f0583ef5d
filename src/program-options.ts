import type { ParseArgsOptionsConfig } from "node:util";
import { parseArgs } from "node:util";

/** The process was called wrongly: it ends with this code, after one line that says how. */
const WRONGLY_CALLED = 2;

/** What was given of these options; as `parseArgs` says it. */
type Given<T extends ParseArgsOptionsConfig> = ReturnType<typeof parseArgs<{ args: string[]; options: T }>>["values"];

/**
 * Reads the options of a program beside the server. With `--help` (`-h`) it prints the usage and ends the process with 0; an option that
 * is not its own, or that lacks its value, ends it with 2 and one line.
 * @param usage begins with `npm run <name>`
 */
export function programOptions<const T extends ParseArgsOptionsConfig>(usage: string, options: T, args = process.argv.slice(2)): Given<T> {
  const name = /^npm run (\S+)/.exec(usage)?.[1] ?? "";
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(usage);
    process.exit(0);
  }
  try {
    return parseArgs({ args, options }).values as Given<T>;
  } catch (error) {
    // Node goes on about arguments that begin with a dash: its first sentence says what is wrong.
    const [first = ""] = (error instanceof Error ? error.message : String(error)).split(/\.\s|\n/);
    process.stderr.write(`${name}: ${first.replace(/\.$/, "")}; see npm run ${name} -- --help\n`);
    process.exit(WRONGLY_CALLED);
  }
}
