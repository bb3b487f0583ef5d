import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openConnection } from "./connection.ts";

const START = fileURLToPath(new URL("../../bin/start.mjs", import.meta.url));
const POLL_MS = 2;
const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 20_000;
const STDERR_KEPT = 4_000;
const DEV_NULL = "/dev/null";

/** Which store a server process works on. */
export type StoreChoice =
  | { readonly kind: "sqlite" }
  | { readonly kind: "dynamodb"; readonly endpoint: string; readonly tablePrefix: string };

/** The settings of a server on this data, as environment variables. The audit log is on, as by default. */
export function settingsOf(store: StoreChoice, dataDir: string, port: number): Record<string, string> {
  return {
    SMARTFINANCE_DATA_DIR: dataDir,
    SMARTFINANCE_PORT: String(port),
    SMARTFINANCE_STORE: store.kind,
    ...(store.kind === "sqlite"
      ? {}
      : {
          SMARTFINANCE_DYNAMODB_ENDPOINT: store.endpoint,
          SMARTFINANCE_TABLE_PREFIX: store.tablePrefix,
        }),
  };
}

/** What the AWS SDK signs requests with: the surroundings' own, or what a local server takes, which is anything. */
export function credentials(): Record<string, string> {
  const { AWS_ACCESS_KEY_ID = "test", AWS_SECRET_ACCESS_KEY = "test", AWS_SESSION_TOKEN } = process.env;
  return { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, ...(AWS_SESSION_TOKEN === undefined ? {} : { AWS_SESSION_TOKEN }) };
}

export interface ServerProcess {
  readonly port: number;
  readonly pid: number;
  /** From the spawn to the first 200 of GET /healthz. */
  readonly startMs: number;
  /** SIGTERM, then waits for the process to end. @throws Error when it does not, or not with code 0 */
  stop(): Promise<void>;
  /** Ends the process as a power failure would end it: no handler runs. */
  kill(): Promise<void>;
}

export interface ServerOptions {
  readonly store: StoreChoice;
  readonly dataDir: string;
  readonly settings?: Readonly<Record<string, string>>;
  readonly nodeOptions?: readonly string[];
}

/**
 * Starts the product itself (`bin/start.mjs`, as `npm start` does) and waits until it answers. Its standard output
 * goes to the null device: everything is formatted and written, nothing is kept.
 * @throws Error with the end of its standard error when it ends or does not answer in time.
 */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const port = await freePort();
  const output = openSync(DEV_NULL, "w");
  const started = performance.now();
  const child = spawn(process.execPath, ["--max-semi-space-size=64", ...(options.nodeOptions ?? []), START], {
    stdio: ["ignore", output, "pipe"],
    env: {
      PATH: process.env["PATH"],
      ...credentials(),
      ...settingsOf(options.store, options.dataDir, port),
      ...options.settings,
    },
  });
  closeSync(output);
  const killChild = (): void => void child.kill("SIGKILL");
  process.on("exit", killChild);
  const exited = once(child, "exit");
  let complaint = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(-STDERR_KEPT);
  });
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const end = async (signal: "SIGTERM" | "SIGKILL"): Promise<void> => {
    if (!hasEnded()) child.kill(signal);
    const late = setTimeout(killChild, STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(late);
    process.off("exit", killChild);
  };
  try {
    await answers(port, hasEnded, started + START_TIMEOUT_MS);
  } catch (error) {
    await end("SIGKILL");
    throw new Error(`the server did not start (${how(child)}): ${complaint}`, { cause: error });
  }
  return {
    port,
    pid: child.pid ?? 0,
    startMs: performance.now() - started,
    async stop() {
      await end("SIGTERM");
      if (child.exitCode !== 0) throw new Error(`the server ended with ${how(child)}: ${complaint}`);
    },
    kill: () => end("SIGKILL"),
  };
}

function how({ exitCode, signalCode }: ChildProcess): string {
  return signalCode === null ? `code ${exitCode}` : signalCode;
}

async function answers(port: number, hasEnded: () => boolean, deadline: number): Promise<void> {
  while (!(await isHealthy(port))) {
    if (hasEnded()) throw new Error("it ended");
    if (performance.now() > deadline) throw new Error("it did not answer in time");
    await sleep(POLL_MS);
  }
}

/** One GET /healthz over a connection of its own. */
function isHealthy(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = openConnection(port, {
      answered({ status }) {
        connection.close();
        resolve(status === 200);
      },
      broken: () => resolve(false),
    });
    connection.send("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
