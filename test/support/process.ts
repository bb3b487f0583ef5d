import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const START = fileURLToPath(new URL("../../bin/start.mjs", import.meta.url));
/** Longer than any start or stop of these tests takes on a busy machine. */
const PATIENCE_MS = 60_000;

export interface RunningProcess {
  /** Everything written so far. */
  stdout(): string;
  stderr(): string;
  /** Where it listens, from its own log line. Rejects when it ends before. */
  readonly url: Promise<string>;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
  signal(name: NodeJS.Signals): void;
  /** SIGTERM, then its exit code. */
  stop(): Promise<number | NodeJS.Signals | null>;
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts the product as `npm start` does, on a free port, with these settings and no others of this environment. */
export function startProcess(settings: Readonly<Record<string, string>>, ...args: string[]): RunningProcess {
  const environment: Record<string, string> = { SMARTFINANCE_PORT: "0" };
  for (const name of ["PATH", "HOME", "TMPDIR"]) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  const child = spawn(process.execPath, [START, ...args], { env: { ...environment, ...settings }, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  let stdout = "";
  let stderr = "";
  const listening = Promise.withResolvers<string>();
  // Whoever does not wait for the address must not be told that there was none.
  listening.promise.catch(() => undefined);
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString("utf8");
    const url = /"url":"([^"]+)"/.exec(stdout)?.[1];
    if (url !== undefined) listening.resolve(url);
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString("utf8");
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
  // "close" and not "exit": by then everything it wrote has been read.
  const ended = once(child, "close").then(([code, signal]) => {
    clearTimeout(timer);
    running.delete(child);
    listening.reject(new Error(`the process ended with ${String(code ?? signal)}: ${stderr}${stdout}`));
    return (code ?? signal) as number | NodeJS.Signals | null;
  });
  return {
    stdout: () => stdout,
    stderr: () => stderr,
    url: listening.promise,
    ended,
    signal: (name) => void child.kill(name),
    async stop() {
      child.kill("SIGTERM");
      return ended;
    },
  };
}
