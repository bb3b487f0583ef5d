import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { signerOf } from "#log/index.ts";
import { organisationOf } from "../support/app.ts";
import { createClient, ok } from "../support/http-client.ts";
import type { RunningProcess } from "../support/process.ts";
import { startProcess } from "../support/process.ts";

const bin = (name: string): string => fileURLToPath(new URL(`../../bin/${name}`, import.meta.url));
const POLLS_MAX = 400;
const LOG_KEY = signerOf("bank.example/audit", "signature", Buffer.alloc(32, 7)).verifier.vkey;

/** Runs a program to its end. */
async function run(name: string, ...args: string[]): Promise<{ readonly code: unknown; readonly said: string }> {
  const child = spawn(process.execPath, [bin(name), ...args], { stdio: ["ignore", "pipe", "pipe"], timeout: 20_000 });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")));
  const [code] = (await once(child, "close")) as [unknown];
  return { code, said };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

describe("the audit log of a real process", () => {
  let folder = "";
  let apiKey = "";
  let data = "";
  let runs = 0;
  const settings = (more: Record<string, string> = {}) => ({
    SMARTFINANCE_DATA_DIR: join(folder, data),
    SMARTFINANCE_DEMO: "false",
    SMARTFINANCE_AUDIT_LOG: "false",
    SMARTFINANCE_AUDIT_ORIGIN: "bank.example/audit",
    ...more,
  });
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "smartfinance-log-"));
  });
  beforeEach(async () => {
    runs += 1;
    data = runs === 1 ? "data" : `data-${runs}`;
    const made = startProcess(settings(), "create-organisation", "Bank", "--rate-limit", "1000000");
    assert.equal(await made.ended, 0, made.stderr());
    apiKey = /api key +(\S+)/.exec(made.stdout())?.[1] ?? "";
    writeFileSync(join(folder, "api-key"), apiKey);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const over = async (server: RunningProcess) => {
    const client = createClient(await server.url, apiKey);
    return organisationOf({ id: "", apiKeyId: "", apiKey }, client);
  };

  it("AUD-02 AUD-04 survives kill -9 while it seals: nothing lost, doubled or forked", async () => {
    let vkey = "";
    let since: string | undefined;
    for (const killAfter of [40, 150, 320]) {
      const server = startProcess(settings());
      const own = await over(server);
      vkey = String(ok(await own.api.get("/v1/audit/key"), 200)["verifier_key"]);
      const [from, to] = [await own.account({ balance: 1_000_000 }), await own.account()];
      let stopped = false;
      const busy = Array.from({ length: 8 }, async () => {
        while (!stopped) {
          const transfers = Array.from({ length: 20 }, () => ({ from_account_id: from, to_account_id: to, amount: 1, currency: "EUR" }));
          await own.api.post("/v1/transfers/batch", { mode: "independent", transfers }).catch(() => undefined);
        }
      });
      await sleep(200 + killAfter);
      const checkpoint = await own.api.get("/v1/audit/checkpoint");
      server.signal("SIGKILL");
      stopped = true;
      await server.ended;
      await Promise.all(busy);
      own.api.close();
      if (checkpoint.status === 200) writeFileSync(join(folder, "since"), (since = checkpoint.text));
      const earlier = since === undefined ? [] : ["--since", join(folder, "since")];
      const { code, said } = await run("audit-verify.mjs", "--key", vkey, "--data", join(folder, "data"), "--quiet", ...earlier);
      assert.equal(code, 0, said);
      assert.match(said, /^OK: \d+ events sealed/);
    }
    const server = startProcess(settings());
    const own = await over(server);
    assert.equal(String(ok(await own.api.get("/v1/audit/key"), 200)["verifier_key"]), vkey, "the log keeps its key");
    await own.user();
    for (let poll = 0; poll < POLLS_MAX; poll++) {
      const newest = ok(await own.api.get("/v1/audit/events?limit=1"), 200).data[0]?.id ?? "";
      if (ok(await own.api.get(`/v1/audit/events/${newest}`), 200)["proof"] !== null) break;
      await sleep(25);
    }
    const busy = await run("audit-verify.mjs", "--key", vkey, "--data", join(folder, "data"));
    assert.equal(busy.code, 2, "the file of a running server is not looked at");
    assert.match(busy.said, /in use/);
    own.api.close();
    assert.equal(await server.stop(), 0);
    const last = await run("audit-verify.mjs", "--key", vkey, "--data", join(folder, "data"), "--since", join(folder, "since"));
    assert.match(last.said, /OK: \d+ events sealed \(0 with an erased address\), 0 not yet/);
  });

  it("AUD-06 has its checkpoints cosigned by a witness of its own process, and is verified with it from outside", async () => {
    const started = startProcess(settings());
    const first = await over(started);
    const vkey = String(ok(await first.api.get("/v1/audit/key"), 200)["verifier_key"]);
    first.api.close();
    assert.equal(await started.stop(), 0);

    const port = await freePort();
    const args = ["--data", join(folder, "witness"), "--name", "witness.example/w1", "--log", vkey, "--port", String(port)];
    const witness = spawn(process.execPath, [bin("audit-witness.mjs"), ...args], { stdio: ["ignore", "pipe", "inherit"] });
    const killed = once(witness, "close");
    try {
      let said = "";
      witness.stdout.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")));
      for (let poll = 0; poll < POLLS_MAX && !said.includes("listening"); poll++) await sleep(25);
      const witnessKey = /verifier key (\S+)/.exec(said)?.[1] ?? "";
      const server = startProcess(settings({ SMARTFINANCE_AUDIT_WITNESSES: `${witnessKey} http://127.0.0.1:${port}` }));
      const own = await over(server);
      await own.account({ balance: 100 });
      let cosigned = "";
      for (let poll = 0; poll < POLLS_MAX && cosigned === ""; poll++) {
        const answer = await own.api.get("/v1/audit/checkpoint?witnessed=true");
        if (answer.status === 200) cosigned = answer.text;
        else await sleep(25);
      }
      assert.match(cosigned, /\u2014 witness\.example\/w1 /);
      const remote = ["--key", vkey, "--url", await server.url, "--api-key-file", join(folder, "api-key"), "--quiet"];
      writeFileSync(join(folder, "since"), cosigned);
      const verified = await run("audit-verify.mjs", ...remote, "--witness", witnessKey, "--since", join(folder, "since"));
      assert.equal(verified.code, 0, verified.said);
      const stranger = witnessKey.replace("w1", "w2");
      assert.equal((await run("audit-verify.mjs", ...remote, "--witness", stranger)).code, 2, "that is no key");

      const newest = ok(await own.api.get("/v1/audit/events?event_type=deposit.posted&limit=1"), 200).data[0]?.id ?? "";
      writeFileSync(join(folder, "event.json"), (await own.api.get(`/v1/audit/events/${newest}`)).text);
      writeFileSync(join(folder, "proof"), (await own.api.get(`/v1/audit/events/${newest}/proof`)).text);
      own.api.close();
      assert.equal(await server.stop(), 0);
      const receipt = ["--key", vkey, "--receipt", join(folder, "event.json")];
      assert.match((await run("audit-verify.mjs", ...receipt, "--proof", join(folder, "proof"))).said, /^OK: event evt_/);
      writeFileSync(join(folder, "event.json"), JSON.stringify({ id: newest, object: "event", event_id: newest, amount: 1 }));
      assert.equal((await run("audit-verify.mjs", ...receipt, "--proof", join(folder, "proof"))).code, 1);
    } finally {
      witness.kill("SIGKILL");
      await killed;
    }
  });

  it("AUD-03 seals nothing on top of an older file than it has sealed", async () => {
    const first = startProcess(settings());
    const own = await over(first);
    await own.user();
    const vkey = await sealedUp(own.api);
    own.api.close();
    assert.equal(await first.stop(), 0);
    const dataDir = join(folder, data);
    cpSync(join(dataDir, "smartfinance.db"), join(folder, "older.db"));
    const second = startProcess(settings());
    const again = await over(second);
    await again.user();
    await sealedUp(again.api);
    again.api.close();
    assert.equal(await second.stop(), 0);
    const kept = readFileSync(join(dataDir, "audit-checkpoint"), "utf8");

    // The state of the older file is genuine, with all its signatures.
    for (const name of ["smartfinance.db-wal", "smartfinance.db-shm"]) rmSync(join(dataDir, name), { force: true });
    cpSync(join(folder, "older.db"), join(dataDir, "smartfinance.db"));
    const third = startProcess(settings());
    const rewritten = await over(third);
    await rewritten.user();
    await sleep(1_000);
    const newest = ok(await rewritten.api.get("/v1/audit/events?limit=1"), 200).data[0]?.id ?? "";
    assert.equal(ok(await rewritten.api.get(`/v1/audit/events/${newest}`), 200)["proof"], null);
    rewritten.api.close();
    await third.stop();
    assert.match(third.stdout() + third.stderr(), /LogTamperedError: the log was cut back/);
    assert.equal(readFileSync(join(dataDir, "audit-checkpoint"), "utf8"), kept);
    writeFileSync(join(folder, "since"), kept);
    const report = await run("audit-verify.mjs", "--key", vkey, "--data", dataDir, "--quiet", "--since", join(folder, "since"));
    assert.equal(report.code, 1);
    assert.match(report.said, /cut back/);
  });

  /** Waits until the newest event is sealed. @returns the log's key */
  async function sealedUp(api: Awaited<ReturnType<typeof over>>["api"]): Promise<string> {
    for (let poll = 0; poll < POLLS_MAX; poll++) {
      const newest = ok(await api.get("/v1/audit/events?limit=1"), 200).data[0]?.id ?? "";
      if (ok(await api.get(`/v1/audit/events/${newest}`), 200)["proof"] !== null)
        return String(ok(await api.get("/v1/audit/key"), 200)["verifier_key"]);
      await sleep(25);
    }
    assert.fail("the newest event is not sealed in time");
  }
});

describe("AUD-06 the folder of a witness", () => {
  let folder = "";
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "smartfinance-witness-"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  const args = () => ["--data", join(folder, "w"), "--name", "witness.example/w1", "--log", LOG_KEY, "--port", "0"];

  it("is one process's, and without its memory its key signs nothing", async () => {
    const witness = spawn(process.execPath, [bin("audit-witness.mjs"), ...args()], { stdio: ["ignore", "pipe", "inherit"] });
    const killed = once(witness, "close");
    let said = "";
    witness.stdout.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")));
    for (let poll = 0; poll < POLLS_MAX && !said.includes("listening"); poll++) await sleep(25);
    assert.match(said, /listening/);
    const second = await run("audit-witness.mjs", ...args());
    witness.kill("SIGKILL");
    await killed;
    assert.equal(second.code, 1);
    assert.match(second.said, /is in use by another witness/);
    rmSync(join(folder, "w", "seen.json"));
    const forgetful = await run("audit-witness.mjs", ...args());
    assert.equal(forgetful.code, 1);
    assert.match(forgetful.said, /seen\.json is gone: a witness that forgot may not sign/);
  });
});
