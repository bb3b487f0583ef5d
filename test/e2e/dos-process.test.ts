import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createClient, ok, refused } from "../support/http-client.ts";

const START = fileURLToPath(new URL("../../bin/start.mjs", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "smartfinance-dos-process-"));
after(() => rmSync(directory, { recursive: true, force: true }));

/** More log lines than the pipe between two processes holds. */
const REQUESTS = 6_000;
/** Longer than output must stand still before nobody is thought to read it (src/log-output.ts). */
const STANDSTILL_MS = 2_500;

/** Starts the server with this standard output, and kills it where it does not end by itself; `gaveUp` says so. */
function startWith(output: "pipe" | number, port: number, data: string) {
  const environment: Record<string, string> = { SMARTFINANCE_PORT: String(port), SMARTFINANCE_DATA_DIR: join(directory, data) };
  for (const name of ["PATH", "HOME", "TMPDIR"]) environment[name] = process.env[name] ?? "";
  const child = spawn(process.execPath, [START], { env: environment, stdio: ["ignore", output, "inherit"] });
  const state = { gaveUp: false };
  const timer = setTimeout(() => {
    state.gaveUp = true;
    child.kill("SIGKILL");
  }, 20_000);
  const ended = once(child, "exit").finally(() => clearTimeout(timer)) as Promise<[number | null, NodeJS.Signals | null]>;
  return { child, ended, state };
}

it("DOS-03: a process whose standard output nobody reads serves on, and stops when it is told to", async () => {
  const { child, ended, state } = startWith("pipe", 0, "data");
  const { stdout } = child;
  assert.ok(stdout);
  let text = "";
  const url = await new Promise<string>((resolve) => {
    stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      const found = /"url":"([^"]+)"/.exec(text)?.[1];
      if (found === undefined) return;
      stdout.pause();
      resolve(found);
    });
  });
  const client = createClient(url, undefined, 32);
  await Promise.all(Array.from({ length: REQUESTS }, () => client.get("/healthz")));
  await sleep(STANDSTILL_MS);
  ok(await client.get("/readyz"), 200);
  client.close();
  child.kill("SIGTERM");
  const [code, signal] = await ended;
  // It cannot leave in the ordinary way, which writes what is waiting first.
  assert.deepEqual([code, signal, state.gaveUp], [null, "SIGKILL", false]);
  stdout.destroy();
});

it("DOS-03: a process whose standard output is full serves reads, takes no changes, and stops when it is told to", async () => {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  const full = openSync("/dev/full", "w");
  const { child, ended, state } = startWith(full, port, "full");
  closeSync(full);
  const client = createClient(`http://127.0.0.1:${port}`, undefined, 4);
  const started = async (): Promise<boolean> =>
    client.get("/healthz").then(
      ({ status }) => status === 200,
      () => false,
    );
  while (!state.gaveUp && child.exitCode === null && !(await started())) await sleep(50);
  // The first lines of the log are written behind the start.
  await sleep(500);
  ok(await client.get("/healthz"), 200);
  refused(await client.get("/readyz"), "overloaded");
  refused(await client.post("/v1/transfers", {}), "overloaded");
  client.close();
  child.kill("SIGTERM");
  const [code, signal] = await ended;
  assert.deepEqual([code, signal, state.gaveUp], [0, null, false]);
});
