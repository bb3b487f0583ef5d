import { spawn } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { ServerProcess } from "../test/crash/server-process.ts";
import { readCpu } from "./cpu.ts";
import type { LoadOrder, LoadResult } from "./load.ts";
import type { Options } from "./options.ts";
import type { LoadRow } from "./rows.ts";
import { describeProfileFile } from "./profile.ts";

/** CPU use in the measured time, in cores. */
export interface Shares {
  readonly server: number;
  readonly load: number;
  /** Everything else on the machine: above a few hundredths the figures are of a busy machine. */
  readonly others: number;
}

export interface Measured {
  readonly load: LoadResult;
  readonly shares: Shares | undefined;
}

const MAX_OUTPUT = 1_000_000;

/** Runs a script of this folder in a process of its own, with one JSON argument; gives its standard output. */
export function runScript(script: string, order: unknown): Promise<string> {
  return new Promise((resolve, reject) => {
    const path = fileURLToPath(new URL(script, import.meta.url));
    const child = spawn(process.execPath, ["--max-semi-space-size=64", path, JSON.stringify(order)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(0, MAX_OUTPUT);
    });
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(output) : reject(new Error(`${script} ended with ${code}`))));
  });
}

/** Puts load on a running server from a process of its own. */
export async function measureRow(row: LoadRow, options: Options, server: ServerProcess, seedDir: string, run: string): Promise<Measured> {
  const { warmUpSeconds, seconds } = options;
  const { connections, zipf, batch } = row;
  const order: LoadOrder = { port: server.port, seedDir, connections, warmUpSeconds, seconds, kind: row.name, zipf, batch, run };
  const running = runScript("./load.ts", order);
  // The load generator needs a moment to start: its warm-up covers that, and this stays inside its measured time.
  await sleep((warmUpSeconds + 0.5) * 1000);
  const before = readCpu(server.pid);
  const from = performance.now();
  await sleep((seconds - 0.75) * 1000);
  const after = readCpu(server.pid);
  const took = (performance.now() - from) / 1000;
  const load = JSON.parse(await running) as LoadResult;
  if (before === undefined || after === undefined) return { load, shares: undefined };
  const share = { server: (after.process - before.process) / took, load: load.cpuSeconds / seconds };
  const others = Math.max(0, (after.machine - before.machine) / took - share.server - share.load);
  return { load, shares: { ...share, others } };
}

/** Where a row's profiles go, as Node options; none when profiles are not asked for. */
export function profileOptions(options: Options, directory: string): string[] {
  if (!options.profile) return [];
  mkdirSync(directory, { recursive: true });
  return ["--cpu-prof", `--cpu-prof-dir=${directory}`];
}

/** Describes the profiles that a stopped server left, the main thread's first. */
export function describeProfiles(directory: string): string {
  const files = readdirSync(directory).filter((name) => name.endsWith(".cpuprofile"));
  return files
    .sort()
    .map((name, n) => `${n === 0 ? "main thread" : "worker thread"}: ${describeProfileFile(join(directory, name))}`)
    .join("\n");
}
