import assert from "node:assert/strict";
import { after, afterEach, before, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { systemRandom } from "#kernel/random.ts";
import { parseVkey, verifyExport } from "#log/index.ts";
import { openCloudWatchSink } from "#sinks/cloudwatch/index.ts";
import { openS3Sink } from "#sinks/s3/index.ts";
import { credentials, REGION } from "#sinks/testing/aws-server.ts";
import type { CloudWatchServer } from "#sinks/testing/cloudwatch-server.ts";
import { startCloudWatchServer } from "#sinks/testing/cloudwatch-server.ts";
import type { S3Server } from "#sinks/testing/s3-server.ts";
import { startS3Server, TEST_BUCKET } from "#sinks/testing/s3-server.ts";
import type { StartOptions, TestApp } from "../support/app.ts";
import { movableClock, startApp } from "../support/app.ts";
import { ok, refused } from "../support/http-client.ts";
import { everyPage, idsOf } from "./stage.ts";

const POLLS_MAX = 400;
/** After so long every leaf is exported, ms. */
const EVERY_MS = 300_000;

/** The audit sinks, the installation's own events, the alarm and the log's key, over HTTP on any store. */
export function auditSinkFlows(options: StartOptions): void {
  const clock = movableClock();
  const random = systemRandom();
  let cloudwatch: CloudWatchServer;
  let s3: S3Server;
  let app: TestApp;
  const opened: { close(): Promise<void> | void }[] = [];
  before(async () => {
    cloudwatch = await startCloudWatchServer(() => clock.now());
    cloudwatch.addGroup("bank");
    s3 = await startS3Server(() => clock.now());
    opened.push(cloudwatch, s3);
    const common = { region: REGION, credentials, clock, random, attemptMs: 500 };
    const sinks = [
      openCloudWatchSink({ ...common, group: "bank", stream: "audit", endpoint: cloudwatch.endpoint }),
      openS3Sink({
        ...common,
        bucket: TEST_BUCKET,
        prefix: "audit/",
        mode: "COMPLIANCE",
        retentionDays: 400,
        everyMs: EVERY_MS,
        endpoint: s3.endpoint,
      }),
    ];
    app = await startApp({ ...options, clock, sinks });
    opened.push(app, { close: () => app.app.sinks.stop() });
  });
  after(async () => {
    for (const one of opened.toReversed()) await one.close();
  });
  afterEach(() => {
    cloudwatch.fault = () => undefined;
    s3.fault = () => undefined;
  });

  const until = async (done: () => boolean | Promise<boolean>, what: string): Promise<void> => {
    for (let poll = 0; poll < POLLS_MAX; poll++) {
      await app.app.log.worker.work();
      await app.app.sinks.work();
      if (await done()) return;
      await sleep(20);
    }
    assert.fail(what);
  };
  const copied = (): Set<string> =>
    new Set((cloudwatch.streams.get("bank/audit") ?? []).map(({ message }) => (JSON.parse(message) as { event_id: string }).event_id));
  const exported = (): Map<string, Buffer> => new Map([...s3.objects].map(([key, { body }]) => [key.replace(/^audit\//, ""), body]));
  const exportedText = (): string => [...exported().values()].map((body) => body.toString("utf8")).join("");

  it("AUD-09 copies every event to both sinks, and tells how far each has come", async () => {
    const own = await app.newOrganisation();
    const [from, to] = [await own.account({ balance: 5_000 }), await own.account()];
    ok(await own.transfer(from, to, 1_250), 201);
    const told = idsOf(await everyPage(own.api, "/v1/audit/events", 100));
    await until(() => told.every((id) => copied().has(id)), "events are missing in CloudWatch");
    clock.advance(EVERY_MS);
    await until(() => told.every((id) => exportedText().includes(id)), "events are missing in S3");
    assert.ok(!exportedText().includes("127.0.0.1"), "no address is where it can never be erased");

    const log = parseVkey(String(ok(await own.api.get("/v1/audit/key"), 200)["verifier_key"]));
    assert.ok(log);
    await until(() => [...exported().keys()].some((name) => name.startsWith("checkpoints/")), "there is no checkpoint");
    const files = exported();
    const report = verifyExport({ files: { names: [...files.keys()], read: (name) => files.get(name) ?? Buffer.alloc(0) }, log });
    assert.ok(report.ok, JSON.stringify(report));
    assert.ok(report.size >= told.length);

    const { data } = ok(await own.api.get("/v1/audit/sinks"), 200);
    assert.deepEqual(
      data.map(({ name, status, last_error }) => ({ name, status, last_error })),
      ["cloudwatch", "s3"].map((name) => ({ name, status: "ok", last_error: null })),
    );
    for (const sink of data) assert.ok(Number(sink["position"]) >= told.length, JSON.stringify(sink));
    const scoped = own.api.as(ok(await own.api.post("/v1/api-keys", { name: "Payer", scopes: ["transfers:write"] }), 201).secret);
    refused(await scoped.get("/v1/audit/sinks"), "insufficient_scope");
    refused(await app.anonymous.get("/v1/audit/sinks"), "unauthenticated");
  });

  it("goes on serving and sealing while a sink is away, shows that it lags, and catches up", async () => {
    const own = await app.newOrganisation();
    cloudwatch.fault = () => ({ kind: "error", name: "AccessDeniedException", status: 400 });
    const user = await own.user();
    const sinkNow = async () => ok(await own.api.get("/v1/audit/sinks"), 200).data.find(({ name }) => name === "cloudwatch");
    await until(async () => (await sinkNow())?.status === "failing", "the failure is not shown");
    clock.advance(120_000);
    const failing = await sinkNow();
    assert.match(String(failing?.["last_error"]), /AccessDeniedException/);
    assert.ok(Number(failing?.["lag_seconds"]) >= 120);
    ok(await own.api.get(`/v1/users/${user}`), 200);
    cloudwatch.fault = () => undefined;
    const told = idsOf(await everyPage(own.api, "/v1/audit/events", 100));
    clock.advance(120_000);
    await until(() => told.every((id) => copied().has(id)), "it does not catch up");
    await until(async () => (await sinkNow())?.status === "ok", "it is still shown as failing");
  });

  it("AUD-08 leaves events of starts and stops, of times without sealing and of rotations, for every reader of the log", async () => {
    const own = await app.newOrganisation();
    const types = async () => (await everyPage(own.api, "/v1/audit/installation-events", 2)).map((event) => String(event["event_type"]));
    await app.app.log.life.started({ version: "1.2.3", settings_sha256: "0".repeat(64) });
    const [started] = ok(await own.api.get("/v1/audit/installation-events?limit=1"), 200).data;
    assert.equal(started?.["event_type"], "audit_log.started");
    assert.equal((started["details"] as { version: string }).version, "1.2.3");
    refused(await own.api.get("/v1/audit/installation-events?cursor=nonsense"), "invalid_cursor", "cursor");
    assert.ok(!(await everyPage(own.api, "/v1/audit/events", 100)).some((event) => event["event_type"] === "audit_log.started"));

    const health = async () => ok(await app.anonymous.get("/readyz"), 200)["audit_log"];
    await app.app.log.worker.work();
    await app.app.log.watch();
    assert.equal(await health(), "ok");
    await own.user();
    clock.advance(61_000);
    await until2(async () => {
      await app.app.log.watch();
      return (await health()) === "late";
    });
    assert.ok(app.log.some((line) => line.includes("audit log is late") && line.includes('"level":50')));
    await until(async () => {
      await app.app.log.watch();
      return (await health()) === "ok" && (await types()).includes("audit_log.sealing_resumed");
    }, "the alarm does not end");
    assert.ok((await types()).includes("audit_log.sealing_paused"));

    const before = String(ok(await own.api.get("/v1/audit/key"), 200)["verifier_key"]);
    await app.app.log.rotateKey(3_600_000);
    const key = ok(await own.api.get("/v1/audit/key"), 200);
    assert.notEqual(key["verifier_key"], before);
    assert.deepEqual(
      (key["former_keys"] as { verifier_key: string }[]).map(({ verifier_key }) => verifier_key),
      [before],
    );
    const size = async () => Number((await own.api.get("/v1/audit/checkpoint")).text.split("\n")[1]);
    const sizeThen = await size();
    await own.user();
    await until(async () => (await size()) > sizeThen, "nothing is sealed under the new key");
    assert.equal((await own.api.get("/v1/audit/checkpoint")).text.match(/^\u2014 /gm)?.length, 2, "both keys sign");
    assert.equal((await types())[0], "audit_log.key_rotated");
    const [rotation] = ok(await own.api.get("/v1/audit/installation-events?limit=1"), 200).data;
    await until(async () => (await own.api.get(`/v1/audit/events/${rotation?.id}/proof`)).status === 200, "it is not proved");

    // The key at hand still has the former one, which signs no more.
    clock.advance(3_600_000);
    assert.deepEqual(ok(await own.api.get("/v1/audit/key"), 200)["former_keys"], []);

    await app.app.log.life.stopped();
    await app.app.log.life.stopped();
    assert.equal((await types()).filter((type) => type === "audit_log.stopped").length, 1);
  });

  /** The same without anything being sealed meanwhile. */
  async function until2(done: () => Promise<boolean>): Promise<void> {
    for (let poll = 0; poll < POLLS_MAX; poll++) {
      if (await done()) return;
      await sleep(20);
    }
    assert.fail("it did not come to be");
  }
}
