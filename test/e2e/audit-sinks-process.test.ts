import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { REGION } from "#sinks/testing/aws-server.ts";
import type { CloudWatchServer } from "#sinks/testing/cloudwatch-server.ts";
import { startCloudWatchServer } from "#sinks/testing/cloudwatch-server.ts";
import type { S3Server } from "#sinks/testing/s3-server.ts";
import { startS3Server, TEST_BUCKET } from "#sinks/testing/s3-server.ts";
import { organisationOf } from "../support/app.ts";
import type { ApiObject } from "../support/http-client.ts";
import { createClient, ok } from "../support/http-client.ts";
import type { RunningProcess } from "../support/process.ts";
import { startProcess } from "../support/process.ts";
import { everyPage, idsOf } from "./stage.ts";

const VERIFY = fileURLToPath(new URL("../../bin/audit-verify.mjs", import.meta.url));
const POLLS_MAX = 1_200;

/** Runs the auditor's program to its end. */
async function verify(...args: string[]): Promise<{ readonly code: unknown; readonly said: string }> {
  const child = spawn(process.execPath, [VERIFY, ...args], { stdio: ["ignore", "pipe", "pipe"], timeout: 20_000 });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")));
  const [code] = (await once(child, "close")) as [unknown];
  return { code, said };
}

describe("the audit sinks and the log's key of a real process", () => {
  let folder = "";
  let apiKey = "";
  let cloudwatch: CloudWatchServer;
  let s3: S3Server;
  const settings = (): Record<string, string> => ({
    SMARTFINANCE_DATA_DIR: join(folder, "data"),
    SMARTFINANCE_DEMO: "false",
    SMARTFINANCE_AUDIT_LOG: "false",
    SMARTFINANCE_AUDIT_CLOUDWATCH_GROUP: "bank",
    SMARTFINANCE_AUDIT_CLOUDWATCH_REGION: REGION,
    SMARTFINANCE_AUDIT_CLOUDWATCH_ENDPOINT: cloudwatch.endpoint,
    SMARTFINANCE_AUDIT_S3_BUCKET: TEST_BUCKET,
    SMARTFINANCE_AUDIT_S3_REGION: REGION,
    SMARTFINANCE_AUDIT_S3_ENDPOINT: s3.endpoint,
    SMARTFINANCE_AUDIT_S3_EVERY_SECONDS: "1",
    AWS_ACCESS_KEY_ID: "test",
    AWS_SECRET_ACCESS_KEY: "test",
  });
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "smartfinance-sinks-"));
    cloudwatch = await startCloudWatchServer(() => Date.now());
    cloudwatch.addGroup("bank");
    s3 = await startS3Server(() => Date.now());
    const made = startProcess(settings(), "create-organisation", "Bank", "--rate-limit", "1000000");
    assert.equal(await made.ended, 0, made.stderr());
    apiKey = /api key +(\S+)/.exec(made.stdout())?.[1] ?? "";
  });
  after(async () => {
    await cloudwatch.close();
    await s3.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const over = async (server: RunningProcess) => organisationOf({ id: "", apiKeyId: "", apiKey }, createClient(await server.url, apiKey));
  const copied = (): Set<string> =>
    new Set(
      (cloudwatch.streams.get("bank/smartfinance-audit") ?? []).map(
        ({ message }) => (JSON.parse(message) as { event_id: string }).event_id,
      ),
    );
  const exportedIds = (): string[] =>
    [...s3.objects]
      .filter(([key]) => key.endsWith(".ndjson"))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([, { body }]) => body.toString("utf8").trimEnd().split("\n"))
      .map((line) => (JSON.parse(line) as { event_id: string }).event_id);
  /** What `aws s3 sync` would fetch. */
  const fetched = (name: string): string => {
    const target = join(folder, name);
    for (const [key, { body }] of s3.objects) {
      const path = join(target, key.replace(/^audit\//, ""));
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, body);
    }
    return target;
  };
  const until = async (done: () => boolean, what: string): Promise<void> => {
    for (let poll = 0; poll < POLLS_MAX && !done(); poll++) await sleep(25);
    assert.ok(done(), what);
  };

  it("loses and doubles nothing in the export over kill -9, and what was exported verifies offline under both keys of a rotation", async () => {
    const ids = new Set<string>();
    const killed = startProcess(settings());
    const before = await over(killed);
    const account = await before.account({ balance: 1_000 });
    await until(() => copied().size > 0, "nothing is copied");
    for (let n = 0; n < 20; n++) ok(await before.transfer(account, await before.account(), 1), 201);
    for (const id of idsOf(await everyPage(before.api, "/v1/audit/events", 100))) ids.add(id);
    before.api.close();
    killed.signal("SIGKILL");
    await killed.ended;
    const server = startProcess(settings());
    const own = await over(server);
    const old = String(ok(await own.api.get("/v1/audit/key"), 200)["verifier_key"]);
    await until(() => [...ids].every((id) => copied().has(id)), "CloudWatch lacks events");
    await until(() => [...ids].every((id) => exportedIds().includes(id)), "S3 lacks events");
    assert.equal(new Set(exportedIds()).size, exportedIds().length, "an event is exported twice");
    const lives = async (): Promise<ApiObject[]> => (await everyPage(own.api, "/v1/audit/installation-events", 100)).toReversed();
    const types = (await lives()).map((event) => event["event_type"]);
    assert.deepEqual(types, ["audit_log.started", "audit_log.started"], "the first was killed");
    const [first, second] = (await lives()).map(
      (event) => event["details"] as { version: string; settings_sha256: string; process: string },
    );
    assert.match(first?.version ?? "", /^\d+\.\d+\.\d+$/);
    assert.match(first?.settings_sha256 ?? "", /^[0-9a-f]{64}$/);
    assert.equal(first?.settings_sha256, second?.settings_sha256);
    assert.notEqual(first?.process, second?.process);
    own.api.close();
    assert.equal(await server.stop(), 0);

    const rotated = startProcess(settings(), "rotate-audit-key", "--overlap-days", "0");
    assert.equal(await rotated.ended, 0, rotated.stderr());
    const fresh = /^audit log key (\S+)$/m.exec(rotated.stdout())?.[1] ?? "";
    assert.ok(fresh !== "" && fresh !== old, rotated.stdout());
    assert.match(rotated.stdout(), /signs no more/);

    const again = startProcess(settings());
    const later = await over(again);
    const all = await everyPage(later.api, "/v1/audit/installation-events", 100);
    assert.deepEqual(
      all.slice(0, 3).map((event) => event["event_type"]),
      ["audit_log.started", "audit_log.key_rotated", "audit_log.stopped"],
    );
    await later.user();
    const newest = all[0]?.id ?? "";
    await until(() => exportedIds().includes(newest), "nothing is exported after the rotation");
    await until(
      () => [...s3.objects.values()].some(({ body }) => body.toString("utf8").split("\n")[1] === String(exportedIds().length)),
      "no checkpoint",
    );
    later.api.close();
    assert.equal(await again.stop(), 0);

    const target = fetched("export");
    const both = ["--key", old, "--key", fresh];
    const well = await verify(...both, "--export", target);
    assert.equal(well.code, 0, well.said);
    assert.match(well.said, /OK: \d+ exported events under \d+ checkpoints/);
    for (const key of [old, fresh])
      assert.equal((await verify("--key", key, "--export", target)).code, 1, "one key has not signed all of it");
    const stored = await verify(...both, "--data", join(folder, "data"), "--quiet");
    assert.equal(stored.code, 0, stored.said);
    const [name = ""] = [...s3.objects.keys()].filter((key) => key.endsWith(".ndjson"));
    rmSync(join(target, name.replace(/^audit\//, "")));
    const bad = await verify(...both, "--export", target);
    assert.equal(bad.code, 1);
    assert.match(bad.said, /^WRONG: first bad index 0: leaves 0 to \d+ are missing/m);
  });

  it("starts without its sinks being there, and not with settings that cannot be", async () => {
    const away = {
      ...settings(),
      SMARTFINANCE_AUDIT_S3_ENDPOINT: "http://127.0.0.1:1",
      SMARTFINANCE_AUDIT_CLOUDWATCH_ENDPOINT: "http://127.0.0.1:1",
    };
    const server = startProcess(away);
    const own = await over(server);
    ok(await own.api.get("/v1/users"), 200);
    own.api.close();
    assert.equal(await server.stop(), 0);
    const wrong = startProcess({ ...settings(), SMARTFINANCE_AUDIT_S3_MODE: "FOREVER" });
    assert.equal(await wrong.ended, 1);
    assert.match(wrong.stderr(), /^smartfinance: SMARTFINANCE_AUDIT_S3_MODE must be one of COMPLIANCE, GOVERNANCE, not "FOREVER"\n$/);
    const usage = startProcess(settings(), "rotate-audit-key", "--overlap-days", "400");
    assert.equal(await usage.ended, 1);
    assert.match(usage.stderr(), /--overlap-days must be from 0 to 365; usage: npm run audit:rotate-key/);
  });
});
