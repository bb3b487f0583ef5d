import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** A server that speaks the DynamoDB API. */
export interface DynamoServer {
  readonly endpoint: string;
  /** Where its files are. Undefined where it is not ours or keeps its data in memory. */
  readonly directory?: string;
  /** Ends the server and removes its data. May be called twice. */
  stop(): Promise<void>;
  /** Ends the server as kill -9 does. Undefined where the server is not ours to kill or keeps its data in memory. */
  readonly kill?: () => Promise<void>;
  /** Starts the killed server again on the same address with the same data. */
  readonly restart?: () => Promise<void>;
}

const BINARY = fileURLToPath(new URL("../../node_modules/@dynoxide/linux-x64/dynoxide", import.meta.url));
const STARTS_MAX = 3;
const POLLS_MAX = 200;
const POLL_MS = 25;

export interface DynamoServerOptions {
  /** Whether data outlives a kill: with it every commit waits for the disk. Default true. */
  readonly durable?: boolean;
}

/**
 * Starts a DynamoDB API server: that of `DYNAMODB_ENDPOINT` where it is set (AWS, DynamoDB Local), else the
 * dynoxide binary with its data in a new temporary directory.
 * @returns undefined when there is neither. Then, tests fail under `CI` or `SMARTFINANCE_REQUIRE_DYNAMODB=1`.
 */
export async function startDynamoServer({ durable = true }: DynamoServerOptions = {}): Promise<DynamoServer | undefined> {
  const given = process.env["DYNAMODB_ENDPOINT"];
  if (given !== undefined && given !== "") return { endpoint: given, stop: async () => {} };
  if (!existsSync(BINARY)) {
    console.error("DYNAMODB IS NOT TESTED: the optional package @dynoxide/linux-x64 is not installed and DYNAMODB_ENDPOINT is not set.");
    return undefined;
  }
  const directory = await mkdtemp(join(tmpdir(), "dynamodb-"));
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    try {
      return await startBinary(directory, port, durable);
    } catch (error) {
      // Somebody else may have taken the port in between.
      if (attempt < STARTS_MAX) continue;
      await rm(directory, { recursive: true, force: true });
      console.error(`DYNAMODB IS NOT TESTED: dynoxide does not start: ${String(error)}`);
      return undefined;
    }
  }
}

/** Whether a missing server must fail the tests rather than skip them. */
function dynamoIsRequired(): boolean {
  const { CI, SMARTFINANCE_REQUIRE_DYNAMODB } = process.env;
  return (CI !== undefined && CI !== "" && CI !== "false") || SMARTFINANCE_REQUIRE_DYNAMODB === "1";
}

async function startBinary(directory: string, port: number, durable: boolean): Promise<DynamoServer> {
  const endpoint = `http://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  const killChild = (): void => void child?.kill("SIGKILL");
  const start = async (): Promise<void> => {
    const args = ["--host", "127.0.0.1", "--port", String(port), ...(durable ? ["--db-path", join(directory, "data.db")] : [])];
    const started = spawn(BINARY, args, { stdio: "ignore" });
    child = started;
    await answers(endpoint, started);
  };
  const kill = async (): Promise<void> => {
    const killed = child;
    child = undefined;
    if (killed === undefined || killed.exitCode !== null || killed.signalCode !== null) return;
    const gone = once(killed, "exit");
    killed.kill("SIGKILL");
    await gone;
  };
  // A test process that crashes must not leave the server behind.
  process.on("exit", killChild);
  const stop = async (): Promise<void> => {
    process.off("exit", killChild);
    await kill();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (error) {
    process.off("exit", killChild);
    await kill();
    throw error;
  }
  return durable ? { endpoint, directory, stop, kill, restart: start } : { endpoint, stop };
}

async function answers(endpoint: string, child: ChildProcess): Promise<void> {
  let failure: Error | undefined;
  child.once("error", (error) => {
    failure = error;
  });
  for (let poll = 0; poll < POLLS_MAX; poll++) {
    if (failure !== undefined) throw failure;
    if (child.exitCode !== null) throw new Error(`it exited with ${child.exitCode}`);
    try {
      const response = await fetch(endpoint, {
        method: "POST",
        headers: {
          "content-type": "application/x-amz-json-1.0",
          "x-amz-target": "DynamoDB_20120810.ListTables",
          authorization: "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
        },
        body: "{}",
      });
      await response.text();
      return;
    } catch {
      await sleep(POLL_MS);
    }
  }
  throw new Error("it did not answer in time");
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

/**
 * The server for a test file: with it, the file registers its tests; without, one skipped test that says so.
 * @throws Error where a server is required and there is none.
 */
export async function dynamoServerForTests(options: DynamoServerOptions = {}): Promise<DynamoServer | undefined> {
  const server = await startDynamoServer(options);
  if (server !== undefined) {
    after(() => server.stop());
    return server;
  }
  if (dynamoIsRequired()) throw new Error("a DynamoDB API server is required here and none can be started");
  it("DynamoDB", { skip: "NO DYNAMODB API SERVER: nothing of this file was tested" }, () => {});
  return undefined;
}
