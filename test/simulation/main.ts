import { parseArgs } from "node:util";
import { simulate, type SimulationResult } from "./simulate.ts";

const USAGE = `npm run simulate -- [--seed N] [--seeds FROM..TO] [--commands M] [--nodes K]

Runs the whole API on a virtual clock over a store that fails, and checks it against a simpler model.
Without a seed one is taken from the clock and printed.`;

/** How often a long run says where it is, ms. */
const PROGRESS_MS = 5_000;

function whole(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} takes a whole number, not ${text}`);
  return value;
}

function seedsOf(seed: string | undefined, seeds: string | undefined): { readonly from: number; readonly to: number } {
  if (seeds === undefined) {
    const one = whole("seed", seed) ?? Date.now() % 1_000_000;
    return { from: one, to: one };
  }
  const [from, to] = seeds.split("..").map((part) => whole("seeds", part));
  if (from === undefined || to === undefined || to < from) throw new Error(`--seeds takes FROM..TO, not ${seeds}`);
  return { from, to };
}

function report(result: SimulationResult, more: string): void {
  const { seed, failure, step, commits, answers, crashes, virtualMs, traceHash } = result;
  if (failure === undefined) {
    console.log(
      `✔ seed ${seed}: ${step} commands, ${answers} answers, ${commits} commits, ${crashes} crashes, ` +
        `${Math.round(virtualMs / 1000)} virtual s, trace ${traceHash.slice(0, 16)}`,
    );
  } else {
    console.error(`✖ seed ${seed}, step ${step}: ${failure}\n  replay: npm run simulate -- --seed ${seed}${more}`);
  }
}

function readArguments() {
  return parseArgs({
    options: {
      seed: { type: "string" },
      seeds: { type: "string" },
      commands: { type: "string" },
      nodes: { type: "string" },
      counts: { type: "boolean" },
      help: { type: "boolean" },
    },
  }).values;
}

async function main(): Promise<void> {
  const values = readArguments();
  if (values.help === true) {
    console.log(USAGE);
    return;
  }
  const { from, to } = seedsOf(values.seed, values.seeds);
  const commands = whole("commands", values.commands);
  const nodes = whole("nodes", values.nodes);
  const more = `${commands === undefined ? "" : ` --commands ${commands}`}${nodes === undefined ? "" : ` --nodes ${nodes}`}`;
  const counts = new Map<string, number>();
  const failed: number[] = [];
  let shownAt = Date.now();
  for (let seed = from; seed <= to; seed++) {
    const result = await simulate({ seed, commands, nodes });
    for (const [what, n] of result.counts) counts.set(what, (counts.get(what) ?? 0) + n);
    if (result.failure !== undefined) failed.push(seed);
    if (from === to || result.failure !== undefined) report(result, more);
    else if (Date.now() - shownAt > PROGRESS_MS) {
      report(result, more);
      console.log(`  ${seed - from + 1} of ${to - from + 1} seeds, ${failed.length} failed`);
      shownAt = Date.now();
    }
  }
  if (values.counts === true)
    for (const what of [...counts.keys()].toSorted()) console.log(`${String(counts.get(what)).padStart(8)} ${what}`);
  if (from !== to) console.log(`${to - from + 1} seeds, ${failed.length} failed${failed.length === 0 ? "" : `: ${failed.join(", ")}`}`);
  if (failed.length > 0) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  // What is wrong with the arguments is told in a line, and the rest with its stack: it is a fault of the simulation.
  const { code, message } = error as NodeJS.ErrnoException;
  if (code?.startsWith("ERR_PARSE_ARGS") !== true && !message.startsWith("--")) throw error;
  console.error(`${message}\n\n${USAGE}`);
  process.exitCode = 2;
}
